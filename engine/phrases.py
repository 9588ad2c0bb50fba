"""The phrases of a query, and the taught words in them: what the network reads, and what their detectors add.

A taught word is found by its name: whole words, whatever their case and accents, the longest name first. The network
reads the phrase without the name, unless it knows the name already: it has learned its words, and finds the photos by
them that show the taught word.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.teaching import Teaching
from indexer.library.errors import TaughtWordMissing
from indexer.library.taught_words import TaughtWord
from indexer.library.text_analysis import without_accents, words_with_places
from indexer.library.view import LibraryView
from model.bundle import TrainedModel
from model.scoring.taught_detector import TaughtDetector
from model.scoring.vocabulary import content_words, words_of

SHARE_IF_READ = 0.35
"""What the detector of a name counts that the network reads too: both say much the same."""
_MIN_AGREEMENT = 0.75
"""The network knows a name if the photos that show it lie so many standard deviations above typical ones. Of words
that it knows 95 of 100 do, of other words 6 of 100."""
_SHOWN_LOG_ODDS = 5.0
"""A photo shows a word at least so likely if a person says that it does."""
_NOT_SHOWN_LOG_ODDS = -2.0
"""And at most so likely if a person says that it does not."""


@dataclass(frozen=True)
class TaughtName:
    """A taught word in a phrase."""

    name: str
    """As it stands in the phrase."""
    detector: TaughtDetector
    share: float
    """What its log-odds are multiplied with in a score."""
    shown: frozenset[int]
    """Ids of the photos that a person said show it."""
    not_shown: frozenset[int]
    too_likely: Mapping[int, float]
    """By how much the detector alone exceeds what a person said of photos that do not show it, by photo id."""

    def log_odds(self, photo_ids: Sequence[int], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N,) How much likelier photos with these vectors (N, D) show it than any photos; what people said counts."""
        shown, not_shown = (
            np.array([photo_id in ids for photo_id in photo_ids], dtype=bool) for ids in (self.shown, self.not_shown)
        )
        log_odds = self.detector.log_odds(vectors)
        log_odds[shown] = np.maximum(log_odds[shown], _SHOWN_LOG_ODDS)
        log_odds[not_shown] = np.minimum(log_odds[not_shown], _NOT_SHOWN_LOG_ODDS)
        return log_odds


@dataclass(frozen=True)
class Phrase:
    """The sentence of a query or an excluded term, taken apart."""

    text: str
    pieces: tuple[str | TaughtName, ...]
    """The taught words, and the text before, between and behind them."""

    @classmethod
    def plain(cls, text: str) -> Phrase:
        """A phrase in which there are no taught words."""
        return cls(text, (text,))

    @property
    def taught(self) -> list[TaughtName]:
        """The taught words."""
        return [piece for piece in self.pieces if isinstance(piece, TaughtName)]

    @property
    def others(self) -> str:
        """The text without taught words."""
        if not self.taught:
            return self.text
        return " ".join(" ".join(piece for piece in self.pieces if isinstance(piece, str)).split())

    @property
    def read(self) -> str:
        """What the network reads; empty where nothing is left that says what a photo shows."""
        if not self.taught:
            return self.text
        texts = (piece if isinstance(piece, str) else piece.name if piece.share < 1 else "" for piece in self.pieces)
        read = " ".join(" ".join(texts).split())
        return read if content_words(read) else ""

    @property
    def unread(self) -> int:
        """How many taught words the network does not read."""
        return sum(name.share == 1 for name in self.taught)


