"""Examples to learn tasks from and to measure them on: sentences about photos, with people's answers.

NLVR2 (Suhr et al. 2019) asks of a sentence about two photos whether it is true, of several pairs in turn. If nobody
wrote such sentences, captions are used: `generated_pairs` makes statements of them. They are simpler than NLVR2's:
a figure measured on them must say so.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.data.shards import CaptionedPhoto, Question, ShardError
from model.heads import TRUTH, Task


@dataclass(frozen=True)
class Example:
    """A question, or a statement, which is a question whether it is `true` or `false`."""

    question: Question
    photos: tuple[str, ...]
    """The keys of the photos it is about."""
    group: str = ""
    """Statements of one group are one sentence about several pairs of photos."""
    kind: str = ""
    """The relation it states; `swapped` or `replaced`, what may be wrong with a generated statement."""


def examples(task: Task, photos: Sequence[CaptionedPhoto], *, pairs: int = 1000) -> list[Example]:
    """The examples for `task` that people wrote about `photos`, in the order of the photos.

    If nobody wrote about two photos, statements about at most `pairs` pairs are generated.

    Raises ShardError where a statement is about a photo that is not among them.
    """
    if task == "vqa":
        return [Example(question, (photo.key,)) for photo in photos for question in photo.vqa]
    known = {photo.key for photo in photos}
    made = []
    for photo in photos:
        for statement in photo.statements:
            if bool(statement.right) != (task == "pairs"):
                continue
            if statement.right and statement.right not in known:
                raise ShardError(f"a statement about {photo.key} is about {statement.right} too, which is not there")
            question = Question(statement.sentence, (TRUTH[statement.label],))
            about = (photo.key, statement.right) if statement.right else (photo.key,)
            made.append(Example(question, about, statement.group, statement.relation))
    if made or task != "pairs":
        return made
    return generated_pairs(photos, min(pairs, sum(bool(photo.captions) for photo in photos)), seed=0)


def generated_pairs(photos: Sequence[CaptionedPhoto], count: int, seed: int) -> list[Example]:
    """Two statements about each of `count` pairs of captioned photos, one true, one false; the same for the same seed.

    `The left photo shows CAPTION, the right one CAPTION.` It is made false by swapping the captions (`swapped`) or by
    putting another photo's caption in the place of one of them (`replaced`), in turn.
    """
    chance = random.Random(seed)
    captioned = [photo for photo in photos if photo.captions]
    made: list[Example] = []
    for row in range(count if len(captioned) > 2 else 0):
        left, right, other = chance.sample(captioned, 3)
        captions = [_plain(chance.choice(photo.captions)) for photo in (left, right, other)]
        wrong, kind = [captions[1], captions[0]], "swapped"
        if row % 2:
            wrong, kind = captions[:2], "replaced"
            wrong[chance.randrange(2)] = captions[2]
        for words, truth in ((captions, True), (wrong, False)):
            sentence = f"the left photo shows {words[0]}, the right one {words[1]}."
            question = Question(sentence, (TRUTH[truth],))
            made.append(Example(question, (left.key, right.key), str(row), kind))
    return made


def _plain(caption: str) -> str:
    text = caption.strip().rstrip(".").strip()
    return text[:1].lower() + text[1:]


def consistency(right: NDArray[np.float64], groups: Sequence[str]) -> float:
    """The share of groups of which every statement was judged right (1, not 0), as NLVR2 defines it."""
    judged: dict[str, bool] = defaultdict(lambda: True)
    for is_right, group in zip(right.tolist(), groups, strict=True):
        judged[group] &= is_right == 1.0
    return sum(judged.values()) / len(judged)
