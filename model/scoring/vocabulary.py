"""The words of the captions that a model has learned from: of any other word it has nothing but its letters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Self

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_MIN_PHOTOS = 2  # a word that one photo alone has is a name or a slip of the pen
_MIN_STEM = 3
_ENDINGS = (  # and what stands there instead
    *(("'s", ""), ("s", ""), ("es", ""), ("ies", "y"), ("ves", "f"), ("ves", "fe")),
    *(("ing", ""), ("ing", "e"), ("ed", ""), ("ed", "e"), ("er", ""), ("er", "e"), ("ly", "")),
    *(("our", "or"), ("re", "er")),  # British spelling
)
_ADDED = ("s", "es", "ing", "ed")
_FUNCTION_WORDS = """
    a about above across after against along all also am among an and another any are around as at away back be
    because been before behind being below beside between both but by can could did do does doing down during each
    few for from front get gets getting had has have having he her here him himself his how i if in inside into is it
    its itself just like looks many may me more most much my near next no not of off on onto or other our out outside
    over own past several she should so some someone something such than that the their them then there these they
    this those through to together toward towards too top two three four five six one under until up upon us very was
    we were what when where which while who whose will with without would you your
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""English words that say nothing of what a photo shows."""


def words_of(text: str) -> list[str]:
    """The words of `text` in small letters, in their order."""
    return [word.replace("\u2019", "'") for word in _WORD.findall(text.casefold())]


def content_words(text: str) -> list[str]:
    """The words of `text` that may say what a photo shows, in their order."""
    return [word for word in words_of(text) if word not in FUNCTION_WORDS]


def singular(word: str) -> str:
    """`word` without the ending of a plural: dogs and dog, boxes and box are one word."""
    word = word.removesuffix("'s").removesuffix("'")
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


@dataclass(frozen=True)
class Vocabulary:
    """In how many train photos' captions each word occurs; empty where nothing is known of the training."""

    photos: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, captions: Iterable[Sequence[str]]) -> Self:
        """That of the captions of each train photo."""
        counts = Counter(
            word for of_photo in captions for word in {word for text in of_photo for word in words_of(text)}
        )
        return cls({word: count for word, count in sorted(counts.items()) if count >= _MIN_PHOTOS})

    def knows(self, word: str) -> bool:
        """Whether the captions have `word`, in small letters, or another form of it: plural, -ing, -ed."""
        return word in FUNCTION_WORDS or any(form in self.photos for form in _forms(word))

    @classmethod
    def read(cls, file: BinaryIO) -> Self:
        """That in a text file, a word and a number a line. Raises ValueError when it holds something else."""
        lines = [line.split("\t") for line in file.read().decode("utf-8").splitlines()]
        photos = {word: int(count) for word, count in lines}
        if not photos or not all(words_of(word) == [word] and count > 0 for word, count in photos.items()):
            raise ValueError("it does not hold words with numbers of photos")
        return cls(photos)

    def write(self, file: BinaryIO) -> None:
        """Write it, sorted."""
        file.write("".join(f"{word}\t{count}\n" for word, count in sorted(self.photos.items())).encode())


def _forms(word: str) -> Iterator[str]:
    """`word` and its other forms, and many that are none."""
    for form in dict.fromkeys((word, singular(word))):
        yield from _with_endings(form)
        for ending, instead in _ENDINGS:
            if form.endswith(ending) and len(stem := form.removesuffix(ending)) >= _MIN_STEM:
                yield from _with_endings(stem + instead)
                if stem[-1] == stem[-2]:  # running, run
                    yield from _with_endings(stem[:-1])


def _with_endings(stem: str) -> Iterator[str]:
    yield stem
    for ending in _ADDED:
        yield stem + ending
        yield stem + stem[-1] + ending  # run, running
