"""How much of the metadata in a photo is stored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from indexer.metadata.characters import one_line

MAX_NAME, MAX_TITLE, MAX_DESCRIPTION, MAX_AUTHOR = 200, 200, 2000, 200
"""Lengths in characters. A name is that of a camera or lens."""
_MAX_KEYWORD, _MAX_KEYWORDS = 100, 100


def keyword_list(values: Iterable[Any]) -> list[str]:
    """The keywords in `values`, without duplicates."""
    words = (one_line(value, _MAX_KEYWORD) for value in values)
    return list(dict.fromkeys(word for word in words if word))[:_MAX_KEYWORDS]
