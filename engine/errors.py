"""What can be wrong with a question; every message is ready for the user."""

from __future__ import annotations

from model.errors import PixelseekError


class EngineError(PixelseekError):
    """A library that cannot answer: empty, or encoded by other weights. The message names the remedy."""


class EngineReplaced(EngineError):  # noqa: N818
    """Other weights answer for the library since the engine was opened."""


class QueryError(EngineError):
    """A sentence, or a number beside it, that cannot be searched for."""
