"""Filters to click: those of a query, which can be removed, and those that can be added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import PurePath

from engine.query import Part, Query, joined, named_city, parse, write_filter
from indexer.library.facets import Facets

_MAX_CHOICES = 12


@dataclass(frozen=True)
class Choice:
    """A filter that can be added or removed."""

    label: str
    title: str
    """A longer label."""
    query: str
    """The query after a click."""
    chosen: bool = False
    photos: int = 0
    share: float = 0.0
    """`photos` relative to the choice of its list with most photos, 0 to 1."""


@dataclass(frozen=True)
class Choices:
    """The filters that a page offers."""

    dates: list[Choice]
    """Years; where the query names one, its months."""
    year: str | None
    """The year that the query names."""
    all_dates: str
    """The query without a date."""
    cameras: list[Choice]
    folders: list[Choice]
    places: list[Choice]


def active(query: Query) -> list[Choice]:
    """The filters and excluded terms of `query`; a click removes one."""
    return [
        Choice(label, part.source, joined(other for other in query.parts if other is not part), chosen=True)
        for part in query.parts
        if (label := _label(part))
    ]


def choices(query: Query, facets: Facets) -> Choices:
    """The filters that can be added to `query` or removed from it."""
    parts = query.parts
    dates = [part.value for part in parts if part.name == "taken"]
    without_dates = joined(part for part in parts if part.name not in ("taken", "after", "before"))
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
        cameras=_toggles(parts, "camera", facets.cameras),
        folders=_toggles(parts, "folder", _distinctive(facets.folders)),
        places=_toggles(parts, "place", {place.name: place.photos for place in facets.places}),
    )


def _toggles(parts: Sequence[Part], name: str, counts: Mapping[str, int]) -> list[Choice]:
    """Choices for the values that a query can express."""
    sources = [(value, write_filter(name, value), count) for value, count in counts.items()]
    return [
        _toggle(parts, source, _short(value) if name == "folder" else value, value, count)
        for value, source, count in sources
        if source is not None
    ][:_MAX_CHOICES]


def _toggle(parts: Sequence[Part], source: str, label: str, title: str, photos: int) -> Choice:
    filters = parse(source).filters
    others = [part for part in parts if part.filters != filters]
    chosen = len(others) < len(parts)
    return Choice(label, title, joined(others) if chosen else f"{joined(parts)} {source}".strip(), chosen, photos)


def _distinctive(folders: Mapping[str, int]) -> dict[str, int]:
    """The folders that are worth a filter: neither the root of all nor a folder with the same photos as a subfolder."""
    counts = {PurePath(path): count for path, count in folders.items()}
    roots = [path for path in counts if path.parent not in counts]
    redundant = {path.parent for path, count in counts.items() if counts.get(path.parent) == count}
    redundant.update(roots if len(roots) == 1 else [])
    return {str(path): count for path, count in counts.items() if path not in redundant}


def _label(part: Part) -> str | None:
    """The label of a filter or an excluded term on a page; None for other words."""
    if part.kind == "word":
        return None
    if part.kind == "excluded":
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
            if (city := named_city(part.value)) is not None:
                return f"{city[1]:g} km around {city[0]}"
            return f"{circle.kilometres:g} km around {_position(circle.latitude, circle.longitude)}"
        case "tag":
            return f"tagged {part.value}"
        case "favourite":
            return "favourites" if part.value == "yes" else "no favourites"
        case _:
            return part.value


def _month(value: str) -> str:
    """`2021-07`, as in a `Part`, as `July 2021`; years and days too."""
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
