"""The grammar of a query: a sentence with excluded terms (`-crowd`) and filters (`taken:2021`).

    a dog on the beach -crowd -"red ball" taken:2021-07 camera:"Canon EOS"

A filter is the name of a filter, a colon and a value, without a space between. Text in quotes is one value; without
a name before it, it belongs to the sentence. Everything else belongs to the sentence, `10:30` and `black-and-white`
too. A name that looks like a misspelled filter is an error, which names the query that was probably meant.

Quotes, dashes, colons and digits may be those of any language, as keyboards and word processors write them.

A text is parsed once, by the user interface that reads it. All layers below work with the `Query`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher, get_close_matches
from typing import Literal

import regex

from engine.errors import QueryError, WrongPart
from engine.filter_values import FILTERS, ascii_digits, meant_place, normalised_suffix, normalised_value
from engine.sentences import checked_text
from indexer.library.filters import NO_FILTERS, Filters
from indexer.library.text_analysis import fold, search_words
from indexer.scanning import PHOTO_SUFFIXES

_MINUS = "\\-\u2010-\u2015\u2212\ufe58\ufe63\uff0d"
_COLON = ":\u2236\ua789\ufe13\ufe55\uff1a"
_COLON_SIGNS = tuple(_COLON)
_DOUBLE, _SINGLE = "\u201c-\u201f\u301d-\u301f\uff02", "\u2018-\u201b"
_PART = regex.compile(
    rf"(?P<minus>[{_MINUS}]*)(?:(?P<name>\p{{L}}+)[{_COLON}])?"
    r'(?:"(?P<quoted>[^"]*)"(?!\S)'
    rf'|["{_DOUBLE}](?P<quoted>[^"]*?)["{_DOUBLE}](?!\S)'
    r"|[\u00ab\u00bb](?P<quoted>.*?)[\u00ab\u00bb](?!\S)"
    r"|[\u2039\u203a](?P<quoted>.*?)[\u2039\u203a](?!\S)"
    r"|\u300c(?P<quoted>.*?)\u300d|\u300e(?P<quoted>.*?)\u300f"
    rf"|[\u2018\u201a\u201b](?P<quoted>.*?)[{_SINGLE}](?!\S)"
    rf"|(?<=[{_MINUS}{_COLON}])['\u2019](?P<quoted>.*?)['{_SINGLE}](?!\S)"  # elsewhere this is an apostrophe
    r"|(?P<plain>\S+))",
    regex.DOTALL,
)
_QUOTES = "\"'\u00ab\u00bb\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f"
_DIRECTION_MARKS = regex.compile(r"[\p{Bidi_Control}\ufeff]")
"""Invisible characters that keyboards of right-to-left scripts insert."""
_MIN_ABBREVIATION = 3
_SHORT_NAME = 4  # letters: with one letter replaced, near becomes year, and type becomes tyre
_MIN_SIMILAR = 0.66
_OTHER_NAMES = (
    dict.fromkeys(("date", "year", "month", "day", "when"), "taken")
    | dict.fromkeys(("since", "from"), "after")
    | dict.fromkeys(("until", "till"), "before")
    | dict.fromkeys(("directory", "dir", "path", "album"), "folder")
    | dict.fromkeys(("location", "city", "country", "region", "where"), "place")
    | dict.fromkeys(("ext", "extension", "format", "filetype"), "type")
    | dict.fromkeys(("label", "keyword", "keywords"), "tag")
    | {"device": "camera", "around": "near", "favorite": "favourite", "ocr": "text"}
)
"""What other programs call a filter."""


@dataclass(frozen=True)
class Part:
    """One part of a query."""

    source: str
    """As it stands in the query."""
    kind: Literal["word", "excluded", "filter"]
    name: str
    """The name of a filter; else empty."""
    value: str
    """Without name, minus and quotes. Dates as 2021-07-14, and all numbers in ASCII digits."""
    filters: Filters = NO_FILTERS
    """What the filter requires."""


@dataclass(frozen=True)
class Query:
    """A parsed query. Two are equal when they search for the same."""

    words: str
    """The sentence."""
    excluded: tuple[str, ...] = ()
    """Excluded terms: words or phrases for what the photos must not show."""
    filters: Filters = NO_FILTERS
    parts: tuple[Part, ...] = field(default=(), compare=False)
    """In the order of the text."""
    text: str = field(default="", compare=False)
    """As typed, without white space around it."""

    def filtered(self, name: str, value: str) -> Query:
        """The query with one more filter; its text stays as typed.

        Raises QueryError for an invalid value, with an example.
        """
        value = normalised_value(name, value)
        part = Part(write_filter(name, value) or f"{name}:{value}", "filter", name, value, FILTERS[name].read(value))
        return replace(self, filters=self.filters.combined(part.filters), parts=(*self.parts, part))

    @classmethod
    def parse(cls, text: str | Query) -> Query:
        """The query that a person typed. Raises QueryError, as the function `parse` does."""
        return parse(text)


def parse(text: str | Query) -> Query:
    """Parse the text of a query; a `Query` is returned as it is.

    Raises QueryError for a text over MAX_CHARACTERS or not valid Unicode, and for a filter with a minus, with a
    misspelled name, with a space at its colon, without a value, or with an invalid value; the last five with
    `wrong`, which marks the part.
    """
    if isinstance(text, Query):
        return text
    text = checked_text(text)
    readable = _DIRECTION_MARKS.sub("", text)
    matches = list(_PART.finditer(readable))
    parts = tuple(_checked_part(readable, matches, row) for row in range(len(matches)))
    filters = NO_FILTERS
    for part in parts:
        filters = filters.combined(part.filters)
    words = " ".join(part.value for part in parts if part.kind == "word")
    excluded = tuple(part.value for part in parts if part.kind == "excluded")
    return Query(" ".join(words.split()), excluded, filters, parts, text)


def joined(parts: Iterable[Part]) -> str:
    """The text of these parts."""
    return " ".join(part.source for part in parts)


class _Refused(QueryError):  # noqa: N818
    """A part of a query that makes no sense."""

    def __init__(self, message: str, meant: str = "", *, more: int = 0, may_be_words: bool = False) -> None:
        """`meant` is what was probably meant by this part and the `more` following ones; empty where nobody knows."""
        super().__init__(message)
        self.meant = meant
        self.more = more
        self.may_be_words = may_be_words


def _checked_part(text: str, matches: list[regex.Match[str]], row: int) -> Part:
    """The part of `text` at `matches[row]`. Raises QueryError with `wrong`."""
    try:
        _refuse_space_before_colon(matches, row)
        return _part(matches[row], matches[row + 1] if row + 1 < len(matches) else None)
    except _Refused as refused:
        last = min(row + refused.more, len(matches) - 1)
        start, end = matches[row].start(), matches[last].end()
        before, after = text[:start], text[end:]
        without = f"{before.rstrip()} {after.lstrip()}".strip()
        fixes = [f"{before}{refused.meant}{after}"] if _makes_sense(refused.meant) else []
        if refused.may_be_words and '"' not in text[start:end]:
            fixes.append(f'{before}"{text[start:end]}"{after}')
        wrong = WrongPart(before, text[start:end], after, tuple(fixes + [without] * bool(without)))
        raise QueryError(str(refused), wrong) from refused


def _makes_sense(filter_text: str) -> bool:
    """Whether this is the text of a filter; False for an empty one."""
    try:
        return any(_part(match, None).kind == "filter" for match in _PART.finditer(filter_text))
    except _Refused:
        return False


def _refuse_space_before_colon(matches: list[regex.Match[str]], row: int) -> None:
    """Raise _Refused where a filter's name stands here and its colon behind a space: `camera : canon`, `folder :x`."""
    name = fold(matches[row][0])
    colon = matches[row + 1][0] if row + 1 < len(matches) else ""
    if not name.isalpha() or matches[row]["quoted"] is not None or colon[:1] not in _COLON_SIGNS:
        return
    more = 1 if len(colon) > 1 else 2
    value = colon[1:] or (matches[row + 2][0] if row + 2 < len(matches) else "")
    known = name if name in FILTERS else next((known for known in FILTERS if _is_misspelled(name, known)), None)
    if known is None or not value or not _could_be_value(known, value.strip(_QUOTES)):
        return
    words = " ".join(match[0] for match in matches[row : row + 1 + more])
    raise _Refused(
        f'a filter has no space at its colon: did you mean {known}:{value}? To search for the words "{words}", '
        "quote them.",
        f"{known}:{value}",
        more=more,
        may_be_words=True,
    )


