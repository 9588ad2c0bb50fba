"""The words of a text by which a photo can be found: in lower case, without accents, whole and exact."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"\w+")
_APOSTROPHE = re.compile(r"['\u2019](s\b)?")
"""Mary's is Mary, and O'Hara one word."""
_FUNCTION_WORDS = frozenset(
    {
        *("a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "has", "he", "her", "his", "in", "into"),
        *("is", "it", "its", "of", "off", "on", "or", "our", "out", "over", "she", "that", "the", "their", "them"),
        *("there", "they", "this", "to", "under", "up", "was", "we", "were", "while", "who", "with"),
    }
)
"""English words that tell nothing of what a photo shows."""


def words_of(text: str) -> set[str]:
    """The words of `text` that tell something."""
    plain = "".join(
        character
        for character in unicodedata.normalize("NFKD", text.casefold())
        if not unicodedata.combining(character)
    )
    return set(_WORD.findall(_APOSTROPHE.sub("", plain))) - _FUNCTION_WORDS
