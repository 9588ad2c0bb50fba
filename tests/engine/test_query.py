from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import QueryError
from engine.query import FILTERS, Query, parse, parse_filter, parts, write_filter
from indexer.filters import NO_FILTERS, Circle, Filters


def day(year: int, month: int, date: int) -> int:
    return int(datetime(year, month, date, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("a dog on the beach", Query("a dog on the beach")),
        ("  a \t dog\n", Query("a dog")),
        ("a beach -crowd -people", Query("a beach", ("crowd", "people"))),
        ('a beach -"palm tree" at night', Query("a beach at night", ("palm tree",))),
        ("a dog type:png", Query("a dog", (), Filters(type=((".png",),)))),
        ('camera:"EOS 80D" a dog', Query("a dog", (), Filters(camera=("EOS 80D",)))),
        ("LENS:50mm Type:JPG x", Query("x", (), Filters(lens=("50mm",), type=((".jpg", ".jpeg", ".jpe", ".jfif"),)))),
        ("a camera:x camera:y", Query("a", (), Filters(camera=("x", "y")))),
        ("a black-and-white t-shirt at 10:30", Query("a black-and-white t-shirt at 10:30")),
        ("note: a dog - and --- a -> cat", Query("note: a dog - and --- a -> cat")),
        ('"-a cat" "camera:x" 5" nails', Query('-a cat camera:x 5" nails')),
        ('"no end', Query('"no end')),
        ('a "" b', Query("a b")),
        ("http://example.org/camera:x", Query("http://example.org/camera:x")),
        ("--crowd -5", Query("", ("crowd", "5"))),
        ("", Query("")),
    ],
)
def test_a_query_is_taken_apart(text: str, query: Query) -> None:
    assert parse(text) == query


@pytest.mark.parametrize(
    ("value", "start", "end"),
    [
        ("2021", (2021, 1, 1), (2022, 1, 1)),
        ("2021-07", (2021, 7, 1), (2021, 8, 1)),
        ("2021-12", (2021, 12, 1), (2022, 1, 1)),
        ("2020-02-28", (2020, 2, 28), (2020, 2, 29)),
        ("2020-12-31", (2020, 12, 31), (2021, 1, 1)),
    ],
)
def test_dates_are_years_months_or_days(value: str, start: tuple[int, int, int], end: tuple[int, int, int]) -> None:
    assert parse_filter("taken", value) == Filters(taken=((day(*start), day(*end)),))
    assert parse_filter("after", value) == Filters(after=(day(*start),))
    assert parse_filter("before", value) == Filters(before=(day(*start),))


def test_a_place_is_latitude_longitude_and_kilometres() -> None:
    assert parse("x near:-33.86,151.21,2.5").filters == Filters(near=(Circle(-33.86, 151.21, 2.5),))


def test_a_folder_may_begin_at_home() -> None:
    assert parse("x folder:~/Pictures").filters == Filters(folder=(str(Path.home() / "Pictures"),))


@pytest.mark.parametrize(
    "text",
    [
        "after:soon", "after:2021-13", "taken:2021-02-30", "before:2021-1-1-1", "taken:9999", "taken:21", "taken:-1",
        "near:1,2", "near:91,0,1", "near:0,181,1", "near:0,0,0", "near:0,0,inf", "near:nan,0,1", "near:here",
        "type:exe", "type:", "camera:", 'camera:""', "lens:  x", "-camera:canon", "folder:\ud800",
    ],
)  # fmt: skip
def test_a_filter_that_makes_no_sense_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(QueryError, match=r"like|kept out"):
        parse(f"a dog {text}")


@pytest.mark.parametrize("name", FILTERS)
def test_the_example_of_each_filter_can_be_read(name: str) -> None:
    first = re.split(r", | or | \(", FILTERS[name].example)[0]
    assert parse(f"a dog {first}").filters != NO_FILTERS


PIECES = st.sampled_from(
    ["camera:", "near:", "taken:", "type:png ", '"', " ", "-", ":", ",", "~/", "1", "99", "2021", "x"]
)


@given(st.text() | st.lists(PIECES).map("".join))
def test_any_text_is_a_query_or_refused(text: str) -> None:
    try:
        query = parse(text)
    except QueryError:
        return
    assert query.words == " ".join(query.words.split())


WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1)


@given(st.lists(WORDS), st.lists(WORDS), st.lists(WORDS), st.randoms())
def test_every_part_is_found_wherever_it_stands(
    words: list[str], without: list[str], cameras: list[str], random: Random
) -> None:
    parts = [*words, *(f"-{word}" for word in without), *(f'camera:"{name}"' for name in cameras)]
    order = list(range(len(parts)))
    random.shuffle(order)
    query = parse(" ".join(parts[row] for row in order))
    assert sorted(query.words.split()) == sorted(words)
    assert sorted(query.without) == sorted(without)
    assert sorted(query.filters.camera) == sorted(cameras)


@given(st.sampled_from(sorted(FILTERS)), st.text())
def test_a_filter_that_can_be_written_is_read_back(name: str, value: str) -> None:
    written = write_filter(name, value)
    if written is None:
        assert '"' in value or not value.strip() or not value.isprintable()
    else:
        assert [(part.name, part.value, part.source) for part in parts(f"a dog {written}")[2:]] == [
            (name, value, written)
        ]
