"""Requests and responses of searches."""

from __future__ import annotations

from pydantic import Field

from engine.results import HintKind
from engine.sentences import MAX_CHARACTERS
from engine.validation import Sort
from web.schema.base import MAX_LIMIT, RequestModel, ResponseModel


class SearchRequest(RequestModel):
    """A query, and how many of its photos to return."""

    q: str = Field(
        min_length=1,
        max_length=MAX_CHARACTERS,
        examples=["a dog on the beach", "a beach -crowd taken:2021"],
        description="What the photos show, in English; with excluded terms (`-crowd`) and filters.",
    )
    limit: int = Field(20, ge=1, le=MAX_LIMIT, description="How many photos to return.")
    rerank: bool = Field(
        True, description="Whether words and photos are read together; without it photos come in order of similarity."
    )
    sort: Sort = Field("match", description="`date`: the best photos come newest first.")
    cursor: str | None = Field(
        None,
        max_length=64,
        description="`next` of the page before. The order stays the same, also while photos are indexed.",
    )


class SimilarRequest(RequestModel):
    """What the similar photos show too, and how many to return."""

    q: str = Field(
        "",
        max_length=MAX_CHARACTERS,
        examples=["at night"],
        description="Words that count as much as the photo; with excluded terms and filters.",
    )
    limit: int = Field(20, ge=1, le=MAX_LIMIT, description="How many photos to return.")


class HitAnswer(ResponseModel):
    """One photo that was found."""

    path: str
    photo_id: int
    similarity: float | None = Field(
        description="Cosine of the embeddings, -1 to 1, which orders the shortlist; null without a sentence."
    )
    match: float | None = Field(
        description="Probability that a person says that the photo fits the sentence, 0 to 1; null without a rerank."
    )
    score: float | None = Field(description="Orders the reranked hits; null without a rerank.")
    width: int = Field(description="Pixels of the upright photo.")
    height: int
    size: int = Field(description="Bytes of the file.")
    taken_at: str | None = Field(description="When it was taken, as in the record of a photo; null for no date.")
    thumbnail: str = Field(description="Address of its thumbnail on this server, at most 640 pixels a side.")
    online: bool = Field(description="False while its folder cannot be reached.")
    copies: list[int] = Field(description="Ids of other photos that this search found and that are nearly the same.")


class HintAnswer(ResponseModel):
    """What one may want to know about a search, such as why it found no good photo, and what to try instead."""

    kind: HintKind
    text: str = Field(description="One sentence.")
    query: str | None = Field(description="A query to try instead.")


class SearchAnswer(ResponseModel):
    """Photos that fit the sentence, best first: what `pixelseek search --json` prints, with thumbnails, and `next`."""

    query: str
    hits: list[HitAnswer]
    line: int = Field(
        description="How many photos are the best ones: they come first, on this page and the next ones; 0: none is."
    )
    hints: list[HintAnswer] = Field(description="Why there may be no good photo, and what to try instead.")
    reranked: int = Field(description="How many photos were reranked. They come first, on this page and the next ones.")
    timings_ms: dict[str, float] = Field(description="Milliseconds of each stage of the search.")
    next: str | None = Field(description="The cursor of the next page; null on the last page.")


class SimilarAnswer(ResponseModel):
    """Similar photos, most similar first: what `pixelseek similar --json` prints."""

    hits: list[HitAnswer]
