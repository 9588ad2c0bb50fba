"""Errors of a search. Every message is ready for the user."""

from __future__ import annotations

from dataclasses import dataclass

from model.errors import PixelseekError


class EngineError(PixelseekError):
    """A library that cannot be searched: empty, or encoded by other weights. The message names the remedy."""


class EngineReplaced(EngineError):  # noqa: N818
    """Other weights search the library since the engine was opened, or since the query was encoded."""


@dataclass(frozen=True)
class WrongPart:
    """The part of a query's text that makes no sense, and queries to try instead."""

    before: str
    """The text before the part."""
    part: str
    after: str
    fixes: tuple[str, ...] = ()
    """Texts of queries that make sense, the likeliest first."""


class QueryError(EngineError):
    """A query that cannot be searched for, or a number that is out of range."""

    def __init__(self, message: str, wrong: WrongPart | None = None) -> None:
        super().__init__(message)
        self.wrong = wrong
        """Where one part of the query is to blame."""
