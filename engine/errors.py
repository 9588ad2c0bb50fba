"""Errors of a search. Every message is ready for the user."""

from __future__ import annotations

from model.errors import PixelseekError


class EngineError(PixelseekError):
    """A library that cannot be searched: empty, or encoded by other weights. The message names the remedy."""


class EngineReplaced(EngineError):  # noqa: N818
    """Other weights search the library since the engine was opened, or since the query was encoded."""


class QueryError(EngineError):
    """A query that cannot be searched for, or a number that is out of range."""
