"""Words as a search compares them, in any script: how letters fold, and where a word begins and ends.

Unicode says which letters differ only in form, and what belongs to which script; `regex` knows its tables. Nothing is
guessed from a dictionary. So a script that is written without spaces, like Chinese or Thai, is cut into its characters,
and a word of it is found wherever these stand side by side.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache

import regex

_APOSTROPHES = "'\u2018\u2019\u02bb\u02bc\u05f3\uff07"
_ALPHABETS = r"\p{Latin}\p{Greek}\p{Cyrillic}\p{Armenian}\p{Hebrew}\p{Arabic}\p{Syriac}"
"""Scripts whose marks are accents or vowel points. Elsewhere marks tell letters apart: viramas, tones, voicing."""
_UNSPACED = r"[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Bopo}\p{Hangul}\p{LB=SA}]"
"""Scripts written without spaces, and Korean, which joins particles to its words."""

_ACCENT = regex.compile(rf"([{_ALPHABETS}])\p{{Mn}}+")
_LETTER_APART = regex.compile(r"[\p{Latin}--\p{ASCII}]", regex.V1)
_FOREIGN_DIGIT = regex.compile(r"[\p{Nd}--\p{ASCII}]", regex.V1)
_UNSEEN = regex.compile(r"\p{Default_Ignorable_Code_Point}|\u0640")  # U+0640 only stretches an Arabic word
_CLUSTER = r"(?=[\p{Extended_Pictographic}\p{RI}]|[0-9#*]\uFE0F?\u20E3)\X"
_WORD = regex.compile(
    rf"(?P<emoji>{_CLUSTER})"
    rf"|(?P<letters>[\p{{L}}\p{{N}}](?:(?!{_CLUSTER})[[\p{{L}}\p{{M}}\p{{N}}\p{{Cf}}]--\u200b]"  # U+200B parts words
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
"""English words that tell nothing of what a photo shows."""

BETWEEN_TEXTS = "\u00b6"
"""A token that no word has: what stands before it and what stands behind it are not side by side."""


def without_accents(text: str) -> str:
    """`text` in Unicode's simplest form (NFKC), its Latin, Greek, Cyrillic, ... letters without their accents."""
    if text.isascii():
        return text
    plain = _ACCENT.sub(r"\1", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFKC", _LETTER_APART.sub(lambda letter: _base(letter[0]), plain))


@cache
def _base(letter: str) -> str:
    """The letters that a Latin letter without a decomposition is taken for: l for ł, AE for Æ; itself for most."""
    if (base := _WITHOUT_ACCENT.get(letter.lower())) is not None:
        return base.upper() if letter.isupper() else base
    name, has_accent, _ = unicodedata.name(letter, "").partition(" WITH ")
    try:
        return _base(unicodedata.lookup(name)) if has_accent else letter
    except KeyError:
        return letter


def fold(text: str) -> str:
    """`text` without what a search does not tell apart: case, accents, width, form (NFC, NFD), the script of digits."""
    if text.isascii():
        return text.lower()
    folded = without_accents(unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).casefold())
    return _FOREIGN_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), folded)


def fold_path(folder: str) -> str:
    """The path of a folder, or a part of one, each name folded, with a slash before and behind each."""
    names = (fold(name).replace("/", "\u2215") for name in folder.split("/") if name)  # the sign / has wide forms too
    return "/".join(["", *names, ""])


def indexed_text(text: str) -> str:
    """What a search looks through for the words of `text`: its tokens with a space between two, empty without any.

    Words that tell nothing are left out where there are others. A word with an apostrophe stands in it whole and in its
    parts: anniversaire finds l'anniversaire, and ohara finds O'Hara.
    """
    found = [(word, kind, _plain(word, kind)) for word, kind in _words(text)]
    telling = [word for word in found if word[2] not in _FUNCTION_WORDS] or found
    tokens: list[str] = []
    whole: list[str] = []
    for word, kind, plain in telling:
        parts = _APOSTROPHE.split(word)
        for part in parts:
            tokens += _tokens(part, kind)
        if len(parts) > 1:
            whole += [BETWEEN_TEXTS, plain]
    return " ".join(tokens + whole)


def search_words(text: str) -> set[str]:
    """The words of `text` that tell something, or all where none does: tokens with a space between, to be found so."""
    words = {_plain(word, kind) for word, kind in _words(text)} - {""}
    return words - _FUNCTION_WORDS or words


def _words(text: str) -> Iterator[tuple[str, str | None]]:
    """Each word as it stands in the text, and its kind."""
    for found in _WORD.finditer(unicodedata.normalize("NFC", text)):
        yield found[0], found.lastgroup


def _plain(word: str, kind: str | None) -> str:
    """The tokens of a word: Mary's is Mary, and O'Hara one word."""
    return " ".join(_tokens(_APOSTROPHE.sub("", _POSSESSIVE.sub("", word)), kind))


def _tokens(word: str, kind: str | None) -> Iterator[str]:
    if kind == "emoji":
        plain = _EMOJI_PART.sub("", word).translate(_FULL_WIDTH_KEY)
        yield from filter(None, plain.split("\u200d"))
        return
    folded = fold(word)
    tokens = _TOKEN.findall(folded)
    yield from tokens or ([folded] if kind == "symbol" else [])
