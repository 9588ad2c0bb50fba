"""Filters to click: those of a query, which can be removed, and those that can be added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePath

from engine.errors import QueryError
from engine.filter_values import named_city
from engine.query import Part, Query, joined, parse, parse_filter, write_filter
from indexer.library.facets import Facets, Place
from indexer.library.filters import Filters

_MAX_CHOICES, _MAX_FOLDERS = 60, 500
_MAX_DEPTH = 8
"""Folders that lie deeper are shown beside their parents."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_OPEN = 12
"""Folders and places of a longer list are folded away below their parents."""
_MAX_YEARS_BY_MONTH = 2
_DATES = ("taken", "after", "before")


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
    value: str = ""
    """A date's year or month: `2021`, `2021-07`."""
    inside: tuple[Choice, ...] = ()
    """The folders in a folder, the cities of a country."""
    is_open: bool = True
    """Whether `inside` is shown at once."""


@dataclass(frozen=True)
class Choices:
    """The filters that a page offers."""

    dates: list[Choice]
    """Years, the earliest first; their months where there are few, or where the query names one year."""
    year: str | None
    """The year that the query names."""
    all_dates: str
    """The query without a date."""
    period: tuple[str, str]
    """The first and the last year, month or day that pass the filters; empty where there is no limit."""
    places: list[Choice]
    cameras: list[Choice]
    folders: list[Choice]
    without: list[Choice]
    """The excluded terms of the query."""


def active(query: Query) -> list[Choice]:
    """The filters and excluded terms of `query`; a click removes one."""
    return [choice for _, choice in _removable(query)]


def _removable(query: Query) -> Iterator[tuple[Part, Choice]]:
    for part in query.parts:
        if label := _label(part):
            others = joined(other for other in query.parts if other is not part)
            yield part, Choice(label, part.source, others, chosen=True)


def choices(query: Query, facets: Facets) -> Choices:
    """The filters that can be added to `query` or removed from it."""
    parts = query.parts
    without_dates = joined(part for part in parts if part.name not in _DATES)
    years = {value[:4] for part in parts if part.name == "taken" for value in [part.value]}
    year = next(iter(years)) if len(years) == 1 else None
    counts = _dates(facets.months, year)
    return Choices(
        dates=[
            Choice(
                label=_month_label(value, year) if "-" in value else value,
                title=f"{_month(value)}: {_photos(count)}",
                query=f"{without_dates} taken:{value}".strip(),
                chosen=_is_within(value, query.filters),
                photos=count,
                share=count / max(1, *counts.values()),
                value=value,
            )
            for value, count in counts.items()
        ],
        year=year,
        all_dates=without_dates,
        period=_period(parts),
        places=_places(parts, facets.places),
        cameras=_toggles(parts, "camera", facets.cameras),
        folders=_folders(parts, facets.folders),
        without=[choice for part, choice in _removable(query) if part.kind == "excluded"],
    )


def with_period(query: Query, first: str, last: str) -> str:
    """The text of `query` with no other date than the period from `first` to `last`, years, months or days; both may
    be empty.

    Raises QueryError for something else.
    """
    without_dates = joined(part for part in query.parts if part.name not in _DATES)
    sources = []
    if first and first == last:
        sources = [f"taken:{first}"]
    else:
        sources += [f"after:{first}"] if first else []
        sources += [f"before:{_next(last)}"] if last else []
    return " ".join([*([without_dates] if without_dates else []), *sources])


def _next(value: str) -> str:
    """The year, month or day after that one. A `value` that is none of them is returned as it is."""
    try:
        (_, end), length = parse_filter("taken", value).taken[0], value.count("-")
    except QueryError:
        return value
    after = (_EPOCH + timedelta(seconds=end)).date().isoformat()
    return after[: (4, 7, 10)[min(length, 2)]]


def _dates(months: Mapping[str, int], year: str | None) -> dict[str, int]:
    """How many photos there are of each year, or of each month; those between without photos too."""
    if not months:
        return {}
    first, last = (int(month[:4]) for month in (min(months), max(months)))
    if year is not None or last - first < _MAX_YEARS_BY_MONTH:
        years = range(int(year), int(year) + 1) if year is not None else range(first, last + 1)
        return {value: months.get(value, 0) for number in years for value in _months_of(number)}
    counts = Counter({str(number): 0 for number in range(first, last + 1)} if last - first < _MAX_CHOICES else {})
    for month, count in months.items():
        counts[month[:4]] += count
    return dict(sorted(counts.items()))


def _months_of(year: int) -> list[str]:
    return [f"{year:04}-{month:02}" for month in range(1, 13)]


def _month_label(value: str, year: str | None) -> str:
    name = date.fromisoformat(f"{value}-01").strftime("%b")
    return f"{name} {value[:4]}" if year is None and value.endswith("-01") else name


def _is_within(value: str, filters: Filters) -> bool:
    """Whether a year or a month has days that the date filters let pass; False where there are none."""
    ((start, end),) = parse_filter("taken", value).taken
    if not (filters.taken or filters.after or filters.before):
        return False
    return (
        all(end > after for after in filters.after)
        and all(start < before for before in filters.before)
        and (not filters.taken or any(start < last and end > first for first, last in filters.taken))
    )


