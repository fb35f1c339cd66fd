"""Polysee: read, see, find, draw and explain, in Chinese and English, on your own machine.

    import polysee

    clip = polysee.load("polysee/align-nano")
    library = polysee.Library()

The names below are imported when they are first used, so that `import polysee` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polysee.inference import load as load
    from polysee.layers.attention import attention as attention
    from polysee.library import Library as Library

    __version__: str

__all__ = ["Library", "__version__", "attention", "load"]

_HOMES = {
    "Library": "polysee.library",
    "attention": "polysee.layers.attention",
    "load": "polysee.inference",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("polysee")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
