"""What a library has learned of taught words: their detectors, how good they are, and which photos to ask about next.

A detector is made from the photo vectors of the generation in use, and kept while its examples stay the same.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.library.taught_words import MIN_SHOWN, TaughtWord
from model.scoring.photo_vectors import PhotoVectors
from model.scoring.taught_detector import TAKEN_LOG_ODDS, Background, TaughtDetector

SUGGESTED = 12
_MAX_TYPICAL = 4096
"""So many photos of a library are typical of it."""
_MAX_GROWTH = 0.1
"""The typical photos are chosen anew where a library has grown or shrunk by a larger share."""
_CANDIDATES = 60
_TOO_ALIKE = 0.8
"""Of photos with a larger likeness, one is asked about before any other."""
_TINY = 1e-9
_FIRST_GUESS = 5
"""With fewer photos that show a word, nobody knows how good its detector is."""
_MIN_NOT_SHOWN = 3

QualityState: TypeAlias = Literal["few", "unclear", "alike", "good"]
"""`few`: too few photos show it. `unclear`: they have too little in common, or contradict one another. `alike`: others
look like it."""


@dataclass(frozen=True)
class Quality:
    """How good the detector of a taught word is: what it says of each example if it learns from the others alone."""

    state: QualityState
    text: str
    """In one or two plain sentences."""
    found: int = 0
    """How many of the `tested` photos that show the word are taken for it."""
    tested: int = 0
    confused: int = 0
    """How many of the `refused` photos that do not show it are taken for it all the same."""
    refused: int = 0
    others_percent: float = 0.0
    """How many of 100 photos that nobody was asked about are taken for it: some of them may well show it."""

    def to_json(self) -> dict[str, Any]:
        """The quality as the command line and the API print it."""
        return asdict(self) | {"others_percent": round(self.others_percent, 1)}


@dataclass(frozen=True)
class _Typical:
    """Photos that are typical of a library."""

    library_size: int
    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]
    background: Background


@dataclass(frozen=True)
class _Learned:
    """What was learned of a word, and from what."""

    word: TaughtWord
    typical: _Typical
    detector: TaughtDetector | None
    examples: NDArray[np.float32]
    """(N, D) The vectors of the photos that show the word, and then of those that do not."""


class Photos(Protocol):
    """What is needed of a library; `LibraryView` has it."""

    def photo_count(self) -> int:
        """How many photos can be found."""

    def photo_ids(self) -> NDArray[np.int64]:
        """(N,) Their ids, ascending."""

    def embeddings(self, photo_ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """The embedding (E,) of each of these photos."""

    def photo_vectors(self, photo_ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Ids (K,) and vectors (K, D) of those of these photos that can be found, ascending by id."""

    def shortlist(self, query: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids (K,) and inner products (K,) of the photos with the largest inner product with `query` (D,)."""


class Teaching:
    """The taught words of a library as the model of one generation sees them. One thread at a time may use it."""

    def __init__(self, library: Photos, photo_vectors: PhotoVectors) -> None:
        """`photo_vectors` of the model that the library was opened with."""
        self._library = library
        self._photo_vectors = photo_vectors
        self._typical: _Typical | None = None
        self._learned: dict[int, _Learned] = {}

    def detector(self, word: TaughtWord) -> TaughtDetector | None:
        """The detector of the word; None where fewer than MIN_SHOWN photos that show it can be found."""
        return self._enough(self._learn(word))

    def quality(self, word: TaughtWord) -> Quality:
        """How good the detector of the word is."""
        learned = self._learn(word)
        detector = self._enough(learned)
        if learned is None or detector is None:
            count = 0 if learned is None or learned.detector is None else len(learned.detector.shown)
            return Quality("few", f"Name at least {MIN_SHOWN} photos that show it: there are {count} so far.")
        return _quality_of(detector, self._other_log_odds(learned, detector))

    def suggestions(
        self,
        word: TaughtWord,
        count: int = SUGGESTED,
        *,
        leave_out: Collection[int] = (),
        wanted: NDArray[np.float32] | None = None,
    ) -> list[int]:
        """Ids of up to `count` photos that say most if a person says whether they show the word, best first.

        Half are those that likely show it, the others those of which it is hardest to say. None is an example already
        or among `leave_out`. Photos that look much like one before them, or like an example, come last. `wanted` (D,)
        is the vector of the word as a sentence: it finds the photos where there is no photo yet that shows the word.
        """
        learned = self._learn(word)
        if learned is None:
            return []
        typical, detector = learned.typical, learned.detector
        known = {*word.shown, *word.not_shown, *leave_out}
        direction = wanted if detector is None else detector.weights
        if direction is None:
            return [photo_id for photo_id in typical.ids.tolist() if photo_id not in known][:count]
        best, _ = self._library.shortlist(direction, _CANDIDATES + len(known))
        likely = [photo_id for photo_id in best.tolist() if photo_id not in known][:_CANDIDATES]
        if detector is None:
            return self._different(likely, count, learned)
        doubtful = np.argsort(np.abs(detector.log_odds(typical.vectors) - TAKEN_LOG_ODDS), kind="stable")
        border = [photo_id for photo_id in typical.ids[doubtful].tolist() if photo_id not in known][:_CANDIDATES]
        first = self._different(likely, (count + 1) // 2, learned)
        return self._different([*first, *border, *likely], count, learned)

    def agreement(self, word: TaughtWord, direction: NDArray[np.float32]) -> float:
        """How far the photos that show the word lie above typical photos in a direction (D,), in standard deviations of
        those; 0 where there are none."""
        learned = self._learn(word)
        if learned is None or learned.detector is None:
            return 0.0
        typical = learned.typical.vectors @ direction
        shown = learned.examples[: len(learned.detector.shown)] @ direction
        return float((shown.mean() - typical.mean()) / max(typical.std(), _TINY))

    def _enough(self, learned: _Learned | None) -> TaughtDetector | None:
        """The detector, if enough photos show the word."""
        if learned is None or learned.detector is None or len(learned.detector.shown) < MIN_SHOWN:
            return None
        return learned.detector

    def _learn(self, word: TaughtWord) -> _Learned | None:
        """What the examples of the word teach, with a detector if any photo shows it; None without photos."""
        typical = self._typical_photos()
        if typical is None:
            return None
        known = self._learned.get(word.id)
        if (
            known is not None
            and known.typical is typical
            and (known.word.shown, known.word.not_shown)
            == (
                word.shown,
                word.not_shown,
            )
        ):
            return known
        shown, not_shown = (self._vectors(photo_ids) for photo_ids in (word.shown, word.not_shown))
        detector = None
        if len(shown):
            detector = TaughtDetector.learn(typical.background, shown, not_shown)
        learned = _Learned(word, typical, detector, np.concatenate([shown, not_shown]))
        self._learned[word.id] = learned
        return learned

    def _vectors(self, photo_ids: list[int]) -> NDArray[np.float32]:
        _, vectors = self._library.photo_vectors(np.array(photo_ids, dtype=np.int64))
        return vectors.astype(np.float32)

    def _typical_photos(self) -> _Typical | None:
        """Photos of the library, evenly by id; None where it has none."""
        size = self._library.photo_count()
        before = self._typical
        if before is not None and abs(size - before.library_size) <= _MAX_GROWTH * before.library_size:
            return before
        photo_ids = self._library.photo_ids()
        chosen = photo_ids[np.linspace(0, len(photo_ids) - 1, min(len(photo_ids), _MAX_TYPICAL)).astype(np.int64)]
        ids, halves = self._library.photo_vectors(chosen)
        first = list(self._library.embeddings(ids[:1].tolist()).values())
        if not first:
            return None
        vectors = halves.astype(np.float32)
        background = Background.of(vectors, self._photo_vectors.blocks(len(first[0])))
        self._typical = _Typical(size, ids, vectors, background)
        self._learned.clear()
        return self._typical

    def _other_log_odds(self, learned: _Learned, detector: TaughtDetector) -> NDArray[np.float32]:
        """The log-odds of typical photos that are no examples."""
        typical, word = learned.typical, learned.word
        others = ~np.isin(typical.ids, [*word.shown, *word.not_shown])
        return detector.log_odds(typical.vectors[others])

    def _different(self, photo_ids: list[int], count: int, learned: _Learned) -> list[int]:
        """The first `count` of these photos, those last that look much like one before them or like an example."""
        photo_ids = list(dict.fromkeys(photo_ids))
        background = learned.typical.background
        ids, vectors = self._library.photo_vectors(np.array(photo_ids, dtype=np.int64))
        scaled_of = dict(zip(ids.tolist(), background.scaled(vectors.astype(np.float32)), strict=True))
        before = background.scaled(learned.examples)
        different: list[int] = []
        alike: list[int] = []
        for photo_id in photo_ids:
            if photo_id not in scaled_of or len(different) == count:
                continue
            row = scaled_of[photo_id][None]
            if (background.likeness(row, before) > _TOO_ALIKE).any():
                alike.append(photo_id)
            else:
                different.append(photo_id)
                before = np.concatenate([before, row])
        return [*different, *alike][:count]


def _quality_of(detector: TaughtDetector, others: NDArray[np.float32]) -> Quality:
    """The quality of a detector that gives photos that nobody was asked about the log-odds `others` (N,)."""
    shown = detector.shown[~np.isnan(detector.shown)]
    if not len(shown):
        return Quality("few", "The photos that show it are nearly the same one: name others that differ.")
    found, tested = int((shown >= TAKEN_LOG_ODDS).sum()), len(shown)
    confused, refused = int((detector.not_shown >= TAKEN_LOG_ODDS).sum()), len(detector.not_shown)
    percent = 100.0 * float((others >= TAKEN_LOG_ODDS).mean()) if len(others) else 0.0
    of_others = "less than 1" if percent < 1 else f"about {percent:.0f}"
    text = (
        f"Finds {found} of {tested} of its photos; of 100 photos that nobody was asked about, it takes {of_others} "
        "for it."
    )
    state: QualityState = "good"
    if 2 * found < tested:
        state = "unclear"
        text += " Its photos have too little in common for the search, or contradict one another."
    elif refused >= _MIN_NOT_SHOWN and 2 * confused >= refused:
        state = "alike"
        text += f" It also takes {confused} of the {refused} photos that do not show it for it: they look much alike."
    if len(detector.shown) < _FIRST_GUESS:
        text += " With so few examples this is a first guess."
    return Quality(state, text, found, tested, confused, refused, percent)
