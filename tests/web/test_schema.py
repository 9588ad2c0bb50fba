from __future__ import annotations

from dataclasses import fields
from typing import get_type_hints

from flask import Flask

from indexer.library.photo import PhotoRecord
from web.openapi import document
from web.schema.photos import PhotoAnswer

RECORD = PhotoRecord(
    id=7, path="/photos/a.jpg", online=True, size=1, width=40, height=30, note=None, caption="A lake", tags=["lake"],
    favourite=True, city="Lisbon", region="Lisbon", country="Portugal",
    taken_at=0, taken_precision="year", taken_source="exif", camera="Canon", keywords=["water"],
)  # fmt: skip


def test_a_photo_is_answered_with_the_fields_of_its_record() -> None:
    names = {field.name for field in fields(PhotoRecord)}
    dates = {"taken_offset", "taken_microsecond", "taken_precision"}  # they are in taken_at
    assert PhotoAnswer.model_fields.keys() == names - dates - {"id", "size", "orientation"} | {
        "photo_id",
        "place",
        "text",
    }
    hints = get_type_hints(PhotoRecord)
    for name in PhotoAnswer.model_fields.keys() & names - {"taken_at", "taken_source"}:
        assert PhotoAnswer.model_fields[name].annotation == hints[name]


def test_what_an_answer_says_of_a_photo_is_what_its_record_says() -> None:
    answer = PhotoAnswer.of(RECORD, []).model_dump()
    assert (answer["photo_id"], answer["taken_at"]) == (7, "1970")
    for name in answer.keys() - {"photo_id", "taken_at", "text"}:
        assert answer[name] == getattr(RECORD, name)


def test_every_operation_has_a_theme_and_every_value_that_is_needed_an_example(app: Flask) -> None:
    described = document(app)
    themes = {theme["name"] for theme in described["tags"]}
    schemas = described["components"]["schemas"]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert set(operation["tags"]) <= themes
            assert operation["tags"], f"{method} {path}"
            for parameter in operation["parameters"]:
                if parameter["required"] and parameter["name"] != "photo_id":
                    assert parameter["schema"]["examples"], f"{method} {path}: {parameter['name']}"
            for media in operation.get("requestBody", {}).get("content", {}).values():
                body = schemas.get(media["schema"].get("$ref", "").rpartition("/")[2], {})
                for name in body.get("required", []):
                    assert body["properties"][name]["examples"], f"{method} {path}: {name}"