def _part(match: regex.Match[str], following: regex.Match[str] | None) -> Part:
    """The part at `match`. Raises _Refused."""
    source, name, minus = match[0], fold(match["name"] or ""), match["minus"]
    if match["quoted"] is not None:
        value, plain = match["quoted"], source[: match.start("quoted") - 1 - match.start()] + match["quoted"]
    else:
        value, plain = match["plain"], source
    if not name and plain[-1:] in _COLON_SIGNS and plain[:-1].isalpha():  # a space behind the colon
        name, value = fold(plain[:-1]), ""
    behind = "" if value or following is None or match["quoted"] is not None else following[0]
    if name in FILTERS and minus:
        raise _Refused(f"{source}: only words can be excluded, not filters.", source.lstrip(minus))
    if name in FILTERS and not value and match["quoted"] is None:
        message = f"{source} needs a value right after the colon, like {FILTERS[name].example}."
        raise _Refused(message, f"{name}:{behind}" if behind else "", more=1 if behind else 0)
    if name in FILTERS:
        try:
            value = normalised_value(name, value)
        except QueryError as error:
            raise _Refused(str(error), _meant_value(name, value)) from error
        return Part(source, "filter", name, value, FILTERS[name].read(value))
    if (intended := _intended_filter(name, value or behind.strip(_QUOTES))) is not None:
        meant = f'{intended}:"{value}"' if " " in value else f"{intended}:{value or behind}"
        raise _Refused(
            f"there is no filter {name}: did you mean {meant}? To search for the words {source}, quote them.",
            meant,
            more=0 if value else 1,
            may_be_words=True,
        )
    if minus and search_words(plain):
        return Part(source, "excluded", "", value if match["quoted"] is not None and not name else plain.lstrip(minus))
    return Part(source, "word", "", plain)


