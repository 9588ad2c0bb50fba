"""The values of filters: how each kind is written, read and checked."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import regex

from engine.errors import QueryError
from indexer.library.filters import Circle, Filters
from indexer.library.gazetteer import GAZETTEER
from indexer.library.text_analysis import fold, indexed_text, spaced_words
from indexer.scanning import PHOTO_SUFFIXES
from model.paths import expanded

_SIGNS = str.maketrans(
    {"\u060c": ",", "\u3001": ",", "\u066b": "."}
    | dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"), "-")
)
_DATE = regex.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?", regex.ASCII)
_NUMBER = regex.compile(r"[-+]?\d+(?:\.\d+)?", regex.ASCII)
_MIN_YEAR = 1826  # of the oldest photo that survives
_MAX_AREAS = 5
"""Names with commas between: a city, a region, a country."""
KILOMETRES = 20.0
"""Around a city for which none are given."""
_SAME_TYPE = (
    (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".pjpeg"),
    (".tif", ".tiff"),
    (".heic", ".heics", ".heif", ".heifs", ".hif"),
    (".avif", ".avifs"),
    (".png", ".apng"),
    (".bmp", ".dib"),
)


def normalised_value(name: str, value: str) -> str:
    """The value in the form that `Part` has. Raises QueryError for an invalid one."""
    try:
        value.encode("utf-8", "surrogateescape")
        if not fold(value).strip():
            raise ValueError
        normalised = FILTERS[name].normalise(value.strip())
        FILTERS[name].read(normalised)
    except (LookupError, ValueError, OverflowError) as error:
        raise QueryError(f"{name}:{value} makes no sense: write it like {FILTERS[name].example}.") from error
    return normalised


def ascii_digits(value: str) -> str:
    """Digits and signs of any script in ASCII."""
    return fold(value.translate(_SIGNS)).translate(_SIGNS)


def _date(value: str) -> str:
    date = _DATE.fullmatch(ascii_digits(value))
    if date is None:
        raise ValueError
    return "-".join(number.zfill(2) for number in date.groups() if number is not None)


def _numbers(value: str) -> str:
    numbers = [number.strip() for number in ascii_digits(value).split(",")]
    if len(numbers) != 3 or not all(_NUMBER.fullmatch(number) for number in numbers):
        raise ValueError
    return ",".join(numbers)


def _place(value: str) -> str:
    if not spaced_words(value) or value.count(",") >= _MAX_AREAS:
        raise ValueError
    return _valid_text(value)


def normalised_suffix(value: str) -> str:
    """The suffix of files in small letters, without a dot."""
    return fold(value).removeprefix(".")


def _valid_text(value: str) -> str:
    value.encode()  # UnicodeEncodeError is a ValueError; only paths may hold other bytes
    return value


def _folder(value: str) -> Filters:
    if value.startswith(("~", "/")):
        value = os.path.normpath(expanded(value))
    return Filters(folder=(value,))


def named_city(value: str) -> tuple[str, float] | None:
    """The name of a city in a value of `near:`, and the kilometres around it; None for a latitude and longitude."""
    if not any(letter.isalpha() for letter in value):
        return None
    pieces = [piece.strip() for piece in value.translate(_SIGNS).split(",")]
    if _NUMBER.fullmatch(ascii_digits(pieces[-1])):
        return ", ".join(pieces[:-1]), float(ascii_digits(pieces[-1]))
    return ", ".join(pieces), KILOMETRES


def _near_value(value: str) -> str:
    city = named_city(value)
    if city is None:
        return _numbers(value)
    if not GAZETTEER.cities_named(city[0]):
        meant = meant_place(value)
        if meant.startswith("place:"):
            raise QueryError(f"near:{value} needs a city, and this is a country or region: did you mean {meant}?")
        question = f" Did you mean {meant}?" if meant else ""
        raise QueryError(f"near:{value}: no city of that name is known.{question} Or say it like near:48.14,11.58,20.")
    return value


def meant_place(value: str) -> str:
    """The filter that was probably meant by `near:` with the name of no city; empty where nobody knows."""
    city = named_city(value)
    if city is None or GAZETTEER.cities_named(city[0]):
        return ""
    name, kilometres = city
    if GAZETTEER.is_area(name):
        return f'place:"{name}"' if " " in name else f"place:{name}"
    around = f",{kilometres:g}" if 0 < kilometres < math.inf and kilometres != KILOMETRES else ""
    return next(
        (f'near:"{near}{around}"' if " " in near else f"near:{near}{around}" for near in GAZETTEER.similar_names(name)),
        "",
    )


def _near(value: str) -> Filters:
    if (city := named_city(value)) is not None:
        largest = GAZETTEER.cities_named(city[0])[0]
        latitude, longitude, kilometres = largest.latitude, largest.longitude, city[1]
    else:
        latitude, longitude, kilometres = (float(number) for number in value.split(","))
    if not (abs(latitude) <= 90 and abs(longitude) <= 180 and 0 < kilometres < math.inf):
        raise ValueError
    return Filters(near=(Circle(latitude, longitude, kilometres),))


def _type(value: str) -> Filters:
    suffix = f".{value}"
    if suffix not in PHOTO_SUFFIXES:
        raise ValueError
    return Filters(type=(next((same for same in _SAME_TYPE if suffix in same), (suffix,)),))


def _favourite(value: str) -> Filters:
    return Filters(favourite=({"yes": True, "no": False}[value],))


def _text(value: str) -> Filters:
    if not indexed_text(value, function_words=True):
        raise ValueError("there is no word in it")
    return Filters(text=(value,))


def _period(value: str) -> tuple[int, int]:
    """Start and end of a year, a month or a day, in seconds since 1970."""
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
    if year < _MIN_YEAR:
        raise ValueError
    return int(start.timestamp()), int(end.timestamp())


@dataclass(frozen=True)
class _FilterKind:
    """How the value of a filter is read, and an example of it."""

    read: Callable[[str], Filters]
    """Raises ValueError for an invalid value."""
    example: str
    normalise: Callable[[str], str] = str
    """To the form that `read` takes. Raises ValueError for an invalid value."""


FILTERS = {
    "after": _FilterKind(lambda value: Filters(after=(_period(value)[0],)), "after:2021-07", _date),
    "before": _FilterKind(lambda value: Filters(before=(_period(value)[0],)), "before:2021-07-14", _date),
    "taken": _FilterKind(
        lambda value: Filters(taken=(_period(value),)), "taken:2021, taken:2021-07 or taken:2021-07-14", _date
    ),
    "camera": _FilterKind(lambda value: Filters(camera=(value,)), 'camera:canon or camera:"EOS 80D"', _valid_text),
    "lens": _FilterKind(lambda value: Filters(lens=(value,)), 'lens:50mm or lens:"EF-S 18-135"', _valid_text),
    "folder": _FilterKind(_folder, "folder:holidays or folder:/home/me/Pictures"),
    "place": _FilterKind(
        lambda value: Filters(place=(value,)), 'place:lisbon, place:portugal or place:"New York"', _place
    ),
    "near": _FilterKind(_near, "near:munich,20 or near:48.14,11.58,20 (latitude, longitude, kilometres)", _near_value),
    "type": _FilterKind(_type, "type:jpg, type:png or type:heic", normalised_suffix),
    "tag": _FilterKind(lambda value: Filters(tag=(value,)), 'tag:birthday or tag:"Aunt Mary"', _valid_text),
    "text": _FilterKind(_text, 'text:exit or text:"no parking"', _valid_text),
    "favourite": _FilterKind(_favourite, "favourite:yes or favourite:no", fold),
}
"""The filters by name."""
