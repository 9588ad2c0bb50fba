"""The grammar of a query: a sentence, and in it words to keep out (`-crowd`) and filters (`taken:2021`).

    a dog on the beach -crowd -"red ball" taken:2021-07 camera:"Canon EOS"

A filter is a known name, a colon and a value, without a space. Whatever stands in quotes is one value, and
without a name before it is a part of the sentence. Everything else is a part of the sentence, `10:30` and
`black-and-white` too; but a name that looks like a slip of a known one is refused.

Quotes, dashes, colons and digits may be those of any language, as keyboards and word processors write them.

A text is parsed once, where it comes in; from there on everybody works with the `Query`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import regex

from engine.errors import QueryError
from engine.sentences import checked_text
from indexer.library.filters import NO_FILTERS, Circle, Filters
from indexer.library.words import fold, words_of
from indexer.scanning import PHOTO_SUFFIXES

_MINUS = "\\-\u2010-\u2015\u2212\ufe58\ufe63\uff0d"
_COLON = ":\u2236\ua789\ufe13\ufe55\uff1a"
_DOUBLE, _SINGLE = "\u201c-\u201f\u301d-\u301f\uff02", "\u2018-\u201b"
_PART = regex.compile(
    rf"(?P<minus>[{_MINUS}]*)(?:(?P<name>\p{{L}}+)[{_COLON}])?"
    r'(?:"(?P<quoted>[^"]*)"(?!\S)'
    rf'|["{_DOUBLE}](?P<quoted>[^"]*?)["{_DOUBLE}](?!\S)'
    r"|[\u00ab\u00bb](?P<quoted>.*?)[\u00ab\u00bb](?!\S)"
    r"|[\u2039\u203a](?P<quoted>.*?)[\u2039\u203a](?!\S)"
    r"|\u300c(?P<quoted>.*?)\u300d|\u300e(?P<quoted>.*?)\u300f"
    rf"|[\u2018\u201a\u201b](?P<quoted>.*?)[{_SINGLE}](?!\S)"
    rf"|(?<=[{_MINUS}{_COLON}])['\u2019](?P<quoted>.*?)['{_SINGLE}](?!\S)"  # elsewhere these are apostrophes
    r"|(?P<plain>\S+))",
    regex.DOTALL,
)
_DIRECTIONS = regex.compile(r"[\p{Bidi_Control}\ufeff]")
"""What keyboards of right-to-left scripts put between letters, unseen."""
_SIGNS = str.maketrans(
    {"\u060c": ",", "\u3001": ",", "\u066b": "."}
    | dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"), "-")
)
_DATE = regex.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?", regex.ASCII)
_NUMBER = regex.compile(r"[-+]?\d+(?:\.\d+)?", regex.ASCII)
_EARLIEST_YEAR = 1826  # the oldest photo there is
_MIN_ABBREVIATION = 3
_SHORT_NAME = 4  # letters: with another in their place, near is year, and type is tyre
_SAME_TYPE = (
    (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".pjpeg"),
    (".tif", ".tiff"),
    (".heic", ".heics", ".heif", ".heifs", ".hif"),
    (".avif", ".avifs"),
    (".png", ".apng"),
    (".bmp", ".dib"),
)


@dataclass(frozen=True)
class Part:
    """One part of a query."""

    source: str
    """As it stands in the query."""
    kind: Literal["word", "without", "filter"]
    name: str
    """Of a filter; empty for others."""
    value: str
    """Without name, minus and quotes; dates as 2021-07-14, and numbers, in ASCII digits."""
    filters: Filters = NO_FILTERS
    """What a filter asks for."""


@dataclass(frozen=True)
class Query:
    """A query taken apart. Two are equal when they ask for the same."""

    words: str
    """The sentence."""
    without: tuple[str, ...] = ()
    """What the photos shall not show: words or phrases."""
    filters: Filters = NO_FILTERS
    parts: tuple[Part, ...] = field(default=(), compare=False)
    """In the order in which they stand in the text."""
    text: str = field(default="", compare=False)
    """As it was typed, without white space around it."""

    @classmethod
    def parse(cls, text: str | Query) -> Query:
        """The query that a person typed. Raises QueryError, as the function `parse` does."""
        return parse(text)


def parse(text: str | Query) -> Query:
    """Take a query apart; one that has been stays as it is.

    Raises QueryError when the text is over MAX_CHARACTERS or no text, a filter is to be kept out, has no value or one
    that makes no sense, or has a name that is nearly one of those known.
    """
    if isinstance(text, Query):
        return text
    text = checked_text(text)
    parts = tuple(_part(found) for found in _PART.finditer(_DIRECTIONS.sub("", text)))
    filters = NO_FILTERS
    for part in parts:
        filters = filters.combined(part.filters)
    words = " ".join(part.value for part in parts if part.kind == "word")
    without = tuple(part.value for part in parts if part.kind == "without")
    return Query(" ".join(words.split()), without, filters, parts, text)


def _part(found: regex.Match[str]) -> Part:
    source, name, minus = found[0], fold(found["name"] or ""), found["minus"]
    if found["quoted"] is not None:
        value, plain = found["quoted"], source[: found.start("quoted") - 1 - found.start()] + found["quoted"]
    else:
        value, plain = found["plain"], source
    if not name and plain[-1:] in _COLON and plain[:-1].isalpha():  # a space behind the colon
        name, value = fold(plain[:-1]), ""
    if name in FILTERS and minus:
        raise QueryError(f"{source}: only words can be kept out, not what a filter finds.")
    if name in FILTERS and not value and found["quoted"] is None:
        raise QueryError(f"{source} needs a value right after the colon, like {FILTERS[name].example}.")
    if name in FILTERS:
        value = _plain_value(name, value)
        return Part(source, "filter", name, value, FILTERS[name].read(value))
    if (meant := _meant(name, value)) is not None:
        value = f'"{value}"' if " " in value else value
        raise QueryError(
            f"there is no filter {name}: did you mean {meant}:{value}? To search for the words {source}, quote them."
        )
    if minus and words_of(plain):
        return Part(source, "without", "", value if found["quoted"] is not None and not name else plain.lstrip(minus))
    return Part(source, "word", "", plain)


def _meant(name: str, value: str) -> str | None:
    """The filter whose name was probably to be written, to go by its letters and by the value; None for no such."""
    return next((known for known in FILTERS if _is_slip(name, known) and _could_be_of(known, value)), None)


def _is_slip(name: str, known: str) -> bool:
    """Whether `name` is `known` cut short, or with a letter too many or too few, two swapped, or a wrong one."""
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


def _could_be_of(name: str, value: str) -> bool:
    """Whether someone may have meant `value` for that filter, right or wrong: a number where it needs one."""
    try:
        _plain_value(name, value or "x")
    except QueryError:
        return name != "type" and fold(value).lstrip("-+")[:1].isdigit()
    return True


def write_filter(name: str, value: str) -> str | None:
    """A filter as it is written in a query; None where the grammar cannot say the value."""
    for source in (f"{name}:{value}", f'{name}:"{value}"') if value.isprintable() else ():
        try:
            parts = parse(source).parts
        except QueryError:
            continue
        if [(part.source, part.name, part.value) for part in parts] == [(source, name, value)]:
            return source
    return None


def parse_filter(name: str, value: str) -> Filters:
    """The filter `name` with that value. Raises QueryError, saying how it is written."""
    return FILTERS[name].read(_plain_value(name, value))


def _plain_value(name: str, value: str) -> str:
    """The value in the form in which `Part` has it. Raises QueryError for one that makes no sense."""
    try:
        value.encode("utf-8", "surrogateescape")
        if not fold(value).strip():
            raise ValueError
        plain = FILTERS[name].plain(value.strip())
        FILTERS[name].read(plain)  # RuntimeError: the home of a user who is not there
    except (ValueError, OverflowError, RuntimeError) as error:
        raise QueryError(f"{name}:{value} makes no sense: write it like {FILTERS[name].example}.") from error
    return plain


def _numerals(value: str) -> str:
    """Digits and signs of any script as those of ASCII."""
    return fold(value.translate(_SIGNS)).translate(_SIGNS)


def _date(value: str) -> str:
    found = _DATE.fullmatch(_numerals(value))
    if found is None:
        raise ValueError
    return "-".join(number.zfill(2) for number in found.groups() if number is not None)


def _numbers(value: str) -> str:
    numbers = [number.strip() for number in _numerals(value).split(",")]
    if len(numbers) != 3 or not all(_NUMBER.fullmatch(number) for number in numbers):
        raise ValueError
    return ",".join(numbers)


def _suffix(value: str) -> str:
    return fold(value).removeprefix(".")


def _folder(value: str) -> Filters:
    if value.startswith(("~", "/")):
        value = os.path.normpath(Path(value).expanduser())
    return Filters(folder=(value,))


def _near(value: str) -> Filters:
    latitude, longitude, kilometres = (float(number) for number in value.split(","))
    if not (abs(latitude) <= 90 and abs(longitude) <= 180 and 0 < kilometres < math.inf):
        raise ValueError
    return Filters(near=(Circle(latitude, longitude, kilometres),))


def _type(value: str) -> Filters:
    suffix = f".{value}"
    if suffix not in PHOTO_SUFFIXES:
        raise ValueError
    return Filters(type=(next((same for same in _SAME_TYPE if suffix in same), (suffix,)),))


def _period(value: str) -> tuple[int, int]:
    """A year, a month or a day in seconds from 1970: its start, and the start of the next."""
    match [int(number) for number in value.split("-")]:
        case [year]:
            start, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
        case [year, month]:
            start = datetime(year, month, 1, tzinfo=UTC)
            end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        case [year, month, day]:
            start = datetime(year, month, day, tzinfo=UTC)
            end = start + timedelta(days=1)
        case _:
            raise ValueError
    if year < _EARLIEST_YEAR:
        raise ValueError
    return int(start.timestamp()), int(end.timestamp())


@dataclass(frozen=True)
class _Kind:
    """A filter: how its value is read, and how it is written."""

    read: Callable[[str], Filters]
    """Raises ValueError for a value without sense."""
    example: str
    plain: Callable[[str], str] = str
    """To the form that `read` takes; raises ValueError too."""


FILTERS = {
    "after": _Kind(lambda value: Filters(after=(_period(value)[0],)), "after:2021-07", _date),
    "before": _Kind(lambda value: Filters(before=(_period(value)[0],)), "before:2021-07-14", _date),
    "taken": _Kind(
        lambda value: Filters(taken=(_period(value),)), "taken:2021, taken:2021-07 or taken:2021-07-14", _date
    ),
    "camera": _Kind(lambda value: Filters(camera=(value,)), 'camera:canon or camera:"EOS 80D"'),
    "lens": _Kind(lambda value: Filters(lens=(value,)), 'lens:50mm or lens:"EF-S 18-135"'),
    "folder": _Kind(_folder, "folder:holidays or folder:/home/me/Pictures"),
    "near": _Kind(_near, "near:48.14,11.58,20 (latitude, longitude, kilometres)", _numbers),
    "type": _Kind(_type, "type:jpg, type:png or type:heic", _suffix),
}
"""The filters by name."""
