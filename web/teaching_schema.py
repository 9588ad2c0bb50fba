"""Requests and responses of the API for taught words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field

from indexer.library.annotations import MAX_TAG
from indexer.library.library import Library
from indexer.library.taught_words import Offer, TaughtWord
from web.schema import PhotoIds, RequestModel, ResponseModel

WordName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_TAG,
        examples=["Rex"],
        description="Of a taught word; also the tag of the photos that show it.",
    ),
]


class TeachRequest(RequestModel):
    """The name of a taught word."""

    name: WordName


class AnswersRequest(RequestModel):
    """What to say of photos."""

    photo_ids: PhotoIds
    shown: bool | None = Field(
        examples=[True], description="Whether they show the word; null takes back what was said of them."
    )


class DeleteWordRequest(RequestModel):
    """What becomes of the tags."""

    keep_tags: bool = Field(False, description="Whether the photos that show the word keep its name as a tag.")


class TaughtWordSummary(ResponseModel):
    """A word that people teach, in figures."""

    id: int
    name: str
    created_at: str = Field(description="When it was first taught: ISO 8601, UTC.")
    shown_count: int = Field(description="How many photos show it: those with its name as a tag.")
    not_shown_count: int = Field(description="Of how many photos people said that they do not show it.")
    needed: int = Field(description="How many more photos that show it are needed to learn it; 0: enough.")

    @classmethod
    def of(cls, word: TaughtWord) -> TaughtWordSummary:
        """The word as a response."""
        return cls.from_attributes(
            word,
            created_at=datetime.fromtimestamp(word.created_at, UTC).isoformat(),
            shown_count=len(word.shown),
            not_shown_count=len(word.not_shown),
        )


class OfferAnswer(ResponseModel):
    """A name that enough photos have for it to be taught."""

    name: str
    photos: int
    source: Literal["tag", "keyword"] = Field(
        description="`tag`: people tagged them with Pixelseek. `keyword`: it is a keyword in their files."
    )


class TaughtWordsAnswer(ResponseModel):
    """The words that people teach, in the order of their names: what `pixelseek teach --list --json` prints."""

    words: list[TaughtWordSummary]
    offers: list[OfferAnswer] = Field(description="Names that could be taught, those of most photos first.")

    @classmethod
    def of(cls, words: Sequence[TaughtWordSummary], offers: Sequence[Offer]) -> TaughtWordsAnswer:
        """Words and offers as a response."""
        return cls.model_construct(words=[*words], offers=[OfferAnswer.from_attributes(offer) for offer in offers])


class ExampleAnswer(ResponseModel):
    """A photo that is an example of a word."""

    photo_id: int
    path: str


class TaughtWordAnswer(TaughtWordSummary):
    """A word that people teach, with its examples: what `pixelseek teach NAME --json` prints."""

    shown: list[ExampleAnswer] = Field(description="The photos that show it.")
    not_shown: list[ExampleAnswer] = Field(description="The photos of which people said that they do not.")
    keywords: list[ExampleAnswer] = Field(
        description="Other photos that have its name as a keyword in their files: they may be added."
    )

    @classmethod
    def with_examples(cls, summary: TaughtWordSummary, word: TaughtWord, library: Library) -> TaughtWordAnswer:
        """The word and its photos in the library as a response."""

        def examples(photo_ids: Sequence[int]) -> list[ExampleAnswer]:
            photos = library.photos(photo_ids)
            return [ExampleAnswer.model_construct(photo_id=photo.id, path=photo.path) for photo in photos]

        keywords = examples(library.keyword_examples(word.id))
        return cls.from_attributes(
            summary, shown=examples(word.shown), not_shown=examples(word.not_shown), keywords=keywords
        )
