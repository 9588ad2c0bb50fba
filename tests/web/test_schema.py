from __future__ import annotations

from dataclasses import fields
from typing import get_type_hints

from indexer.library.photo import PhotoRecord
from web.schema import PhotoAnswer

RECORD = PhotoRecord(
    id=7, path="/photos/a.jpg", online=True, size=1, width=40, height=30, note=None, caption="A lake", tags=["lake"],
    favourite=True, city="Lisbon", region="Lisbon", country="Portugal",
    taken_at=0, taken_precision="year", taken_source="exif", camera="Canon", keywords=["water"],
)  # fmt: skip


def test_a_photo_is_answered_with_the_fields_of_its_record() -> None:
    names = {field.name for field in fields(PhotoRecord)}
    dates = {"taken_offset", "taken_microsecond", "taken_precision"}  # they are in taken_at
    assert PhotoAnswer.model_fields.keys() == names - dates - {"id", "size", "orientation"} | {"photo_id", "place"}
    hints = get_type_hints(PhotoRecord)
    for name in PhotoAnswer.model_fields.keys() & names - {"taken_at", "taken_source"}:
        assert PhotoAnswer.model_fields[name].annotation == hints[name]


def test_what_an_answer_says_of_a_photo_is_what_its_record_says() -> None:
    answer = PhotoAnswer.of(RECORD).model_dump()
    assert (answer["photo_id"], answer["taken_at"]) == (7, "1970")
    for name in answer.keys() - {"photo_id", "taken_at"}:
        assert answer[name] == getattr(RECORD, name)
