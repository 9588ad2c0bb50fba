"""Requests and responses of the API for taught words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from engine.teaching import SUGGESTED, Quality, QualityState
from indexer.library.annotations import MAX_TAG
from indexer.library.library import Library
from indexer.library.taught_words import Offer, Source, TaughtWord
from web.schema.base import MAX_SELECTED, PhotoId, PhotoIds, RequestModel, ResponseModel

MAX_SUGGESTED = 100

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


class SuggestionsRequest(RequestModel):
    """Which photos to ask about."""

    limit: int = Field(SUGGESTED, ge=1, le=MAX_SUGGESTED, description="How many photos to return.")
    leave_out: list[PhotoId] = Field(
        [], max_length=MAX_SELECTED, examples=[[7, 9]], description="Photos that were passed over, by id."
    )


class QualityAnswer(ResponseModel):
    """How well the photos that show a word are told from others, if each is judged by what the others teach."""

    state: QualityState = Field(
        description="`few`: too few photos show it. `unclear`: they have too little in common, or contradict one "
        "another. `alike`: others look like it."
    )
    text: str = Field(description="In plain sentences.")
    found: int = Field(description="How many of the `tested` photos that show the word are taken for it.")
    tested: int
    confused: int = Field(description="How many of the `refused` photos that do not show it are taken for it too.")
    refused: int
    others_percent: float = Field(
        description="Of 100 photos of which nobody said anything, how many are taken for it: some may well show it."
    )


class TaughtWordSummary(ResponseModel):
    """A word that people teach, in figures."""

    id: int
    name: str
    created_at: str = Field(description="When it was first taught: ISO 8601, UTC.")
    shown_count: int = Field(description="How many photos show it: those with its name as a tag.")
    not_shown_count: int = Field(description="Of how many photos people said that they do not show it.")
    needed: int = Field(description="How many more photos that show it are needed to learn it; 0: enough.")
    quality: QualityAnswer | None = Field(
        description="How well it is learned; null before that, and where the model cannot be asked."
    )

    @classmethod
    def of(cls, word: TaughtWord, quality: Quality | None) -> TaughtWordSummary:
        """The word as a response."""
        return cls.from_attributes(
            word,
            created_at=datetime.fromtimestamp(word.created_at, UTC).isoformat(),
            shown_count=len(word.shown),
            not_shown_count=len(word.not_shown),
            quality=None if quality is None else QualityAnswer.model_construct(**quality.to_json()),
        )


class OfferAnswer(ResponseModel):
    """A name that enough photos have for it to be taught."""

    name: str
    photos: int
    source: Source = Field(
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


class SaidAnswer(ResponseModel):
    """A photo of which another thing is said now."""

    photo_id: int
    before: bool | None = Field(
        description="What was said before, whether it shows the word; null: nothing. To undo, say that."
    )


class AnsweredAnswer(ResponseModel):
    """What has changed."""

    changed: list[SaidAnswer] = Field(
        description="Of the other photos the same was said before, or they are not in the library."
    )
    word: TaughtWordSummary

    @classmethod
    def of(cls, before: Mapping[int, bool | None], word: TaughtWordSummary) -> AnsweredAnswer:
        """What was said before of each photo that was changed, as a response."""
        changed = [SaidAnswer.model_construct(photo_id=photo_id, before=said) for photo_id, said in before.items()]
        return cls.model_construct(changed=changed, word=word)


class RenamedAnswer(ResponseModel):
    """A taught word that was renamed."""

    merged: bool = Field(description="Whether there was such a word or tag before: both are one now.")
    word: TaughtWordSummary


class SuggestedPhotoAnswer(ExampleAnswer):
    """A photo to ask a person about."""

    width: int = Field(description="Pixels of the upright photo.")
    height: int
    thumbnail: str = Field(description="Address of its thumbnail on this server, at most 640 pixels a side.")


class SuggestionsAnswer(ResponseModel):
    """The photos of which it helps most to know whether they show a word, those that help most first."""

    photos: list[SuggestedPhotoAnswer]


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
