"""A photo's fields are listed once, in `PhotoRecord`: tables, exports and the API agree with that list."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest
from sqlalchemy import JSON

from indexer.library.catalog import annotation_table, photo_table
from indexer.library.exporting import FIELDS
from indexer.library.photo import PhotoRecord
from indexer.metadata.fields import METADATA_FIELDS, Metadata

HINTS = get_type_hints(PhotoRecord)


def test_a_record_has_the_fields_of_metadata() -> None:
    assert set(METADATA_FIELDS) < HINTS.keys()
    assert get_type_hints(Metadata).items() <= HINTS.items()


@pytest.mark.parametrize("name", sorted(HINTS.keys() - {"path", "online"}))  # those of its file, in tables of their own
def test_the_catalog_stores_each_field_as_that_type(name: str) -> None:
    column = annotation_table.c[name] if name in ("caption", "tags", "favourite") else photo_table.c[name]
    if HINTS[name] == list[str]:
        assert (column.nullable, type(column.type)) == (False, JSON)
    else:
        (kind,) = set(get_args(HINTS[name]) or [HINTS[name]]) - {type(None)}
        assert (column.nullable, column.type.python_type) == (type(None) in get_args(HINTS[name]), kind)


def test_an_export_holds_every_field_under_its_name_or_in_another_form() -> None:
    dates = {"taken_at", "taken_offset", "taken_microsecond", "taken_precision"}
    assert set(FIELDS) == HINTS.keys() - dates - {"id", "path", "online"} | {"taken", "paths", "digest", "not_shown"}