def _period(parts: Sequence[Part]) -> tuple[str, str]:
    """The first and the last date of the date filters; empty where there is no limit."""
    taken = sorted(part.value for part in parts if part.name == "taken")
    after = max((part.value for part in parts if part.name == "after"), default="")
    before = min((part.value for part in parts if part.name == "before"), default="")
    if taken:
        return taken[0], taken[-1]
    return after, _previous(before) if before else ""


def _previous(value: str) -> str:
    """The year, month or day before that one."""
    start, length = parse_filter("after", value).after[0], value.count("-")
    return (_EPOCH + timedelta(seconds=start - 1)).date().isoformat()[: (4, 7, 10)[length]]


def _toggles(parts: Sequence[Part], name: str, counts: Mapping[str, int]) -> list[Choice]:
    """Choices for the values that a query can express; what is chosen and has no photo is one too."""
    sources = [(value, write_filter(name, value), count) for value, count in counts.items()]
    known = [_toggle(parts, source, value, value, count) for value, source, count in sources if source is not None]
    return known[:_MAX_CHOICES] + _others(parts, name, known)


def _others(parts: Sequence[Part], name: str, known: Sequence[Choice]) -> list[Choice]:
    """The filters of that name that are no choice of the list: a part of a camera's name, a folder without a path."""
    listed = {choice.query for choice in known} | {inner.query for choice in known for inner in choice.inside}
    others = [
        Choice(_label(part) or part.value, part.source, joined(other for other in parts if other is not part), True)
        for part in parts
        if part.name == name
    ]
    return [choice for choice in others if choice.query not in listed]


def _toggle(
    parts: Sequence[Part],
    source: str,
    label: str,
    title: str,
    photos: int,
    inside: Sequence[Choice] = (),
    open_: bool = True,
) -> Choice:
    filters = parse(source).filters
    others = [part for part in parts if part.filters != filters]
    chosen = len(others) < len(parts)
    query = joined(others) if chosen else f"{joined(parts)} {source}".strip()
    return Choice(label, title, query, chosen, photos, inside=tuple(inside), is_open=open_)


def _places(parts: Sequence[Part], places: Sequence[Place]) -> list[Choice]:
    """The countries, and the cities in each."""
    cities: dict[str, list[Place]] = {}
    for place in places:
        cities.setdefault(place.country, []).append(place)
    few = len(places) <= _MAX_OPEN
    countries = []
    for country, inside in cities.items():
        choices = [
            _toggle(parts, source, place.name.removesuffix(f", {country}"), place.name, place.photos)
            for place in inside
            if place.name != country and (source := write_filter("place", place.name)) is not None
        ]
        source, photos = write_filter("place", country), sum(place.photos for place in inside)
        if source is not None:
            is_open = few or any(choice.chosen for choice in choices)
            countries.append(_toggle(parts, source, country, country, photos, choices[:_MAX_CHOICES], is_open))
    countries.sort(key=lambda choice: -choice.photos)
    return countries[:_MAX_CHOICES] + _others(parts, "place", countries) + _others(parts, "near", [])


def _folders(parts: Sequence[Part], folders: Mapping[str, int]) -> list[Choice]:
    """The folders as a tree, without those that hold the same as the one folder in them."""
    counts = {PurePath(path): count for path, count in _distinctive(folders).items()}
    inside: dict[PurePath | None, list[PurePath]] = {}
    depths: dict[PurePath | None, int] = {None: 0}
    for path in sorted(counts, key=lambda path: len(path.parts)):
        above = (parent for parent in path.parents if parent in counts and depths[parent] < _MAX_DEPTH)
        parent = next(above, None)
        depths[path] = depths[parent] + 1
        inside.setdefault(parent, []).append(path)
    few = len(counts) <= _MAX_OPEN
    roots = [path for path in map(PurePath, folders) if str(path.parent) not in folders]

    def tree(parent: PurePath | None) -> list[Choice]:
        choices = []
        for path in sorted(inside.get(parent, []), key=lambda path: str(path).casefold())[:_MAX_FOLDERS]:
            source, below = write_filter("folder", str(path)), tree(path)
            if source is None:
                choices += below
                continue
            label = str(path.relative_to(parent)) if parent else _below_root(path, roots)
            is_open = few or any(choice.chosen or (choice.inside and choice.is_open) for choice in below)
            choices.append(_toggle(parts, source, label, str(path), counts[path], below, is_open))
        return choices

    known = tree(None)
    return known + _others(parts, "folder", list(_flat(known)))


def _below_root(path: PurePath, roots: Sequence[PurePath]) -> str:
    """The path below the only root; with the root's name where there are several."""
    root = next(root for root in roots if root == path or root in path.parents)
    return str(path.relative_to(root if len(roots) == 1 else root.parent))


def _flat(choices: Iterable[Choice]) -> Iterator[Choice]:
    for choice in choices:
        yield choice
        yield from _flat(choice.inside)


def _distinctive(folders: Mapping[str, int]) -> dict[str, int]:
    """The folders that are worth a filter: neither the root of all nor a folder with the same photos as a subfolder."""
    counts = {PurePath(path): count for path, count in folders.items()}
    roots = [path for path in counts if path.parent not in counts]
    redundant = {path.parent for path, count in counts.items() if counts.get(path.parent) == count}
    redundant.update(roots if len(roots) == 1 else [])
    return {str(path): count for path, count in counts.items() if path not in redundant}


def _photos(count: int) -> str:
    return f"{count:,} photo{'' if count == 1 else 's'}"


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
        case "text":
            return f"reads {part.value}"
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
