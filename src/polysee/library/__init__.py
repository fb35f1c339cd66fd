"""A person's media: catalogue, vectors, indexing, search, calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polysee.library.duplicates import DuplicateGroup
    from polysee.library.hits import Hit, SearchResult
    from polysee.library.indexing import IndexReport
    from polysee.library.library import Library

__all__ = ["DuplicateGroup", "Hit", "IndexReport", "Library", "SearchResult"]

_HOMES = {
    "DuplicateGroup": "duplicates",
    "Hit": "hits",
    "SearchResult": "hits",
    "IndexReport": "indexing",
    "Library": "library",
}


def __getattr__(name: str) -> Any:
    """Import on first use: the database takes seconds to load, and a query's words need none."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
