"""LanceDB, imported without its cloud client: the first search starts a second earlier.

`import lancedb` builds several hundred classes of a REST client (`lance_namespace_urllib3_client`)
that an embedded database never calls, and that takes more than half of its time. While LanceDB is
imported here, the API modules of that client are empty ones, whose classes do nothing. A program
that imports LanceDB before Polysee is not affected; should the trick ever fail, the plain import
follows.
"""

from __future__ import annotations

import importlib
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

CLIENT = "lance_namespace_urllib3_client.api"


class _EmptyModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class _EmptyClient(MetaPathFinder, Loader):
    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        ours = fullname == CLIENT or fullname.startswith(CLIENT + ".")
        return ModuleSpec(fullname, self, is_package=True) if ours else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _EmptyModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


def _forget(*prefixes: str) -> None:
    for name in [name for name in sys.modules if name.startswith(prefixes)]:
        del sys.modules[name]


def import_lancedb() -> ModuleType:
    """The `lancedb` module."""
    if "lancedb" in sys.modules or CLIENT in sys.modules:
        return importlib.import_module("lancedb")
    finder = _EmptyClient()
    sys.meta_path.insert(0, finder)
    try:
        return importlib.import_module("lancedb")
    except (ImportError, AttributeError, TypeError):  # it has come to need its client
        _forget("lancedb", "lance_namespace")
        sys.meta_path.remove(finder)
        return importlib.import_module("lancedb")
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
        _forget(CLIENT)  # whoever wants the client itself later gets the real one
