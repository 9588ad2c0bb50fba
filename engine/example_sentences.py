"""Sentences that find something in this library: made of words that the detectors see in its photos.

A sentence is a subject, what it does, and where: *a dog running in the grass*. All its words are seen in one photo.
Whether the sentence finds good photos is for a search to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import QueryError
from engine.explain import STRONG_ODDS
from engine.query import parse
from model.processor import PixelBertProcessor
from model.scoring.word_detectors import DetectedWords

SAMPLE = 300
"""How many photos of the library are looked at."""
MAX_CANDIDATES = 18
MAX_WRITTEN = 3
_MAX_WRITTEN_LENGTH = 40
_MIN_LOG_ODDS = float(np.log(STRONG_ODDS))


def _by_last_word(text: str) -> dict[str, str]:
    """Phrases, separated by commas, by their last word."""
    phrases = [phrase.strip() for phrase in text.replace("\n", " ").split(",")]
    return {phrase.rpartition(" ")[2]: phrase for phrase in phrases}


_BEINGS = _by_last_word("""
    a dog, a cat, a horse, a bird, a man, a woman, a boy, a girl, a baby, a cow, a sheep, a bear, a duck, an elephant,
    dogs, horses, children, people
""")
_THINGS = _by_last_word("""
    a bus, a train, a car, a truck, a motorcycle, a bicycle, a boat, an airplane, a kite, a bridge, a tower, a clock,
    a building, buildings, a tree, flowers, food, fruit, a cake, a pizza, a sandwich, a computer, a bed
""")
_DEEDS = _by_last_word("running, jumping, playing, sitting, swimming, walking, sleeping, eating, climbing, smiling")
_PLACES = _by_last_word("""
    on the beach, in the snow, in the grass, in the water, on a street, on a road, in a field, in the mountains,
    in a park, at night, at sunset, in a kitchen, at a table, in a city, in a forest, in a pool, by a lake, by a river,
    in a crowd, in a garden, in the rain
""")
_WHERE_TO_SWIM = (None, "water", "pool")


@dataclass(frozen=True)
class _Candidate:
    evidence: float
    subject: str
    place: str | None
    sentence: str


def example_sentences(processor: PixelBertProcessor, detected: DetectedWords) -> list[str]:
    """Sentences to try, the most promising first, of what the detectors say of some photos of the library.

    No subject comes twice before each has come once, so that the first ones differ.
    """
    columns = _columns(processor, detected)
    best: dict[tuple[str, str | None], _Candidate] = {}
    for log_odds in detected.log_odds:
        candidate = _sentence_of({word: float(log_odds[column]) for word, column in columns.items()})
        if candidate is not None:
            key = candidate.subject, candidate.place
            best[key] = max(best.get(key, candidate), candidate, key=lambda other: other.evidence)
    return list(_varied(sorted(best.values(), key=lambda candidate: -candidate.evidence)))[:MAX_CANDIDATES]


def plain_texts(texts: Sequence[str]) -> list[str]:
    """The first few of these tags and captions that are short, and that a search takes as words: no filters."""
    return [text for text in texts if len(text) <= _MAX_WRITTEN_LENGTH and _is_plain(text)][:MAX_WRITTEN]


def _is_plain(text: str) -> bool:
    try:
        query = parse(text)
    except QueryError:
        return False
    return bool(query.words) and all(part.kind == "word" for part in query.parts)


def _sentence_of(evidence: dict[str, float]) -> _Candidate | None:
    """The sentence that says most of one photo; None where no subject is clearly seen."""
    being, thing, deed, place = (_strongest(evidence, words) for words in (_BEINGS, _THINGS, _DEEDS, _PLACES))
    subject = being or thing
    if subject is None:
        return None
    deed = deed if being and (deed != "swimming" or place in _WHERE_TO_SWIM) else None
    parts = [_BEINGS.get(subject) or _THINGS[subject], deed, _PLACES[place] if place else None]
    words = [word for word in (subject, deed, place) if word]
    return _Candidate(sum(evidence[word] for word in words), subject, place, " ".join(filter(None, parts)))


def _strongest(evidence: dict[str, float], words: Iterable[str]) -> str | None:
    """The word with most evidence; None where none has enough."""
    seen = [word for word in words if evidence.get(word, 0.0) >= _MIN_LOG_ODDS]
    return max(seen, key=evidence.__getitem__, default=None)


def _varied(candidates: Sequence[_Candidate]) -> Iterator[str]:
    """The sentences, those first whose subject and place no sentence before them has."""
    waiting = list(candidates)
    while waiting:
        subjects, places, later = set[str](), set[str](), list[_Candidate]()
        for candidate in waiting:
            if candidate.subject in subjects or candidate.place in places:
                later.append(candidate)
                continue
            subjects.add(candidate.subject)
            places.update(filter(None, [candidate.place]))
            yield candidate.sentence
        waiting = later


def _columns(processor: PixelBertProcessor, detected: DetectedWords) -> dict[str, int]:
    """The column of the detector of each word that has one of its own."""
    words = [*_BEINGS, *_THINGS, *_DEEDS, *_PLACES]
    column_of = {int(piece): column for column, piece in enumerate(detected.ids)}
    pieces: Sequence[NDArray[np.int64]] = [processor.tokenize([word])["input_ids"][0][1:-1] for word in words]
    return {
        word: column_of[int(ids[0])]
        for word, ids in zip(words, pieces, strict=True)
        if len(ids) == 1 and int(ids[0]) in column_of
    }
