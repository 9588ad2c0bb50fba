"""Taught words where photos are shown: which a search holds, and what was said of a photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.query import Query
from indexer.library.taught_words import TaughtWord
from indexer.library.text_analysis import spaced_words
from web.service import current_service

ANSWERS = {"yes": True, "no": False, "back": None}
"""What the fields of forms say of a photo; `back` takes back what was said."""


@dataclass(frozen=True)
class SaidOfPhoto:
    """A taught word, and whether a person said that a photo shows it."""

    word: TaughtWord
    said: bool | None


def taught_words_in(query: Query, words: Sequence[TaughtWord] | None = None) -> list[TaughtWord]:
    """The taught words that the sentence of a query holds."""
    sentence = spaced_words(query.words)
    if not sentence:
        return []
    words = current_service().view().taught_words() if words is None else words
    return [word for word in words if (name := spaced_words(word.name)) and name in sentence]


def said_of_photo(photo_id: int, query: Query) -> list[SaidOfPhoto]:
    """What was said of a photo: of the words in the query, and of the others of which anything was."""
    words = current_service().view().taught_words()
    searched = {word.id for word in taught_words_in(query, words)}
    every = [
        SaidOfPhoto(word, True if photo_id in word.shown else False if photo_id in word.not_shown else None)
        for word in words
    ]
    about = [said for said in every if said.word.id in searched or said.said is not None]
    return sorted(about, key=lambda said: said.word.id not in searched)
