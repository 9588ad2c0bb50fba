"""The value of a library that a person probably meant by one that no photo has."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

import regex

from indexer.library.text_analysis import fold

_MIN_SIMILARITY = 0.7
_WORD_END = regex.compile(r"[\s/]+")


def nearest_value(typed: str, values: Iterable[str]) -> str | None:
    """The words of one of `values` that are spelled most like `typed`, as many words as it has; None for none.

    Words are parted by white space and slashes: of `Canon EOS 80D`, `cannon` is `Canon`.
    """
    count = len([word for word in _WORD_END.split(typed.strip()) if word])
    wanted = fold(typed)
    spelled = {fold(run): run for value in values for run in _runs(value, count)}
    alike = [run for run in spelled if abs(len(run) - len(wanted)) <= max(1, len(wanted) // 2)]
    return next((spelled[near] for near in get_close_matches(wanted, alike, 1, _MIN_SIMILARITY)), None)


def _runs(value: str, count: int) -> list[str]:
    """The runs of `count` words in `value`, with what stands between the words."""
    words = [match.span() for match in regex.finditer(r"[^\s/]+", value)]
    return [value[words[row][0] : words[row + count - 1][1]] for row in range(len(words) - count + 1)]
