"""Hints about filters: which of them leaves nothing good, a query without it, and what was probably meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields, replace

from engine.errors import QueryError
from engine.filter_values import KILOMETRES, named_city
from engine.pipeline import Candidate
from engine.query import Part, Query, joined, parse, unknown_filters, write_filter
from engine.results import Hint
from engine.spelling import nearest_value
from indexer.library.filters import NO_FILTERS, Filters
from indexer.library.gazetteer import GAZETTEER
from indexer.library.view import LibraryView

_MAX_HINTS = 3
_ALL_HOLD = ("after", "before")
"""The names of filters that must all hold. Of several others with one name, either will do."""


@dataclass(frozen=True)
class _Condition:
    """What a photo must meet: one filter, or all those of one name of which either will do."""

    name: str
    filters: Filters
    parts: tuple[Part, ...]
    """Empty for filters that do not stand in the query."""
    photo_ids: AbstractSet[int]
    """Those that meet it."""


def hints_where_none_is_good(
    library: LibraryView,
    query: Query,
    without_filters: Sequence[Candidate],
    line: Callable[[Sequence[Candidate]], int],
) -> list[Hint]:
    """Which filters to leave out so that a search finds a good photo, the fewest first; none where that does not help.

    `query` has a sentence and filters, and found nothing good. `without_filters` is what a search without any filter
    finds, best first, and `line` says how many of the first of such candidates are good.
    """
    conditions = _conditions(library, query)
    passing = _photo_ids(conditions)

    def unmet(candidate: Candidate) -> frozenset[int]:
        return frozenset(
            row for row, condition in enumerate(conditions) if candidate.photo_id not in condition.photo_ids
        )

    helpful = {unmet(candidate) for candidate in without_filters[: line(without_filters)]} - {frozenset()}
    fewest = [rows for rows in helpful if not any(fewer < rows for fewer in helpful)]
    if passing:
        reason, some = f"No photo that passes {_all_of(conditions)} is like that", "some are"
    else:
        reason, some = _passes_nothing(conditions), "some are like that"
    hints = [
        _hint(reason, query, conditions, rows, some)
        for rows in sorted(fewest, key=lambda rows: (len(rows), sorted(rows)))
        if line([candidate for candidate in without_filters if unmet(candidate) <= rows])
    ]
    hints = [*_meant_values(library, query, conditions), *hints]
    return hints[:_MAX_HINTS] or ([] if passing else [Hint("filters", f"{reason}.")])


def hints_where_none_passes(library: LibraryView, query: Query) -> list[Hint]:
    """Which filter to leave out so that any photo is left. No photo passes the filters of `query`."""
    conditions = _conditions(library, query)
    if not conditions:
        return []
    reason = _passes_nothing(conditions)
    hints = [
        _hint(reason, query, conditions, frozenset([row]), "there are some")
        for row in range(len(conditions))
        if _photo_ids([*conditions[:row], *conditions[row + 1 :]]) or (len(conditions) == 1 and query.words)
    ]
    hints = [*_meant_values(library, query, conditions), *hints]
    return hints[:_MAX_HINTS] or [Hint("filters", f"{reason}.")]


def hints_about_names(query: Query) -> list[Hint]:
    """Which words of the sentence may be meant as filters, and which city a filter means."""
    spelling = [
        Hint("spelling", f"There is no filter for {source}: it is a word of the sentence.", meant)
        for source, meant in unknown_filters(query)
    ]
    return spelling + _hints_about_places(query)


def _hints_about_places(query: Query) -> list[Hint]:
    """Which of several cities of one name a filter means."""
    hints = []
    for part in query.parts:
        named = named_city(part.value) if part.name == "near" else None
        cities = GAZETTEER.cities_named(named[0]) if named else []
        if len(cities) > 1:
            largest, second = cities[0].full_name, cities[1].full_name
            around = "" if named is None or named[1] == KILOMETRES else f",{named[1]:g}"
            other = write_filter("near", f"{second}{around}")
            meant = joined(replace(part, source=other or "") if part is this else this for this in query.parts)
            text = f"{part.source} is {largest}, the largest of {len(cities)} places of that name."
            hints.append(Hint("place", text, meant if other and second != largest else None))
    return hints


def _meant_values(library: LibraryView, query: Query, conditions: Sequence[_Condition]) -> list[Hint]:
    """Which value of the library was probably meant by one that no photo has."""
    hints = []
    for part in (part for condition in conditions if not condition.photo_ids for part in condition.parts):
        value = nearest_value(part.value, library.filter_values(part.name))
        source = None if value is None else write_filter(part.name, value)
        if source is not None and library.matching(parse(source).filters).size:
            meant = joined(replace(part, source=source) if other is part else other for other in query.parts)
            hints.append(Hint("spelling", f"No photo passes {part.source}. Did you mean {source}?", meant))
    return hints


def _conditions(library: LibraryView, query: Query) -> list[_Condition]:
    groups: dict[tuple[str, ...], list[Part]] = {}
    for part in query.parts:
        if part.kind == "filter":
            groups.setdefault((part.name, part.value) if part.name in _ALL_HOLD else (part.name,), []).append(part)
    named = [
        (" or ".join(dict.fromkeys(part.source for part in parts)), _combined(parts), tuple(parts))
        for parts in groups.values()
    ]
    in_parts = _combined(query.parts)
    others = Filters(
        **{
            field.name: getattr(query.filters, field.name)[len(getattr(in_parts, field.name)) :]
            for field in fields(Filters)
        }
    )
    if others != NO_FILTERS:
        named.append(("the filters beside it", others, ()))
    return [_Condition(*condition, set(library.matching(condition[1]).tolist())) for condition in named]


def _combined(parts: Iterable[Part]) -> Filters:
    filters = NO_FILTERS
    for part in parts:
        filters = filters.combined(part.filters)
    return filters


def _photo_ids(conditions: Sequence[_Condition]) -> set[int]:
    """The photos that meet all of them; none without conditions."""
    return set[int].intersection(*(set(condition.photo_ids) for condition in conditions)) if conditions else set()


def _passes_nothing(conditions: Sequence[_Condition]) -> str:
    alone = [condition.name for condition in conditions if not condition.photo_ids]
    if alone:
        return f"No photo passes {' or '.join(alone)}"
    return f"No photo passes {_all_of(conditions)}{' together' if len(conditions) > 1 else ''}"


def _all_of(conditions: Sequence[_Condition]) -> str:
    return " and ".join(condition.name for condition in conditions)


def _hint(reason: str, query: Query, conditions: Sequence[_Condition], left_out: AbstractSet[int], some: str) -> Hint:
    """The hint to leave out the conditions of these rows, because `some` photos are there then."""
    kept = [condition for row, condition in enumerate(conditions) if row not in left_out]
    if len(kept) == 0:
        leaving = "it" if len(conditions) == 1 else "them"
    else:
        leaving = _all_of([conditions[row] for row in sorted(left_out)])
    return Hint("filters", f"{reason}; without {leaving}, {some}.", _query_with(query, kept))


def _query_with(query: Query, conditions: Sequence[_Condition]) -> str | None:
    """The query as text with no other filters than these; None where the grammar cannot say that."""
    kept = [part for condition in conditions for part in condition.parts]
    excluded = sum(part.kind == "excluded" for part in query.parts)
    text = " ".join(
        [
            joined(part for part in query.parts if part.kind != "filter" or part in kept),
            *(f'-"{term}"' for term in query.excluded[excluded:]),
        ]
    ).strip()
    filters = NO_FILTERS
    for condition in conditions:
        filters = filters.combined(condition.filters)
    try:
        return text if text and parse(text) == Query(query.words, query.excluded, filters) else None
    except QueryError:
        return None
