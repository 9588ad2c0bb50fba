"""Pixelseek from Python: open a library and search it by sentences.

    from pixelseek import SearchEngine

    with SearchEngine.open("~/my-library") as engine:
        for hit in engine.search("a dog running on the beach").hits:
            print(hit.match, hit.path)

Every name is imported when it is first used, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.query import Query
    from engine.search import SearchEngine
    from indexer.library.library import Library
    from model.errors import PixelseekError

    __version__: str

__all__ = ["Library", "PixelseekError", "Query", "SearchEngine", "__version__"]
_MODULES = {
    "Library": "indexer.library.library",
    "PixelseekError": "model.errors",
    "Query": "engine.query",
    "SearchEngine": "engine.search",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("pixelseek")
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
