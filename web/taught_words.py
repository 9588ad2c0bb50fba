"""Taught words where photos are shown: which a search holds, and what was said of a photo."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from engine.phrases import taught_words_in
from engine.query import Query
from indexer.library.errors import TaughtWordMissing
from indexer.library.taught_words import TaughtWord
from web.service import current_service

ANSWERS = {"yes": True, "no": False, "back": None}
"""What the fields of forms say of a photo; `back` takes back what was said."""


@dataclass(frozen=True)
class SaidOfPhoto:
    """Whether a person said that a photo shows a taught word."""

    word_id: int
    name: str
    shown: bool | None
    is_searched: bool
    """Whether the search that found the photo holds the word."""


def searched_for(query: Query) -> list[TaughtWord]:
    """The taught words that the sentence of a query holds."""
    view = current_service().view()
    words = []
    for word_id in taught_words_in(query.words, view.taught_names()):
        with suppress(TaughtWordMissing):  # deleted a moment ago
            words.append(view.taught_word(word_id))
    return words


def said_of_photo(photo_id: int, query: Query) -> list[SaidOfPhoto]:
    """What was said of a photo: of the taught words in the query, and of the others of which anything was."""
    view = current_service().view()
    names, said = view.taught_names(), view.said_of(photo_id)
    searched = taught_words_in(query.words, names)
    return [
        SaidOfPhoto(word_id, names[word_id], said.get(word_id), word_id in searched)
        for word_id in dict.fromkeys((*searched, *said))
        if word_id in names
    ]
