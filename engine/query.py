"""The grammar of a query: a sentence, and in it words to keep out (`-crowd`) and filters (`taken:2021`).

    a dog on the beach -crowd -"red ball" taken:2021-07 camera:"Canon EOS"

A filter is a known name, a colon and a value, without a space. Whatever stands in quotes is one value, and
without a name before it is a part of the sentence. Everything else is a part of the sentence, `10:30` and
`black-and-white` too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from engine.errors import QueryError
from indexer.filters import NO_FILTERS, Circle, Filters
from indexer.scanning import PHOTO_SUFFIXES

_PART = re.compile(r'(?P<minus>-?)(?:(?P<name>[A-Za-z]+):)?(?:"(?P<quoted>[^"]*)"(?!\S)|(?P<plain>\S+))')
_EARLIEST_YEAR = 1826  # the oldest photo there is
_SAME_TYPE = ((".jpg", ".jpeg", ".jpe", ".jfif"), (".tif", ".tiff"), (".heic", ".heif"), (".bmp", ".dib"))


@dataclass(frozen=True)
class Query:
    """A query taken apart."""

    words: str
    """The sentence."""
    without: tuple[str, ...] = ()
    """What the photos shall not show: words or phrases."""
    filters: Filters = NO_FILTERS


@dataclass(frozen=True)
class Part:
    """One part of a query."""

    source: str
    """As it stands in the query."""
    kind: Literal["word", "without", "filter"]
    name: str
    """Of a filter; empty for others."""
    value: str
    """Without name, minus and quotes."""


def parts(text: str) -> list[Part]:
    """The parts of a query, in order. Raises QueryError for a filter to be kept out, or without a value."""
    found = []
    for part in _PART.finditer(text):
        name, value = (part["name"] or "").lower(), part["plain"] if part["quoted"] is None else part["quoted"]
        plain = part[0] if part["quoted"] is None else part[0].replace('"', "")
        if name in FILTERS and part["minus"]:
            raise QueryError(f"{part[0]}: only words can be kept out, not what a filter finds.")
        if name in FILTERS:
            found.append(Part(part[0], "filter", name, value))
        elif plain.removesuffix(":").lower() in FILTERS and plain.endswith(":"):
            raise QueryError(
                f"{plain} needs a value right after the colon, like {FILTERS[plain[:-1].lower()].example}."
            )
        elif part["minus"] and any(character.isalnum() for character in plain):
            found.append(Part(part[0], "without", "", plain.lstrip("-")))
        else:
            found.append(Part(part[0], "word", "", plain))
    return found


def parse(text: str) -> Query:
    """Take a query apart. Raises QueryError for a filter whose value makes no sense."""
    words: list[str] = []
    without: list[str] = []
    filters = NO_FILTERS
    for part in parts(text):
        if part.kind == "filter":
            filters = filters.combined(parse_filter(part.name, part.value))
        else:
            (words if part.kind == "word" else without).append(part.value)
    return Query(" ".join(" ".join(words).split()), tuple(without), filters)


def write_filter(name: str, value: str) -> str | None:
    """A filter as it is written in a query; None where the grammar cannot say the value."""
    if '"' in value or not value.strip() or not value.isprintable():
        return None
    return f"{name}:{value}" if " " not in value else f'{name}:"{value}"'


def parse_filter(name: str, value: str) -> Filters:
    """The filter `name` with that value. Raises QueryError, saying how it is written."""
    kind = FILTERS[name]
    try:
        value.encode("utf-8", "surrogateescape")
        if not value.strip():
            raise ValueError
        return kind.read(value.strip())
    except (ValueError, OverflowError) as error:
        raise QueryError(f"{name}:{value} makes no sense: write it like {kind.example}.") from error


def _folder(value: str) -> Filters:
    return Filters(folder=(str(Path(value).expanduser()) if value.startswith("~") else value,))


def _near(value: str) -> Filters:
    latitude, longitude, kilometres = (float(number) for number in value.split(","))
    if not (abs(latitude) <= 90 and abs(longitude) <= 180 and 0 < kilometres < math.inf):
        raise ValueError
    return Filters(near=(Circle(latitude, longitude, kilometres),))


def _type(value: str) -> Filters:
    suffix = f".{value.lower().removeprefix('.')}"
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
    example: str


FILTERS = {
    "after": _Kind(lambda value: Filters(after=(_period(value)[0],)), "after:2021-07"),
    "before": _Kind(lambda value: Filters(before=(_period(value)[0],)), "before:2021-07-14"),
    "taken": _Kind(lambda value: Filters(taken=(_period(value),)), "taken:2021, taken:2021-07 or taken:2021-07-14"),
    "camera": _Kind(lambda value: Filters(camera=(value,)), 'camera:canon or camera:"EOS 80D"'),
    "lens": _Kind(lambda value: Filters(lens=(value,)), 'lens:50mm or lens:"EF-S 18-135"'),
    "folder": _Kind(_folder, "folder:holidays or folder:/home/me/Pictures"),
    "near": _Kind(_near, "near:48.14,11.58,20 (latitude, longitude, kilometres)"),
    "type": _Kind(_type, "type:jpg, type:png or type:heic"),
}
"""The filters by name."""
