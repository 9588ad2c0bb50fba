"""Filters as one clicks them: what stands in a query and can be taken out, and what can be put in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import PurePath

from engine.query import Part, Query, parse, write_filter
from indexer.library.facets import Facets
from web.schema import PlaceAnswer

_MOST_CHOICES = 12


@dataclass(frozen=True)
class Choice:
    """A filter that can be put in or taken out."""

    label: str
    title: str
    """In full."""
    query: str
    """What the query becomes."""
    chosen: bool = False
    photos: int = 0
    share: float = 0.0
    """Photos, of the most that a choice beside it has: 0 to 1."""


@dataclass(frozen=True)
class Choices:
    """What one can filter by."""

    dates: list[Choice]
    """Years; where the query names one, its months."""
    year: str | None
    """That year."""
    all_dates: str
    """The query without a date."""
    cameras: list[Choice]
    folders: list[Choice]
    places: list[Choice]


def active(query: Query) -> list[Choice]:
    """The filters and unwanted words that stand in `query`; each takes itself out."""
    found = query.parts
    return [
        Choice(label, part.source, _joined(other for other in found if other is not part), chosen=True)
        for part in found
        if (label := _label(part))
    ]


def choices(query: Query, facets: Facets) -> Choices:
    """What `query` can be filtered by."""
    found = query.parts
    dates = [part.value for part in found if part.name == "taken"]
    without_dates = _joined(part for part in found if part.name not in ("taken", "after", "before"))
    year = dates[0][:4] if len({value[:4] for value in dates}) == 1 else None
    if year is not None:
        counts = {month: facets.months.get(month, 0) for month in (f"{year}-{month:02}" for month in range(1, 13))}
    else:
        counts = Counter[str]()
        for month, count in facets.months.items():
            counts[month[:4]] += count
    return Choices(
        dates=[
            Choice(
                label=date.fromisoformat(f"{value}-01").strftime("%b") if year else value,
                title=f"{_month(value)}: {count:,} photos",
                query=f"{without_dates} taken:{value}".strip(),
                chosen=value in dates,
                photos=count,
                share=count / max(1, *counts.values()),
            )
            for value, count in counts.items()
        ],
        year=year,
        all_dates=without_dates,
        cameras=_toggles(found, "camera", facets.cameras),
        folders=_toggles(found, "folder", _telling(facets.folders)),
        places=[
            _toggle(found, answer.filter, _position(place.latitude, place.longitude), "", place.photos)
            for place in facets.places[:_MOST_CHOICES]
            for answer in [PlaceAnswer.of(place)]
        ],
    )


def _toggles(found: Sequence[Part], name: str, counts: Mapping[str, int]) -> list[Choice]:
    """Choices for the values that a query can say."""
    written = [(value, write_filter(name, value), count) for value, count in counts.items()]
    return [
        _toggle(found, source, _short(value) if name == "folder" else value, value, count)
        for value, source, count in written
        if source is not None
    ][:_MOST_CHOICES]


def _toggle(found: Sequence[Part], source: str, label: str, title: str, photos: int) -> Choice:
    wanted = parse(source).filters
    others = [part for part in found if part.filters != wanted]
    chosen = len(others) < len(found)
    return Choice(label, title, _joined(others) if chosen else f"{_joined(found)} {source}".strip(), chosen, photos)


def _telling(folders: Mapping[str, int]) -> dict[str, int]:
    """Those of the folders that say something: not the one that holds all, nor one that holds only one other."""
    counts = {PurePath(path): count for path, count in folders.items()}
    roots = [path for path in counts if path.parent not in counts]
    dull = {path.parent for path, count in counts.items() if counts.get(path.parent) == count}
    dull.update(roots if len(roots) == 1 else [])
    return {str(path): count for path, count in counts.items() if path not in dull}


def _label(part: Part) -> str | None:
    """What a filter or an unwanted word is called on a page; None for other words."""
    if part.kind == "word":
        return None
    if part.kind == "without":
        return f"without {part.value}"
    match part.name:
        case "taken":
            return _month(part.value)
        case "after":
            return f"since {_month(part.value)}"
        case "before":
            return f"before {_month(part.value)}"
        case "folder":
            return _short(part.value)
        case "near":
            (circle,) = part.filters.near
            return f"{circle.kilometres:g} km around {_position(circle.latitude, circle.longitude)}"
        case _:
            return part.value


def _month(value: str) -> str:
    """`2021-07`, as a `Part` has it, as July 2021; years and days too."""
    year, *rest = (int(number) for number in value.split("-"))
    if not rest:
        return str(year)
    day = f"{rest[1]} " if len(rest) > 1 else ""
    return f"{day}{date(year, rest[0], 1):%B} {year}"


def _short(folder: str) -> str:
    """The last two names of a path."""
    return "/".join(PurePath(folder).parts[-2:]).replace("//", "/")


def _position(latitude: float, longitude: float) -> str:
    return (
        f"{abs(latitude):.1f}° {'N' if latitude >= 0 else 'S'}, {abs(longitude):.1f}° {'E' if longitude >= 0 else 'W'}"
    )


def _joined(found: Iterable[Part]) -> str:
    return " ".join(part.source for part in found)
