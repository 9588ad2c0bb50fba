from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import QueryError
from engine.filter_values import FILTERS
from engine.query import Query, parse, parse_filter, unknown_filters, write_filter
from indexer.library.filters import NO_FILTERS, Circle, Filters
from indexer.library.text_analysis import fold


def day(year: int, month: int, date: int) -> int:
    return int(datetime(year, month, date, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("a dog on the beach", Query("a dog on the beach")),
        ("  a \t dog\n", Query("a dog")),
        ("a beach -crowd -people", Query("a beach", ("crowd", "people"))),
        ('a beach -"palm tree" at night', Query("a beach at night", ("palm tree",))),
        ("a dog type:png", Query("a dog", (), Filters(type=((".png", ".apng"),)))),
        ('camera:"EOS 80D" a dog', Query("a dog", (), Filters(camera=("EOS 80D",)))),
        (
            "LENS:50mm Type:JPG x",
            Query("x", (), Filters(lens=("50mm",), type=((".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".pjpeg"),))),
        ),
        ("a camera:x camera:y", Query("a", (), Filters(camera=("x", "y")))),
        ("a black-and-white t-shirt at 10:30", Query("a black-and-white t-shirt at 10:30")),
        ("note: a dog - and --- a -> cat", Query("note: a dog - and --- a -> cat")),
        ('"-a cat" "camera:x" 5" nails', Query('-a cat camera:x 5" nails')),
        ('"no end', Query('"no end')),
        ('a "" b', Query("a b")),
        ("http://example.org/camera:x", Query("http://example.org/camera:x")),
        ("--crowd -5", Query("", ("crowd", "5"))),
        ("a dog –people —crowd −noise －rain ‑fog", Query("a dog", ("people", "crowd", "noise", "rain", "fog"))),
        ("dogs – and — cats", Query("dogs – and — cats")),
        ("camera:“EOS 80D” lens:„EF 50” x", Query("x", (), Filters(camera=("EOS 80D",), lens=("EF 50",)))),
        ("camera:«EOS 80D» lens:« EF 50 » x", Query("x", (), Filters(camera=("EOS 80D",), lens=("EF 50",)))),
        ("camera:‘EOS 80D’ lens:‚EF 50‘ x", Query("x", (), Filters(camera=("EOS 80D",), lens=("EF 50",)))),
        ("camera:’EOS 80D’ lens:'EF 50' x", Query("x", (), Filters(camera=("EOS 80D",), lens=("EF 50",)))),
        ("camera:「EOS 80D」犬 lens:『EF 50』", Query("犬", (), Filters(camera=("EOS 80D",), lens=("EF 50",)))),
        ("camera:＂EOS 80D＂ x", Query("x", (), Filters(camera=("EOS 80D",)))),
        ('camera:"EOS 80D” x', Query("x", (), Filters(camera=("EOS 80D",)))),
        ("–“red ball” -«a cat» -'a dog' -「夜景」", Query("", ("red ball", "a cat", "a dog", "夜景"))),
        ("“a dog” «camera:x» 「夜景」", Query("a dog camera:x 夜景")),
        ("the dogs’ house, ’tis Mary’s 'n' O'Hara's", Query("the dogs’ house, ’tis Mary’s 'n' O'Hara's")),
        ("camera：canon CAMERA﹕nikon ｃａｍｅｒａ：sony", Query("", (), Filters(camera=("canon", "nikon", "sony")))),
        ("\u200ftaken:2021", Query("", (), parse_filter("taken", "2021"))),
        ("\ufeff-people x", Query("x", ("people",))),
        ("-❤️ -→ -> x", Query("-> x", ("❤️", "→"))),
        (
            "http://example.org:80/a file:///x C:\\p 10:30 1:2",
            Query("http://example.org:80/a file:///x C:\\p 10:30 1:2"),
        ),
        ("Mission: Impossible Re:Zero note:x year:2021", Query("Mission: Impossible Re:Zero note:x year:2021")),
        ("Takeo:x bear:brown ear:ring tyre:flat Lena:hi", Query("Takeo:x bear:brown ear:ring tyre:flat Lena:hi")),
        ('"camara:canon" “takn:2021”', Query("camara:canon takn:2021")),
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


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("٢٠٢١-٠٧", "2021-07"), ("۲۰۲۱", "2021"), ("２０２１－０７－１４", "2021-07-14"),
        ("२०२१–०७", "2021-07"), ("๒๐๒๑", "2021"),
        ("2021—7", "2021-07"), ("2021‑7‑4", "2021-07-04"), ("2021−12", "2021-12"), (" 2021 ", "2021"),
    ],
)  # fmt: skip
def test_digits_and_dashes_may_be_those_of_any_script(value: str, plain: str) -> None:
    assert parse_filter("taken", value) == parse_filter("taken", plain)
    (part,) = parse(f'taken:"{value}"').parts
    assert part.value == plain


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("camara:canon", "camera:canon"), ("kamera:canon", "camera:canon"), ("cmaera:canon", "camera:canon"),
        ("camra:canon", "camera:canon"), ("cameras:canon", "camera:canon"), ("CAMARA：canon", "camera:canon"),
        ("cam:x", "camera:x"),
        ("camara: canon", "camera:"), ("-camara:canon", "camera:canon"),
        ('camara:“EOS 80D”', 'camera:"EOS 80D"'),
        ("takn:2021", "taken:2021"), ("token:2021", "taken:2021"), ("tkaen:٢٠٢١", "taken:٢٠٢١"),
        ("befor:2021", "before:2021"),
        ("afte:2021-07", "after:2021-07"), ("foler:x", "folder:x"), ("fodler:x", "folder:x"),
        ("lense:50mm", "lens:50mm"),
        ("naer:1,2,3", "near:1,2,3"), ("typ:jpg", "type:jpg"), ("types:png", "type:png"),
        ("tags:sea", "tag:sea"), ("favorite:yes", "favourite:yes"), ("fav:no", "favourite:no"),
    ],
)  # fmt: skip
def test_a_slip_in_the_name_of_a_filter_is_told(text: str, meant: str) -> None:
    with pytest.raises(QueryError, match="there is no filter .*did you mean " + re.escape(meant)):
        parse(f"a dog {text} on grass")


def test_a_query_that_was_parsed_is_not_parsed_again() -> None:
    query = parse("  a dog -crowd  camera:“EOS 80D” ")
    assert parse(query) is query
    assert query.text == "a dog -crowd  camera:“EOS 80D”"
    assert [(part.kind, part.value) for part in query.parts[2:]] == [("excluded", "crowd"), ("filter", "EOS 80D")]


def test_a_place_is_latitude_longitude_and_kilometres() -> None:
    assert parse("x near:-33.86,151.21,2.5").filters == Filters(near=(Circle(-33.86, 151.21, 2.5),))


def test_tags_and_favourites_are_filters() -> None:
    assert parse("x tag:“Aunt Mary” tag:sea").filters == Filters(tag=("Aunt Mary", "sea"))
    assert parse("x FAVOURITE：Yes").filters == parse("x favourite:ＹＥＳ").filters == Filters(favourite=(True,))
    assert parse("favourite:no").filters == Filters(favourite=(False,))


def test_a_folder_may_begin_at_home() -> None:
    assert parse("x folder:~/Pictures").filters == Filters(folder=(str(Path.home() / "Pictures"),))
    assert parse("x folder:~old/x").filters == Filters(folder=("~old/x",))


@pytest.mark.parametrize(
    "text",
    [
        "after:soon", "after:2021-13", "taken:2021-02-30", "before:2021-1-1-1", "taken:9999", "taken:21",
        "taken:-1",
        "near:1,2", "near:91,0,1", "near:0,181,1", "near:0,0,0", "near:0,0,inf", "near:nan,0,1", "near:here",
        "type:exe", "type:", "camera:", 'camera:""', "lens:  x", "-camera:canon", "–camera:canon",
        "camera：", "camera:“”",
        "taken:²⁰²¹x", "taken:2_021", "taken:+2021", "taken:２０２１年", "taken:٢٠٢١-٩٩", "near:1_0,2,3",
        "near:1e3,2,3", "near:١،٢",
        "camera:\u200b", "taken:2021-07-14-", "taken:02021",
        "favourite:", "favourite:maybe", "favourite:1", "-favourite:yes", "tag:", 'tag:""', "-tag:sea",
    ],
)  # fmt: skip
def test_a_filter_that_makes_no_sense_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(QueryError, match=r"like|excluded"):
        parse(f"a dog {text}")


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(QueryError, match="not valid Unicode"):
        parse("folder:\ud800")
    for name, value in (("folder", "\ud800"), ("camera", "\udce9"), ("lens", "a\udce9"), ("tag", "\udce9")):
        with pytest.raises(QueryError, match="like"):
            parse_filter(name, value)


@pytest.mark.parametrize("name", FILTERS)
def test_the_example_of_each_filter_can_be_read(name: str) -> None:
    first = re.split(r", | or | \(", FILTERS[name].example)[0]
    assert parse(f"a dog {first}").filters != NO_FILTERS


PIECES = st.sampled_from(
    [
        *(
            "camera:",
            "near:",
            "taken:",
            "type:png ",
            '"',
            " ",
            "-",
            ":",
            ",",
            "~/",
            "1",
            "99",
            "2021",
            "x",
            "camara:",
            "'",
        ),
        *("“", "”", "„", "«", "»", "‘", "’", "「", "」", "–", "：", "٢", "²", "\u200f", "❤️", "~x", "\0"),
    ]
)


@settings(deadline=None)  # the list of places is read at the first city
@given(st.text() | st.lists(PIECES).map("".join))
def test_any_text_is_a_query_or_refused(text: str) -> None:
    try:
        query = parse(text)
    except QueryError:
        return
    assert query.words == " ".join(query.words.split())


WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1)


@settings(deadline=None)  # the list of places is read at the first city
@given(st.lists(WORDS), st.lists(WORDS), st.lists(WORDS), st.randoms())
def test_every_part_is_found_wherever_it_stands(
    words: list[str], excluded: list[str], cameras: list[str], random: Random
) -> None:
    parts = [*words, *(f"-{word}" for word in excluded), *(f'camera:"{name}"' for name in cameras)]
    order = list(range(len(parts)))
    random.shuffle(order)
    query = parse(" ".join(parts[row] for row in order))
    assert sorted(query.words.split()) == sorted(words)
    assert sorted(query.excluded) == sorted(excluded)
    assert sorted(query.filters.camera) == sorted(cameras)


@settings(deadline=None)  # the list of places is read at the first city
@given(st.sampled_from(sorted(FILTERS)), st.text())
def test_a_filter_that_can_be_written_is_read_back(name: str, value: str) -> None:
    written = write_filter(name, value)
    if written is not None:
        (part,) = parse(f"a dog {written}").parts[2:]
        assert (part.name, part.value, part.source) == (name, value, written)


@settings(deadline=None)  # the list of places is read at the first city
@given(
    st.text(st.characters(categories=["L", "N", "Zs"]), min_size=1).filter(
        lambda name: name.isprintable() and fold(name).strip() and name == name.strip()
    )
)
def test_every_usual_name_can_be_written(name: str) -> None:
    assert write_filter("camera", name) is not None
    assert write_filter("folder", f"/photos/{name}") is not None


@pytest.mark.parametrize(
    ("text", "part", "fixes"),
    [
        ("a dog camara:canon x", "camara:canon", ("a dog camera:canon x", 'a dog "camara:canon" x', "a dog x")),
        ("camara: canon dog", "camara: canon", ("camera:canon dog", '"camara: canon" dog', "dog")),
        ("Camera : canon", "Camera : canon", ("camera:canon", '"Camera : canon"')),
        ("folder :x", "folder :x", ("folder:x", '"folder :x"')),
        ("camara : canon", "camara : canon", ("camera:canon", '"camara : canon"')),
        ('camera : "EOS 80D" q', 'camera : "EOS 80D"', ('camera:"EOS 80D" q', "q")),
        ("Taken： 2021 dog", "Taken： 2021", ("taken:2021 dog", "dog")),
        ("dog After:20211", "After:20211", ("dog after:2021", "dog")),
        ("dog taken:2021-13", "taken:2021-13", ("dog taken:2021", "dog")),
        ("dog taken:soon", "taken:soon", ("dog",)),
        ("dog before:may-2020", "before:may-2020", ("dog before:2020", "dog")),
        ("dog type:jpgg", "type:jpgg", ("dog type:jpg", "dog")),
        ("taken:2021/07 a", "taken:2021/07", ("taken:2021-07 a", "a")),
        ("a taken:14.7.2021", "taken:14.7.2021", ("a taken:2021-7-14", "a")),
        ("-camera:canon a", "-camera:canon", ("camera:canon a", "a")),
        ("camera: canon b", "camera: canon", ("camera:canon b", "b")),
        ("a type:docx", "type:docx", ("a",)),
        ("camera:", "camera:", ()),
        ("camara:x camara:y", "camara:x", ("camera:x camara:y", '"camara:x" camara:y', "camara:y")),
    ],
)
def test_the_wrong_part_is_marked_and_queries_to_try_instead_are_offered(
    text: str, part: str, fixes: tuple[str, ...]
) -> None:
    with pytest.raises(QueryError) as raised:
        parse(text)
    wrong = raised.value.wrong
    assert wrong is not None
    assert (wrong.part, wrong.fixes) == (part, fixes)
    assert wrong.before + wrong.part + wrong.after == text


def test_a_long_text_of_nothing_but_slips_is_refused_at_once() -> None:
    with pytest.raises(QueryError):
        parse("camara:x " * 100)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a dog tooken:2021", "a dog taken:2021"), ("kamara:canon", "camera:canon"), ("fouldre:x dog", "folder:x dog"),
        ("date:2021-07", "taken:2021-07"), ("year:2021 dog", "taken:2021 dog"), ("since:2020", "after:2020"),
        ("until:2020", "before:2020"), ("Album:holidays", "folder:holidays"), ("ext:jpg", "type:jpg"),
        ("device:canon", "camera:canon"),
    ],
)  # fmt: skip
def test_words_that_may_be_meant_as_filters_stay_words_and_are_named(text: str, meant: str) -> None:
    query = parse(text)
    assert query.filters == NO_FILTERS
    assert [fixed for _, fixed in unknown_filters(query)] == [meant]