def _meant_value(name: str, value: str) -> str:
    """The filter that was probably meant by that invalid value; empty where nobody knows."""
    if name == "near":
        return meant_place(value)
    if name == "type":
        known = [suffix.removeprefix(".") for suffix in PHOTO_SUFFIXES]
        return next((f"type:{suffix}" for suffix in get_close_matches(normalised_suffix(value), known, 1)), "")
    if name not in ("taken", "after", "before"):
        return ""
    numbers = regex.split(r"[^0-9]+", ascii_digits(value).strip())
    dates = [
        "-".join(numbers),
        "-".join(reversed(numbers)),
        *(number[:4] for number in numbers),
    ]  # 2021/7/14, 14.7.2021
    return next((f"{name}:{date}" for date in dates if _is_value(name, date)), "")


def _is_value(name: str, value: str) -> bool:
    try:
        normalised_value(name, value)
    except QueryError:
        return False
    return True


def _intended_filter(name: str, value: str) -> str | None:
    """The filter that a misspelled name probably stands for, judged by its letters and by the value; None for none."""
    return next((known for known in FILTERS if _is_misspelled(name, known) and _could_be_value(known, value)), None)


def unknown_filters(query: Query) -> list[tuple[str, str]]:
    """Words that may be meant as a filter of a name that there is not, each with the query that has a filter instead.

    Names that are one slip away from a filter's are no words: `parse` refuses them.
    """
    intended = []
    for part in query.parts:
        match = _PART.fullmatch(part.source) if part.kind == "word" else None
        if match is None or not match["name"]:
            continue
        name, value = fold(match["name"]), part.value.partition(part.source[match.end("name")])[2]
        known = _OTHER_NAMES.get(name) or next((known for known in FILTERS if _is_similar(name, known)), None)
        if known in FILTERS and value and value[0] not in "/\\" and _could_be_value(known, value):
            meant = replace(part, source=write_filter(known, value) or f"{known}:{value}")
            intended.append((part.source, joined(meant if other is part else other for other in query.parts)))
    return intended


def _is_similar(name: str, known: str) -> bool:
    return min(len(name), len(known)) > _SHORT_NAME and SequenceMatcher(None, name, known).ratio() >= _MIN_SIMILAR


def _is_misspelled(name: str, known: str) -> bool:
    """Whether `name` is `known` abbreviated, or with one letter added, missing, swapped with the next, or wrong."""
    if len(name) >= _MIN_ABBREVIATION and known.startswith(name):
        return True
    if len(known) <= _SHORT_NAME and name[:1] != known[0]:
        return False
    if len(name) == len(known):
        wrong = [place for place, letter in enumerate(name) if letter != known[place]]
        if len(wrong) == 1:
            return len(known) > _SHORT_NAME
        return (
            len(wrong) == 2
            and wrong[1] == wrong[0] + 1
            and name[wrong[0]] + name[wrong[1]] == known[wrong[1]] + known[wrong[0]]
        )
    short, long = sorted((name, known), key=len)
    return len(long) == len(short) + 1 and any(long[:place] + long[place + 1 :] == short for place in range(len(long)))


def _could_be_value(name: str, value: str) -> bool:
    """Whether `value` may be meant for that filter, valid or not: at least a number where it needs one."""
    try:
        normalised_value(name, value or "x")
    except QueryError:
        return name != "type" and fold(value).lstrip("-+")[:1].isdigit()
    return True


def write_filter(name: str, value: str) -> str | None:
    """A filter as text of a query; None where the grammar cannot express the value."""
    for source in (f"{name}:{value}", f'{name}:"{value}"') if value.isprintable() else ():
        try:
            parts = parse(source).parts
        except QueryError:
            continue
        if [(part.source, part.name, part.value) for part in parts] == [(source, name, value)]:
            return source
    return None


def parse_filter(name: str, value: str) -> Filters:
    """The filter `name` with that value. Raises QueryError for an invalid value, with an example."""
    return FILTERS[name].read(normalised_value(name, value))
