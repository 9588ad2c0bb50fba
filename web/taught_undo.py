"""Undoes what was done to taught words: what they were goes into the form of the button *Undo*."""

from __future__ import annotations

import functools
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from indexer.library.annotations import MAX_TAG, Annotation
from indexer.library.library import Library
from indexer.library.taught_words import TaughtWord
from web.schema.base import MAX_PHOTO_ID

MAX_CHARACTERS = 400_000
"""Of all that a form restores: Flask reads no larger fields."""
_PhotoId = Annotated[int, Field(ge=0, le=MAX_PHOTO_ID)]


class Taught(BaseModel):
    """A taught word, or a mere tag, as it was."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=MAX_TAG)
    shown: list[_PhotoId]
    not_shown: list[_PhotoId] = []
    is_taught: bool = True
    """False for a tag."""

    @classmethod
    def of(cls, word: TaughtWord) -> Self:
        """The word as it is now."""
        return cls(name=word.name, shown=word.shown, not_shown=word.not_shown)


def restore(library: Library, before: Taught) -> TaughtWord | None:
    """Make the word what it was; returns it, or None where it was a tag.

    Raises TaughtWordRefused, and AnnotationRefused where a photo has too many tags by now.
    """
    if not before.is_taught:
        library.edit_annotations(before.shown, functools.partial(Annotation.edited, tag=[before.name]))
        return None
    word = library.teach_word(before.name)
    said_since = ({*word.shown} - {*before.shown}) | ({*word.not_shown} - {*before.not_shown})
    for photo_ids, shown in ((said_since, None), (before.shown, True), (before.not_shown, False)):
        library.answer(word.id, list(photo_ids), shown)
    return library.taught_word(word.id)
