"""The start page: the search box, with the library below it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath

from flask import render_template, url_for

from engine.errors import EngineError
from engine.query import write_filter
from indexer.library.overview import Group
from indexer.library.photo import PhotoRecord
from model.weights import WeightsError
from web.service import current_service
from web.start import NEWEST

_ROWS = (12, 6, 4, 3, 2, 1)
"""Numbers of photos that fill their rows at any width (`start.css`)."""
_MAX_FOLDERS = 48


@dataclass(frozen=True)
class Card:
    """A cover to click."""

    label: str
    title: str
    address: str
    photos: int
    cover: PhotoRecord


def start_page(photos: int) -> str:
    """The start page of a library with so many photos."""
    service = current_service()
    overview = service.overviews.latest()
    folders = overview.folders[:_MAX_FOLDERS]
    favourites = service.view().favourites(NEWEST)
    covers = [group.cover for group in (*overview.years, *folders)]
    records = {photo.id: photo for photo in service.view().photos([*overview.newest, *favourites, *covers])}
    examples: list[str] | None = []
    seen: dict[int, list[str]] = {}
    with suppress(EngineError, WeightsError):
        examples = service.examples.latest()
        seen = service.engine().seen_words([*overview.newest, *favourites])
    return render_template(
        "home.html",
        photos=photos,
        examples=examples,
        seen=seen,
        newest=full_rows([records[photo_id] for photo_id in overview.newest if photo_id in records]),
        favourites=full_rows([records[photo_id] for photo_id in favourites if photo_id in records]),
        years=_cards("taken", overview.years, records),
        folders=_cards("folder", folders, records),
        job=service.indexing,
    )


def full_rows(photos: Sequence[PhotoRecord]) -> Sequence[PhotoRecord]:
    """The first of the photos, as many as fill their rows at any width."""
    return photos[: next((count for count in _ROWS if count <= len(photos)), 0)]


def _cards(name: str, groups: Sequence[Group], records: dict[int, PhotoRecord]) -> list[Card]:
    """The groups as cards, but for those that have no photo any more, or that a query cannot name."""
    labels = [PurePath(group.name).name or group.name for group in groups]
    cards = []
    for group, label in zip(groups, labels, strict=True):
        text, cover = write_filter(name, group.name), records.get(group.cover)
        if text is not None and cover is not None:
            parts = PurePath(group.name).parts[-2:]
            distinct = label if labels.count(label) == 1 else "/".join(parts).replace("//", "/")
            cards.append(Card(distinct, group.name, url_for("pages.search", q=text), group.photos, cover))
    return cards
