"""The results of a search."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

NOTHING_LIKE_THAT = "Nothing like that here. The nearest photos:"
NOTHING_LIKE_THAT_PASSES = "Nothing like that passes the filters. The nearest photos that do:"


HintKind: TypeAlias = Literal[
    "absent", "unknown_words", "not_english", "filters", "spelling", "place", "busy", "not_reranked"
]
"""`absent`: nothing like that is in the library. `filters`: without a filter there is. `spelling`: a filter's name or
value is probably misspelled. `place`: which of several places of one name is meant. `busy`: fewer photos
were reranked than usual, because many people wait. `not_reranked`: none was, because the reranker is away."""


@dataclass(frozen=True)
class Hit:
    """One photo that answers the query."""

    path: str
    photo_id: int
    similarity: float | None
    """Cosine of the embeddings of sentence and photo, -1 to 1, which orders the shortlist; None without a sentence."""
    match: float | None
    """Probability that a person shown sentence and photo says that it fits, 0 to 1; None where it was not reranked."""
    score: float | None
    """Orders the reranked hits; any number. None where the hit was not reranked."""
    width: int
    """Width in pixels of the upright photo."""
    height: int
    size: int
    """Bytes of the file."""
    taken_at: str | None
    """When it was taken, in ISO 8601 (`PhotoRecord.taken_iso`); None for no date."""
    online: bool
    """False while the folder it lies in cannot be reached."""
    copies: list[int] = field(default_factory=list, compare=False)
    """Ids of other hits of the same search that are nearly the same photo. What else was found makes no other hit."""

    def to_json(self) -> dict[str, Any]:
        """The hit as the command line prints it; the API adds the address of a thumbnail."""
        return {
            "path": self.path,
            "photo_id": self.photo_id,
            "similarity": None if self.similarity is None else round(self.similarity, 4),
            "match": None if self.match is None else round(self.match, 4),
            "score": None if self.score is None else round(self.score, 4),
            "width": self.width,
            "height": self.height,
            "size": self.size,
            "taken_at": self.taken_at,
            "online": self.online,
            "copies": self.copies,
        }


@dataclass(frozen=True)
class Hint:
    """What a person may want to know about a search, and what to try instead."""

    kind: HintKind
    text: str
    """One plain sentence."""
    query: str | None = None
    """A query to try instead."""

    def to_json(self) -> dict[str, Any]:
        """The hint as the command line and the API print it."""
        return {"kind": self.kind, "text": self.text, "query": self.query}


@dataclass(frozen=True)
class SearchResult:
    """The hits of a query, best first, and how long the search took."""

    query: str
    hits: list[Hit]
    line: int
    """How many of the first hits are the best ones (`engine.grouping`), also those past the limit. 0 where nothing like
    the sentence was found, and where nothing was reranked."""
    reranked: int
    """How many photos were reranked, also those past the limit. They come first."""
    timings_ms: dict[str, float]
    """Milliseconds of the stages `text`, `shortlist`, `features` and `rerank`, and of the whole search: `total`."""
    hints: list[Hint] = field(default_factory=list)
    """Why there may be no good hit, and what to try instead."""

    @property
    def absence(self) -> str | None:
        """The sentence that says that no hit is good; None where one is, and where nothing was reranked."""
        if self.line or not self.reranked:
            return None
        if any(hint.kind == "filters" for hint in self.hints):
            return NOTHING_LIKE_THAT_PASSES
        return next((hint.text for hint in self.hints if hint.kind == "absent"), NOTHING_LIKE_THAT)

    @property
    def suggestions(self) -> list[Hint]:
        """The hints beside that sentence."""
        return [hint for hint in self.hints if hint.kind != "absent"]

    def to_json(self) -> dict[str, Any]:
        """The result as the command line and the API print it."""
        return {
            "query": self.query,
            "hits": [hit.to_json() for hit in self.hits],
            "line": self.line,
            "hints": [hint.to_json() for hint in self.hints],
            "reranked": self.reranked,
            "timings_ms": {stage: round(milliseconds, 2) for stage, milliseconds in self.timings_ms.items()},
        }
