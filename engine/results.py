"""The results of a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Hit:
    """One photo that answers the query."""

    path: str
    photo_id: int
    similarity: float | None
    """Cosine of the embeddings of sentence and photo, -1 to 1, which orders the shortlist; None without a sentence."""
    match: float | None
    """Calibrated probability that the photo matches, 0 to 1; None where the hit was not reranked."""
    score: float | None
    """Orders the reranked hits; any number. None where the hit was not reranked."""
    width: int
    """Width in pixels of the upright photo."""
    height: int
    online: bool
    """False while the folder it lies in cannot be reached."""

    def to_json(self) -> dict[str, Any]:
        """The hit as the command line and the API print it."""
        return {
            "path": self.path,
            "photo_id": self.photo_id,
            "similarity": None if self.similarity is None else round(self.similarity, 4),
            "match": None if self.match is None else round(self.match, 4),
            "score": None if self.score is None else round(self.score, 4),
            "online": self.online,
        }


@dataclass(frozen=True)
class SearchResult:
    """The hits of a query, best first, and how long the search took."""

    query: str
    hits: list[Hit]
    cutoff: float
    """The match below which a hit is weak. Calibration chooses it on dev photos."""
    reranked: int
    """How many photos were reranked, also those past the limit. They come first."""
    timings_ms: dict[str, float]
    """Milliseconds of the stages `text`, `shortlist`, `features` and `rerank`, and of the whole search: `total`."""

    def to_json(self) -> dict[str, Any]:
        """The result as the command line and the API print it."""
        return {
            "query": self.query,
            "hits": [hit.to_json() for hit in self.hits],
            "cutoff": self.cutoff,
            "reranked": self.reranked,
            "timings_ms": {stage: round(milliseconds, 2) for stage, milliseconds in self.timings_ms.items()},
        }
