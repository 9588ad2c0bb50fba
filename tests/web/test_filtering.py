"""Filters that are clicked: chips, counts, and the order of dates."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import piexif
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.query import parse
from indexer.library.facets import Facets, Place
from model.scoring.calibration import Calibration
from tests.engine.libraries import SENTENCE, index, recalibrate
from tests.web.applications import hits, opened
from web.filtering import active, choices
from web.service import service_of

ALBUM = "Grandmother's 90th birthday"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, photos: Path, weights: Path) -> Iterator[Flask]:
    """An application over photos of two years, two cameras and three folders."""
    folder = tmp_path_factory.mktemp("album")
    for row in range(1, 7):
        exif = {
            "0th": {piexif.ImageIFD.Model: b"Canon EOS 80D" if row < 5 else b"Pixel 7"},
            "Exif": {piexif.ExifIFD.DateTimeOriginal: f"{2019 + row % 2}:0{row}:15 12:00:00".encode()},
            "GPS": {1: b"N", 2: ((38, 1), (42, 1), (0, 1)), 3: b"W", 4: ((9, 1), (8, 1), (0, 1))} if row < 4 else {},
        }
        path = folder / (ALBUM if row < 3 else "2020/06") / f"{row}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(photos / f"scene {row:02}.jpg") as image:
            image.save(path, exif=piexif.dump(exif))
    library = tmp_path_factory.mktemp("album-library")
    index(library, folder, weights)
    with opened(library, weights) as app:
        yield app


def links(page: str, label: str) -> list[str]:
    """The addresses of the links with that text in them."""
    anchors = re.findall(r'<a [^>]*?href="([^"]+)"[^>]*>((?:(?!</a>).)*)</a>', page, flags=re.DOTALL)
    return [html.unescape(address) for address, text in anchors if label in html.unescape(text)]


def query_of(page: str) -> str:
    field = re.search(r'name="q" value="([^"]*)"', page)
    assert field
    return html.unescape(field[1])


def test_programs_are_told_what_to_add_to_a_query(client: FlaskClient) -> None:
    answer = client.get("/api/v1/facets").json
    assert answer
    assert [(one["name"], one["photos"]) for one in answer["cameras"]] == [("Canon EOS 80D", 4), ("Pixel 7", 2)]
    assert sum(one["photos"] for one in answer["months"]) == 6
    assert [(one["name"], one["country"], one["photos"]) for one in answer["places"]] == [
        ("Lisbon, Portugal", "Portugal", 3)
    ]
    for kind in ("months", "cameras", "folders", "places"):
        for one in answer[kind]:
            assert len(hits(client, q=f"{SENTENCE} {one['filter']}")) == one["photos"]
    narrowed = client.get("/api/v1/facets", query_string={"q": "taken:2019 camera:pixel"}).json
    assert narrowed
    assert [(one["name"], one["photos"]) for one in narrowed["cameras"]] == [("Canon EOS 80D", 2), ("Pixel 7", 1)]


def test_filters_are_put_in_and_taken_out_by_links(client: FlaskClient) -> None:
    page = client.get("/", query_string={"q": "type:jpg"}).text
    page = client.get(links(page, "When")[0]).text
    page = client.get(links(page, "Apr")[0]).text
    assert query_of(page) == "type:jpg taken:2019-04"
    page = client.get(links(page, "When")[0]).text
    assert links(page, "all years")
    page = client.get(links(page, "Jun")[0]).text
    assert query_of(page) == "type:jpg taken:2019-06", "in the place of the other month"
    page = client.get(links(page, "Camera")[0]).text
    page = client.get(links(page, "Pixel 7")[0]).text
    assert query_of(page) == 'type:jpg taken:2019-06 camera:"Pixel 7"'
    assert page[page.index("reranked") :].count("/thumbnail") == 1
    page = client.get(links(page, "June 2019")[0]).text
    assert query_of(page) == 'type:jpg camera:"Pixel 7"'
    page = client.get(links(page, "Camera")[0]).text
    page = client.get(links(page, "Pixel 7")[-1]).text
    assert query_of(page) == "type:jpg", "what is chosen is taken out again"
    page = client.get(links(page, "Folder")[0]).text
    page = client.get(links(page, ALBUM)[0]).text
    assert page[page.index("reranked") :].count("/thumbnail") == 2
    page = client.get(links(page, "Where")[0]).text
    page = client.get(links(page, "Lisbon")[0]).text
    assert query_of(page).endswith(' place:"Lisbon, Portugal"')


def test_the_numbers_are_those_of_this_search(client: FlaskClient) -> None:
    best = hits(client)[0]
    counted = client.get("/api/v1/facets", query_string={"q": SENTENCE}).get_json()
    of_all = client.get("/api/v1/facets").get_json()
    photos, total = (sum(month["photos"] for month in answer["months"]) for answer in (counted, of_all))
    assert 0 < photos < total == 6
    taken = client.get(f"/api/v1/photos/{best['photo_id']}").get_json()["taken_at"][:7]
    nearest = hits(client, rerank="false")[0]["photo_id"]
    assert client.get(f"/api/v1/photos/{nearest}").get_json()["taken_at"][:7] in [
        month["name"] for month in counted["months"]
    ]
    page = client.get("/filters", query_string={"q": SENTENCE}).text
    assert f": {photos} photo" in page or page.count('<li data-value="') >= len(counted["months"])
    assert taken[:4] in page


PERIODS = [
    ({"from": "2019", "until": "2020"}, "type:jpg after:2019 before:2021"),
    ({"from": "2019-03", "until": "2019-12"}, "type:jpg after:2019-03 before:2020-01"),
    ({"from": "2019-03-31", "until": "2019-12-31"}, "type:jpg after:2019-03-31 before:2020-01-01"),
    ({"from": "2019", "until": "2019"}, "type:jpg taken:2019"),
    ({"from": "2019", "until": ""}, "type:jpg after:2019"),
    ({"until": "2019"}, "type:jpg before:2020"),
    ({"from": "", "until": ""}, "type:jpg"),
]


@pytest.mark.parametrize(("period", "query"), PERIODS)
def test_a_form_filters_by_a_period(client: FlaskClient, period: dict[str, str], query: str) -> None:
    answer = client.get("/", query_string={"q": "taken:2018 type:jpg after:2001", **period, "sort": "date"})
    assert answer.status_code == 302
    assert "sort=date" in answer.location
    page = client.get(answer.location).text
    assert query_of(page) == query
    filters = client.get("/filters", query_string={"q": query}).text
    first, last = re.findall(r'name="(?:from|until)" value="([^"]*)"', filters)
    assert (first, last) == (period.get("from", ""), period.get("until", "")), "the form shows the period"


def test_a_period_that_makes_no_sense_is_told(client: FlaskClient) -> None:
    answer = client.get("/", query_string={"q": "dog", "from": "soon", "until": "2019"}, follow_redirects=True)
    assert answer.status_code == 400
    assert "<mark>after:soon</mark>" in answer.text


def test_folders_are_a_tree_and_cities_lie_in_their_country() -> None:
    paths = {"/p": 9, "/p/2018": 5, "/p/2018/Lisbon": 2, "/p/2018/Porto": 3, "/p/old": 4}
    places = [Place("Porto, Portugal", "Portugal", 41.1, -8.6, 3), Place("Lisbon, Portugal", "Portugal", 38.7, -9.1, 2),
              Place("Munich, Germany", "Germany", 48.1, 11.6, 9)]  # fmt: skip
    offered = choices(parse("folder:/p/2018/Porto place:munich"), Facets({}, {}, paths, places))
    tree = [(choice.label, [inner.label for inner in choice.inside]) for choice in offered.folders]
    assert tree == [("2018", ["Lisbon", "Porto"]), ("old", [])]
    porto = offered.folders[0].inside[1]
    assert (porto.chosen, porto.photos, porto.query) == (True, 3, "place:munich")
    countries = [(choice.label, choice.photos, len(choice.inside)) for choice in offered.places]
    assert countries == [("Germany", 9, 1), ("Portugal", 5, 2), ("munich", 0, 0)]
    assert offered.places[-1].chosen
    assert offered.places[-1].query == "folder:/p/2018/Porto"


def test_folders_nested_without_end_are_a_tree_of_some_depth() -> None:
    paths = {"/" + "/".join("d" * depth): 500 - depth for depth in range(1, 400)}
    offered = choices(parse(""), Facets({}, {}, paths, []))
    depth, folders = 0, offered.folders
    while folders:
        depth, folders = depth + 1, list(folders[0].inside)
    assert depth < 20


@pytest.mark.parametrize(("written", "meant"), [("place:lisbn", "place:Lisbon"), ("place:portugl", "place:Portugal")])
def test_a_place_that_no_photo_has_is_corrected(client: FlaskClient, written: str, meant: str) -> None:
    answer = client.get("/api/v1/search", query_string={"q": written}).get_json()
    assert ("spelling", meant) in [(hint["kind"], hint["query"]) for hint in answer["hints"]]
    page = client.get("/", query_string={"q": written}).text
    assert query_of(client.get(links(page, meant)[0]).text) == meant


def test_many_folders_are_folded_away_but_for_the_chosen_one() -> None:
    paths = (
        {"/p": 60}
        | {f"/p/{year}": 2 for year in range(30)}
        | {f"/p/{year}/{name}": 1 for year in range(30) for name in "ab"}
    )
    offered = choices(parse("folder:/p/7/a"), Facets({}, {}, paths, []))
    assert [choice.label for choice in offered.folders if choice.is_open] == ["7"]


@pytest.mark.parametrize(
    ("months", "labels"),
    [
        ({"2019-03": 1}, ["Jan 2019", "Feb", "Mar"]),
        ({"2019-03": 1, "2020-05": 2}, ["Jan 2019", "Feb", "Mar"]),
        ({"2001-01": 1, "2020-05": 2}, ["2001", "2002", "2003"]),
        ({}, []),
    ],
)
def test_few_years_are_shown_by_month(months: dict[str, int], labels: list[str]) -> None:
    assert [choice.label for choice in choices(parse(""), Facets(months, {}, {}, [])).dates][:3] == labels


def test_words_are_left_out_by_a_form(client: FlaskClient) -> None:
    answer = client.get("/", query_string={"q": SENTENCE, "exclude": ' a "dog" ', "sort": "date"})
    page = client.get(answer.location).text
    assert query_of(page) == f'{SENTENCE} -"a dog"'
    assert "sort=date" in answer.location
    page = client.get(links(page, "without a dog")[0]).text
    assert query_of(page) == SENTENCE


def test_the_newest_come_first_when_asked_for_and_paging_stays_so(
    client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    recalibrate(service_of(app).engine(), monkeypatch, Calibration(match_bias=10.0))
    by_date = hits(client, sort="date")
    taken = [client.get(f"/api/v1/photos/{hit['photo_id']}").get_json()["taken_at"] for hit in by_date]
    assert taken == sorted(taken, reverse=True)
    page = client.get("/", query_string={"q": SENTENCE, "sort": "date"}).text
    page = page[page.index("reranked") :]
    assert "6 best photos, newest first" in page
    assert [int(photo) for photo in re.findall(r"/photos/(\d+)/thumbnail", page)] == [
        hit["photo_id"] for hit in by_date
    ]
    opened_photo = client.get(html.unescape(re.findall(r'<a href="(/photos/[^"]+)"', page)[0])).text
    back = re.search(r'class="back" href="([^"]+)"', opened_photo)
    assert back
    assert "sort=date" in back[1]
    first = client.get("/api/v1/search", query_string={"q": SENTENCE, "sort": "date", "limit": 2}).get_json()
    rest = hits(client, sort="date", cursor=first["next"])
    assert first["hits"] + rest == by_date


def test_a_filter_that_leaves_nothing_good_is_offered_to_be_left_out(
    client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    recalibrate(service_of(app).engine(), monkeypatch)
    best = hits(client)
    first, last = (
        client.get(f"/api/v1/photos/{hit['photo_id']}").get_json()["taken_at"][:7] for hit in (best[0], best[-1])
    )
    answer = client.get("/api/v1/search", query_string={"q": f"{SENTENCE} taken:{last}"}).get_json()
    assert (answer["line"], len(answer["hits"])) == (0, 1)
    (hint,) = answer["hints"]
    assert hint == {
        "kind": "filters",
        "text": f"No photo that passes taken:{last} is like that; without it, some are.",
        "query": SENTENCE,
    }
    page = client.get("/", query_string={"q": f"{SENTENCE} taken:{last}", "sort": "date"}).text
    assert "Nothing like that passes the filters. The nearest photos that do:" in page
    assert hint["text"] in page
    assert "Newest first sorts the best photos only" in page
    found = client.get(links(page, SENTENCE)[0]).text
    assert query_of(found) == SENTENCE
    assert '<h1 id="best">Best</h1>' in found
    assert client.get("/api/v1/search", query_string={"q": f"{SENTENCE} taken:{first}"}).get_json()["hints"] == []


@pytest.mark.parametrize(
    ("query", "text", "left"),
    [
        (f"{SENTENCE} taken:1900", "No photo passes taken:1900; without it, some are like that.", SENTENCE),
        ("taken:1900 type:jpg", "No photo passes taken:1900; without taken:1900, there are some.", "type:jpg"),
        ("taken:1900", "No photo passes taken:1900.", None),
    ],
)
def test_a_filter_that_no_photo_passes_is_named(client: FlaskClient, query: str, text: str, left: str | None) -> None:
    page = client.get("/", query_string={"q": query}).text
    assert "No photo fits" in page
    assert text in page
    answer = client.get("/api/v1/search", query_string={"q": query}).get_json()
    assert answer["hints"] == [{"kind": "filters", "text": text, "query": left}]
    if left is not None:
        assert query_of(client.get(links(page, left)[-1]).text) == left


def test_what_no_query_can_say_is_not_offered() -> None:
    facets = Facets({}, {'The "Brownie"': 2, "Box": 1}, {"/photos": 3, "/photos/a\udce9": 2, "/photos/b": 1}, [])
    offered = choices(parse("a dog"), facets)
    assert [choice.label for choice in offered.cameras] == ["Box"]
    assert [choice.label for choice in offered.folders] == ["b"]


def test_a_folder_that_says_nothing_is_not_offered() -> None:
    facets = Facets({}, {}, {"/p": 5, "/p/2021": 3, "/p/2021/06": 3, "/p/b": 2, "/p/b/c": 1}, [])
    tree = [(choice.label, [inner.label for inner in choice.inside]) for choice in choices(parse(""), facets).folders]
    assert tree == [("2021/06", []), ("b", ["c"])]


@pytest.mark.parametrize(
    ("query", "label"),
    [
        ("taken:2021", "2021"),
        ("taken:2021-07", "July 2021"),
        ("taken:2021-07-14", "14 July 2021"),
        ("after:2021", "since 2021"),
        ("before:2021-07", "before July 2021"),
        ('camera:"EOS 80D"', "EOS 80D"),
        ("folder:/home/me/2021/06", "2021/06"),
        ("folder:holidays", "holidays"),
        ("near:-33.9,18.4,20", "20 km around 33.9° S, 18.4° E"),
        ("type:jpg", "jpg"),
        ("-crowd", "without crowd"),
        ("taken:٢٠٢١", "2021"),
        ("taken：２０２１—7", "July 2021"),
        ("camera:“EOS 80D”", "EOS 80D"),
        ("near:٤٨٫٥،−١١٫٥،٢٠", "20 km around 48.5° N, 11.5° W"),
        ("–crowd", "without crowd"),
    ],
)
def test_a_chip_says_what_a_filter_means(query: str, label: str) -> None:
    (chip,) = active(parse(f"a dog {query} outdoors"))
    assert (chip.label, chip.query) == (label, "a dog outdoors")


@pytest.mark.parametrize(
    "query", ["taken:never", "near:1,2", "taken:2021-99", "near:a,b,c", "camara:canon", "taken:٢٠٢١-٩٩", "taken:²⁰²"]
)
def test_a_filter_without_sense_is_told(client: FlaskClient, query: str) -> None:
    for address in ("/", "/filters", "/api/v1/facets", "/api/v1/search"):
        answer = client.get(address, query_string={"q": f"dog {query}"})
        assert answer.status_code == 400
        assert "api" in address or f"dog {query}" in html.unescape(answer.text)  # it stays in the box


@pytest.mark.parametrize(
    "query", ["taken:٢٠١٢", "taken：２０１２", "taken:٢٠١٢-0٧", "“taken:x” dog", "–dog folder:/ cat"]
)
def test_what_a_search_reads_every_page_reads(client: FlaskClient, query: str) -> None:
    for address in ("/", "/filters", "/api/v1/facets", "/api/v1/search"):
        assert client.get(address, query_string={"q": query}).status_code == 200


PIECES = st.sampled_from(
    [
        *("camera:", "near:", "taken:", "taken：٢٠٢١", "before:9998", "folder:/", "type:", "camara:", "tkaen:20"),
        *(
            '"',
            "“",
            "”",
            "«",
            "»",
            "‘",
            "’",
            "「",
            "」",
            " ",
            "-",
            "–",
            "—",
            ":",
            "：",
            ",",
            "،",
            "~x/",
            "1",
            "²",
            "٢",
            "\0",
            "\n",
        ),
        *("red", "❤️", "\u200f", "\u0301", "\ud800", "夜景"),
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60) | st.lists(PIECES).map("".join))
def test_any_query_is_read_or_refused_and_never_a_fault_of_the_server(client: FlaskClient, query: str) -> None:
    asked = {"q": query.encode("utf-8", "surrogatepass").decode("utf-8", "replace")}
    codes = {address: client.get(address, query_string=asked).status_code for address in ("/filters", "/api/v1/facets")}
    assert set(codes.values()) in ({200}, {400}), codes