@pytest.mark.parametrize(
    "text",
    [
        "12:30", "note: a dog", "note : x", "before : after", "type : a", "Mission: Impossible", "Re:Zero",
        "http://example.org", "file:///x", "year:old", '"date:2021"', "tooken:soon", "a dog", "date:", "year :2021",
    ],
)  # fmt: skip
def test_a_word_with_a_colon_that_is_surely_no_filter_stays_a_word(text: str) -> None:
    query = parse(text)
    assert query.filters == NO_FILTERS
    assert unknown_filters(query) == []


@pytest.mark.parametrize(
    ("value", "latitude", "longitude", "kilometres"),
    [
        ("munich", 48.137, 11.575, 20), ("München,7.5", 48.137, 11.575, 7.5), ('"new york"', 40.714, -74.006, 20),
        ('"paris, texas"', 33.661, -95.556, 20), ("portland,maine,٥", 43.657, -70.259, 5),
        ("ミュンヘン、50", 48.137, 11.575, 50),
    ],
)  # fmt: skip
def test_a_place_is_also_the_name_of_a_city(value: str, latitude: float, longitude: float, kilometres: float) -> None:
    (circle,) = parse(f"a dog near:{value}").filters.near
    assert (round(circle.latitude, 3), round(circle.longitude, 3)) == (latitude, longitude)
    assert circle.kilometres == kilometres


