"""Text analysis for full-text search in any script: folding of letters, and splitting into words and tokens.

The rules come from the tables of Unicode, which `regex` has; there is no dictionary. A script without spaces between
words, like Chinese or Thai, is split into its characters, and a word of it is found as a phrase of them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache

import regex

_APOSTROPHES = "'\u2018\u2019\u02bb\u02bc\u05f3\uff07"
_ALPHABETS = r"\p{Latin}\p{Greek}\p{Cyrillic}\p{Armenian}\p{Hebrew}\p{Arabic}\p{Syriac}"
"""Scripts whose combining marks are accents or vowel points. In others, marks distinguish letters: viramas, tones."""
_UNSPACED = r"[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Bopo}\p{Hangul}\p{LB=SA}]"
"""Scripts without spaces between words, and Korean, which attaches particles to words."""

_ACCENT = regex.compile(rf"([{_ALPHABETS}])\p{{Mn}}+")
_NON_ASCII_LATIN = regex.compile(r"[\p{Latin}--\p{ASCII}]", regex.V1)
_FOREIGN_DIGIT = regex.compile(r"[\p{Nd}--\p{ASCII}]", regex.V1)
_LETTERS = regex.compile(r"[\p{L}\p{M}\p{N}]+")
_IGNORABLE = regex.compile(r"\p{Default_Ignorable_Code_Point}|\u0640")  # U+0640 only lengthens an Arabic word
_CLUSTER = r"(?=[\p{Extended_Pictographic}\p{RI}]|[0-9#*]\uFE0F?\u20E3)\X"
_WORD = regex.compile(
    rf"(?P<emoji>{_CLUSTER})"
    rf"|(?P<letters>[\p{{L}}\p{{N}}](?:(?!{_CLUSTER})[[\p{{L}}\p{{M}}\p{{N}}\p{{Cf}}]--\u200b]"  # U+200B splits words
    rf"|[{_APOSTROPHES}](?=\p{{L}}))*)"
    r"|(?P<symbol>[[\p{So}\p{Sc}\p{Sm}\p{Co}]--\p{ASCII}])",
    regex.V1,
)
_TOKEN = regex.compile(rf"{_UNSPACED}\p{{M}}*|[0-9]+|(?:(?!{_UNSPACED})[\p{{L}}\p{{M}}\p{{No}}\p{{Nl}}])+")
_EMOJI_PART = regex.compile(r"[\p{Mn}\p{EMod}]")
_FULL_WIDTH_KEY = str.maketrans("#*", "\uff03\uff0a")
_POSSESSIVE = regex.compile(rf"[{_APOSTROPHES}]s$")
_APOSTROPHE = regex.compile(f"[{_APOSTROPHES}]")
_WITHOUT_ACCENT = {"\u0131": "i", "ȷ": "j", "ß": "ss", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ŋ": "n", "ĸ": "k"}
_FUNCTION_WORDS = frozenset(
    {
        *("a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "has", "he", "her", "his", "in", "into"),
        *("is", "it", "its", "of", "off", "on", "or", "our", "out", "over", "she", "that", "the", "their", "them"),
        *("there", "they", "this", "to", "under", "up", "was", "we", "were", "while", "who", "with"),
    }
)
"""English function words, which do not describe a photo."""

BETWEEN_TEXTS = "\u00b6"
"""A token that no word has. It separates texts, so that no phrase crosses from one to the next."""


def without_accents(text: str) -> str:
    """`text` in Unicode form NFKC, with Latin, Greek, Cyrillic, ... letters without accents."""
    if text.isascii():
        return text
    plain = _ACCENT.sub(r"\1", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFKC", _NON_ASCII_LATIN.sub(lambda letter: _base(letter[0]), plain))


@cache
def _base(letter: str) -> str:
    """The plain letters for a Latin letter that has no decomposition: l for ł, AE for Æ; most letters are unchanged."""
    if (base := _WITHOUT_ACCENT.get(letter.lower())) is not None:
        return base.upper() if letter.isupper() else base
    name, has_accent, _ = unicodedata.name(letter, "").partition(" WITH ")
    try:
        return _base(unicodedata.lookup(name)) if has_accent else letter
    except KeyError:
        return letter


def fold(text: str) -> str:
    """`text` without differences that a search ignores: case, accents, width, form (NFC, NFD), the script of digits."""
    if text.isascii():
        return text.lower()
    folded = without_accents(unicodedata.normalize("NFKC", _IGNORABLE.sub("", text)).casefold())
    # `regex` knows digits of a newer Unicode than Python may: those stay as they are.
    return _FOREIGN_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0], digit[0])), folded)


def name_key(name: str) -> str:
    """`name` folded, its white space collapsed: tags and taught words with the same key have the same name."""
    return " ".join(fold(name).split())


def spaced_words(text: str) -> str:
    """The words of `text`, folded, with a space before and behind each; empty without a word."""
    words = _LETTERS.findall(fold(text))
    return f" {' '.join(words)} " if words else ""


def fold_path(folder: str) -> str:
    """The path of a folder, or a part of one, with each name folded and a slash before and after each name."""
    names = (fold(name).replace("/", "\u2215") for name in folder.split("/") if name)  # / has full-width forms too
    return "/".join(["", *names, ""])


def indexed_text(text: str, *, function_words: bool = False) -> str:
    """The tokens of `text` for the full-text index, separated by spaces; empty if it has no words.

    Function words are left out if there are other words, unless `function_words` keeps them. A word with an apostrophe
    is indexed whole and in its parts:
    anniversaire finds l'anniversaire, and ohara finds O'Hara.
    """
    words = [(word, kind, _plain(word, kind)) for word, kind in _words(text)]
    content_words = [word for word in words if function_words or word[2] not in _FUNCTION_WORDS] or words
    tokens: list[str] = []
    whole: list[str] = []
    for word, kind, plain in content_words:
        parts = _APOSTROPHE.split(word)
        for part in parts:
            tokens += _tokens(part, kind)
        if len(parts) > 1:
            whole += [BETWEEN_TEXTS, plain]
    return " ".join(tokens + whole)


def search_words(text: str) -> set[str]:
    """The words of `text` to search for, without function words if there are others.

    Each word consists of tokens separated by spaces, which are searched as a phrase.
    """
    words = {_plain(word, kind) for word, kind in _words(text)} - {""}
    return words - _FUNCTION_WORDS or words


def words_with_places(text: str) -> list[tuple[str, int, int]]:
    """The words of `text`, which is in Unicode form NFC: each as `search_words` has it, with its start and its end."""
    words = ((_plain(match[0], match.lastgroup), *match.span()) for match in _WORD.finditer(text))
    return [word for word in words if word[0]]


def _words(text: str) -> Iterator[tuple[str, str | None]]:
    """Each word as it is written in the text, and its kind."""
    for match in _WORD.finditer(unicodedata.normalize("NFC", text)):
        yield match[0], match.lastgroup


def _plain(word: str, kind: str | None) -> str:
    """The tokens of a word, without a possessive s and apostrophes: Mary's is mary, O'Hara is ohara."""
    return " ".join(_tokens(_APOSTROPHE.sub("", _POSSESSIVE.sub("", word)), kind))


def _tokens(word: str, kind: str | None) -> Iterator[str]:
    if kind == "emoji":
        plain = _EMOJI_PART.sub("", word).translate(_FULL_WIDTH_KEY)
        yield from filter(None, plain.split("\u200d"))
        return
    folded = fold(word)
    tokens = _TOKEN.findall(folded)
    yield from tokens or ([folded] if kind == "symbol" else [])
