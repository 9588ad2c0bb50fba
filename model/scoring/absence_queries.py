"""Short queries for what a gallery of captioned photos has and has not: captions are the witnesses.

Queries of both kinds are alike: one or two content words that stand beside each other in a caption, and the word that
is absent, or its counterpart, is about as usual in other photos' captions.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from model.scoring.vocabulary import FUNCTION_WORDS, content_words, singular, words_of

_MIN_PHOTOS = 15  # elsewhere that have a word: a rare one is mostly a name or a slip of the pen
_MIN_CAPTIONS = 2  # of the gallery, for a word of it: what one person alone has named is hardly there
_MIN_THING_SHARE = 0.15  # of a word's uses: "a dog in", not "an electrical", "is running"
_ARTICLES = frozenset({"a", "an", "the", "two", "three", "some", "his", "her", "their", "its"})
_MIN_LETTERS = 3


@dataclass(frozen=True)
class ShortQuery:
    """One or two words, and whether a caption of the gallery holds them."""

    text: str
    present: bool


def short_queries(
    gallery: Sequence[Sequence[str]], elsewhere: Sequence[Sequence[str]], count: int, *, seed: int = 0
) -> list[ShortQuery]:
    """Up to `count` queries of each kind, from the captions of each photo of a gallery and of photos elsewhere.

    An absent query holds a word that no caption of the gallery holds; half of them hold a second one. Plurals are
    folded. For each there is a present query with as many words: one that at least two captions of the gallery hold and
    that is in about as many photos elsewhere, and half the time one that stands beside it in a caption.
    """
    random = np.random.default_rng(seed)
    here = Counter(word for captions in gallery for word in _words(captions))
    there = Counter(word for captions in elsewhere for word in _words(captions))
    things = _things([caption for captions in (*gallery, *elsewhere) for caption in captions])
    absent = sorted(word for word in things if there[word] >= _MIN_PHOTOS and word not in here)
    named = Counter(word for captions in gallery for caption in captions for word in _words([caption]))
    present = sorted(word for word in things if there[word] >= _MIN_PHOTOS and named[word] >= _MIN_CAPTIONS)
    beside_here, beside_there = _neighbours(gallery), _neighbours(elsewhere)
    queries: list[ShortQuery] = []
    free = {word: there[word] for word in present}
    for place, row in enumerate(random.permutation(len(absent))[:count].tolist()):
        if not free:
            break
        word = absent[row]
        nearest = min(abs(np.log(photos / there[word])) for photos in free.values())
        alike = [known for known, photos in free.items() if abs(np.log(photos / there[word])) == nearest]
        other = alike[int(random.integers(len(alike)))]
        pair = word, other
        del free[other]
        if place % 2 and beside_there[word] and beside_here[other]:
            phrases = beside_there[word], beside_here[other]
            pair = phrases[0][int(random.integers(len(phrases[0])))], phrases[1][int(random.integers(len(phrases[1])))]
        queries += [ShortQuery(pair[0], False), ShortQuery(pair[1], True)]
    return queries


def _things(captions: Sequence[str]) -> set[str]:
    """The words, plurals folded, that often stand behind an article and before a function word or the end."""
    uses, as_thing = Counter[str](), Counter[str]()
    for caption in captions:
        words = words_of(caption)
        for place, word in enumerate(words):
            if len(word) >= _MIN_LETTERS and word not in FUNCTION_WORDS:
                uses[singular(word)] += 1
                ends = place + 1 == len(words) or words[place + 1] in FUNCTION_WORDS
                as_thing[singular(word)] += ends and place > 0 and words[place - 1] in _ARTICLES
    return {word for word, count in uses.items() if as_thing[word] >= _MIN_THING_SHARE * count}


def _words(captions: Sequence[str]) -> set[str]:
    """The content words of a photo's captions, plurals folded."""
    return {singular(word) for caption in captions for word in content_words(caption) if len(word) >= _MIN_LETTERS}


def _neighbours(captions_of: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """For each word the phrases of it and another content word right beside it, in the order of the captions."""
    phrases: dict[str, dict[str, None]] = defaultdict(dict)
    for captions in captions_of:
        for caption in captions:
            for first, second in pairwise(content_words(caption)):
                if min(len(first), len(second)) >= _MIN_LETTERS and f"{first} {second}" in caption.casefold():
                    phrases[singular(first)][f"{first} {second}"] = None
                    phrases[singular(second)][f"{first} {second}"] = None
    return defaultdict(list, {word: list(known) for word, known in phrases.items()})