@pytest.mark.parametrize(
    ("text", "message", "fixes"),
    [
        ("near:muncih,7 dog", "Did you mean near:Munich,7?", ("near:Munich,7 dog", "dog")),
        ("dog near:portugal", "did you mean place:portugal?", ("dog place:portugal", "dog")),
        ("dog near:qqqqqqq", "no city of that name is known", ("dog",)),
        ("dog near:munich,0", "write it like", ("dog",)),
        ("dog near:munich,-5", "write it like", ("dog",)),
        ("dog near:munich,,", "no city of that name is known", None),
        ("naer:munich", "did you mean near:munich?", ("near:munich", '"naer:munich"')),
        ("plaec:munich", "did you mean place:munich?", ("place:munich", '"plaec:munich"')),
        ('place:"--"', "write it like place:lisbon", ()),
    ],
)
def test_a_city_that_is_not_known_is_refused_with_what_was_probably_meant(
    text: str, message: str, fixes: tuple[str, ...] | None
) -> None:
    with pytest.raises(QueryError, match=re.escape(message)) as raised:
        parse(text)
    assert raised.value.wrong is not None
    assert fixes is None or raised.value.wrong.fixes == fixes


def test_words_that_other_programs_use_for_places_are_named() -> None:
    assert [fixed for _, fixed in unknown_filters(parse("city:lisbon country:portugal"))] == [
        "place:lisbon country:portugal",
        "city:lisbon place:portugal",
    ]


def test_a_place_of_names_without_end_is_refused() -> None:
    assert parse('place:"a,b,c,d,e"').filters.place == ("a,b,c,d,e",)
    with pytest.raises(QueryError, match="like place:lisbon"):
        parse(f'place:"{"a," * 100}a"')