class PhraseReader:
    """Finds the taught words of a library in phrases. One thread at a time may use it."""

    def __init__(self, library: LibraryView, model: TrainedModel, teaching: Teaching) -> None:
        self._library = library
        self._model = model
        self._teaching = teaching
        self._version: object = None
        self._word_of_name: dict[tuple[str, ...], int] = {}
        self._known: dict[int, TaughtName | None] = {}

    def read(self, text: str) -> Phrase:
        """The phrase of that text."""
        version = self._library.version()
        if version != self._version:
            self._word_of_name = _word_of_name(self._library.taught_names())
            self._known = {}
            self._version = version
        if not self._word_of_name:
            return Phrase.plain(text)
        composed = unicodedata.normalize("NFC", text)
        pieces: list[str | TaughtName] = []
        end = 0
        for start, stop, word_id in _places(composed, self._word_of_name):
            name = self._taught(word_id)
            if name is not None:
                pieces += [composed[end:start], replace(name, name=composed[start:stop])]
                end = stop
        return Phrase(text, (*pieces, composed[end:])) if pieces else Phrase.plain(text)

    def _taught(self, word_id: int) -> TaughtName | None:
        """What is known of a taught word; None where its examples are too few."""
        if word_id not in self._known:
            self._known[word_id] = None
            with suppress(TaughtWordMissing):  # deleted a moment ago
                word = self._library.taught_word(word_id)
                detector = self._teaching.detector(word)
                if detector is not None:
                    share = SHARE_IF_READ if self._is_known(word) else 1.0
                    self._known[word_id] = TaughtName(
                        word.name,
                        detector,
                        share,
                        frozenset(word.shown),
                        frozenset(word.not_shown),
                        self._too_likely(word, detector),
                    )
        return self._known[word_id]

    def _too_likely(self, word: TaughtWord, detector: TaughtDetector) -> dict[int, float]:
        ids, vectors = self._library.photo_vectors(np.array(word.not_shown, dtype=np.int64))
        excess = vectors.astype(np.float32) @ detector.weights + detector.bias - _NOT_SHOWN_LOG_ODDS
        return {int(photo_id): float(more) for photo_id, more in zip(ids, excess, strict=True) if more > 0}

    def _is_known(self, word: TaughtWord) -> bool:
        """Whether the network has learned the words of the name, and means the same by it."""
        vocabulary, words = self._model.scoring_parameters.vocabulary, words_of(word.name)
        if not words or not all(vocabulary.knows(without_accents(plain)) for plain in words):
            return False
        text = self._model.runtime.encode_text([word.name])
        (vector,) = self._model.photo_vectors.of_sentences(text).vectors
        return self._teaching.agreement(word, vector) >= _MIN_AGREEMENT


def taught_words_in(text: str, names: Mapping[int, str]) -> list[int]:
    """Ids of the taught words that a text holds, each once, in its order; `names` are those of all, by id."""
    word_of_name = _word_of_name(names)
    places = _places(unicodedata.normalize("NFC", text), word_of_name) if word_of_name else ()
    return list(dict.fromkeys(word_id for _, _, word_id in places))


def _word_of_name(names: Mapping[int, str]) -> dict[tuple[str, ...], int]:
    """The ids of taught words, by their names as they are compared."""
    return {_name_of(name): word_id for word_id, name in names.items() if _name_of(name)}


def _name_of(text: str) -> tuple[str, ...]:
    """The words of a name as they are compared."""
    return tuple(word for word, _, _ in words_with_places(unicodedata.normalize("NFC", text)))


def _places(text: str, word_of_name: Mapping[tuple[str, ...], int]) -> Iterator[tuple[int, int, int]]:
    """Where in a text names stand, in its order: start, end and the taught word. The longest names come first."""
    words = words_with_places(text)
    longest = max(len(name) for name in word_of_name)
    taken = [False] * len(words)
    places = []
    for length in range(min(longest, len(words)), 0, -1):
        for first in range(len(words) - length + 1):
            part = words[first : first + length]
            word_id = word_of_name.get(tuple(word for word, _, _ in part))
            if word_id is not None and not any(taken[first : first + length]):
                taken[first : first + length] = [True] * length
                places.append((part[0][1], part[-1][2], word_id))
    yield from sorted(places)
