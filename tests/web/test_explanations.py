"""Explanations of a match: as JSON, as a heat map, on the page, and computed once."""

from __future__ import annotations

import html
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from engine.query import Query
from engine.search import SearchEngine
from tests.engine.libraries import SENTENCE, index
from tests.web.applications import hits, opened, photo
from web.explanations import strongest_at
from web.service import service_of

SHOWN = ["red", "square"]


@pytest.fixture
def client(word_app: Flask) -> FlaskClient:
    return word_app.test_client()


def test_programs_are_told_what_each_word_says(client: FlaskClient, word_app: Flask) -> None:
    address = photo(client)
    answer = client.get(f"{address}/explain", query_string={"q": f"{SENTENCE} -dog type:jpg"}).json
    assert answer
    expected = service_of(word_app).engine().explain(int(address.rpartition("/")[2]), SENTENCE)
    assert answer == expected.to_json()
    assert [word["word"] for word in answer["words"]] == SENTENCE.split()
    assert [word["word"] for word in answer["words"] if word["map"]] == SHOWN


def test_a_word_becomes_a_picture_to_lay_over_the_photo(client: FlaskClient) -> None:
    address = photo(client)
    pictures = [client.get(f"{address}/heat", query_string={"q": SENTENCE, "word": word}) for word in (1, 6)]
    assert len({picture.data for picture in pictures}) == 2
    with Image.open(io.BytesIO(pictures[0].data)) as image:
        assert (image.format, image.mode) == ("WEBP", "RGBA")
    headers = {"If-None-Match": pictures[0].headers["ETag"]}
    again = client.get(f"{address}/heat", query_string={"q": SENTENCE, "word": 1}, headers=headers)
    assert (again.status_code, again.data) == (304, b"")


def test_an_explanation_is_computed_once_for_all_its_words(
    client: FlaskClient, word_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, computed = service_of(word_app).engine(), []

    def explain(photo_id: int, query: Query) -> object:
        computed.append(query.words)
        return SearchEngine.explain(engine, photo_id, query)

    monkeypatch.setattr(engine, "explain", explain)
    for word in (0, 1, 2):
        client.get(f"{photo(client)}/heat", query_string={"q": "a blue square", "word": word})
    assert computed == ["a blue square"]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/api/v1/photos/123/explain?q=dog", 404),
        ("{photo}/explain", 400),
        ("{photo}/explain?q=type:jpg", 400),
        ("{photo}/heat?q=red", 400),
        ("{photo}/heat?q=red&word=1", 400),
        ("{photo}/heat?q=red&word=-1", 400),
        ("{photo}/heat?q=red&word=all", 400),
        ("{photo}/heat?q=blue&word=0", 404),
    ],
)
def test_what_cannot_be_explained_is_said(client: FlaskClient, address: str, status: int) -> None:
    answer = client.get(address.format(photo=photo(client)))
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")


def said(page: str) -> list[tuple[str, str, str]]:
    """Strength, word and odds, as the page has them."""
    return re.findall(r'<li class="(\w+)">\s*<(?:a|span)[^>]*>([^<]+)</(?:a|span)> <span class="times">([^<]+)<', page)


def test_the_page_says_what_each_word_says_for_the_photo(client: FlaskClient) -> None:
    first = hits(client)[0]
    page = client.get(f"/photos/{first['photo_id']}", query_string={"q": f"{SENTENCE} type:jpg"}).text
    assert [(strength, word) for strength, word, _ in said(page)] == [
        ("none", "a"),
        ("strong", "red"),
        ("weak", "circle"),
        ("none", "and"),
        ("none", "a"),
        ("against", "blue"),
        ("strong", "square"),
    ]
    odds = [odds for *_, odds in said(page)]
    assert odds[0] == odds[3] == "no evidence"
    assert all(text.endswith(" ×") for text in (odds[1], odds[2], odds[5], odds[6]))
    assert "heat" not in page, "no map before somebody asks"


def test_a_word_that_can_be_shown_is_a_link_to_where_it_is_seen(client: FlaskClient) -> None:
    address = f"/photos/{hits(client)[0]['photo_id']}"
    page = client.get(address, query_string={"q": f"{SENTENCE} type:jpg"}).text
    links = re.findall(r'<a href="([^"]+word=\d)">([^<]+)<', page)
    assert [text for _, text in links] == SHOWN
    asked = client.get(html.unescape(links[0][0])).text
    shown = re.search(r'class="heat" src="([^"]+)" alt="red: most (at the|in the) [^"]+"', asked)
    assert shown
    assert client.get(html.unescape(shown[1])).mimetype == "image/webp"
    hide = re.search(r'<a href="([^"]+)" aria-current="true">red<', asked)
    assert hide
    assert "heat" not in client.get(html.unescape(hide[1])).text


@pytest.mark.parametrize("word", ["all", "0", "99", "-1"])
def test_a_word_that_has_no_map_is_not_shown(client: FlaskClient, word: str) -> None:
    page = client.get(f"/photos/{hits(client)[0]['photo_id']}", query_string={"q": SENTENCE, "word": word})
    assert page.status_code == 200
    assert "heat" not in page.text


def test_a_photo_whose_file_is_gone_has_odds_but_no_map(tmp_path: Path, photos: Path, word_weights: Path) -> None:
    copy = Path(shutil.copytree(photos, tmp_path / "photos"))
    index(tmp_path / "library", copy, word_weights)
    with opened(tmp_path / "library", word_weights) as app:
        client = app.test_client()
        first = hits(client, q=f"{SENTENCE} type:jpg")[0]
        Path(first["path"]).unlink()
        asked = {"q": SENTENCE, "word": 1}
        page = client.get(f"/photos/{first['photo_id']}", query_string=asked)
        assert page.status_code == 200
        assert len(said(page.text)) == len(SENTENCE.split())
        assert 'class="heat"' not in page.text
        assert client.get(f"/api/v1/photos/{first['photo_id']}/heat", query_string=asked).status_code == 404


@pytest.mark.parametrize("hide", ["rename", "change"])
def test_a_map_is_there_again_once_the_file_can_be_read(
    tmp_path: Path, photos: Path, word_weights: Path, hide: str
) -> None:
    copy = Path(shutil.copytree(photos, tmp_path / "photos"))
    index(tmp_path / "library", copy, word_weights)
    with opened(tmp_path / "library", word_weights) as app:
        client = app.test_client()
        first = hits(client, q=f"{SENTENCE} type:jpg")[0]
        path, content = Path(first["path"]), Path(first["path"]).read_bytes()
        address, asked = f"/api/v1/photos/{first['photo_id']}", {"q": SENTENCE, "word": 1}
        if hide == "rename":
            path.rename(path.with_suffix(".away"))
        else:
            path.write_bytes(b"another file")
        assert client.get(f"{address}/heat", query_string=asked).status_code == 404
        path.write_bytes(content)
        assert client.get(f"{address}/heat", query_string=asked).status_code == 200
        words = client.get(f"{address}/explain", query_string={"q": SENTENCE}).get_json()["words"]
        assert [word["word"] for word in words if word["map"]] == SHOWN
        assert 'class="heat"' in client.get(f"/photos/{first['photo_id']}", query_string=asked).text


def test_an_explanation_follows_what_people_teach(library: Path, word_weights: Path) -> None:
    with opened(library, word_weights) as app:
        client, service = app.test_client(), service_of(app)
        view, sentence = service.view(), "a red zorro"
        ids = view.photo_ids().tolist()
        said = []

        def explained() -> object:
            answer = client.get(f"/api/v1/photos/{ids[0]}/explain", query_string={"q": sentence}).get_json()
            assert answer == service.engine().explain(ids[0], sentence).to_json()
            return [(word["word"], word["evidence"]) for word in answer["words"]]

        said.append(explained())
        word = view.teach_word("zorro")
        view.answer(word.id, ids[:4], shown=True)
        said.append(explained())
        view.answer(word.id, ids[:1], shown=False)
        said.append(explained())
        view.rename_taught_word(word.id, "bernardo")
        said.append(explained())
        assert said[0] == said[3] != said[1] != said[2] != said[0]


def test_a_photo_that_was_removed_is_explained_no_more(tmp_path: Path, photos: Path, word_weights: Path) -> None:
    copy = Path(shutil.copytree(photos, tmp_path / "photos"))
    index(tmp_path / "library", copy, word_weights)
    with opened(tmp_path / "library", word_weights) as app:
        client = app.test_client()
        first = hits(client, q=f"{SENTENCE} type:jpg")[0]
        address = f"/api/v1/photos/{first['photo_id']}/explain?q=red"
        assert client.get(address).status_code == 200
        Path(first["path"]).unlink()
        index(tmp_path / "library", copy, word_weights)
        assert client.get(address).status_code == 404


@pytest.mark.parametrize("query", ["", "type:jpg", "taken:never"])
def test_without_words_there_is_nothing_to_explain(client: FlaskClient, query: str) -> None:
    page = client.get(f"/photos/{hits(client)[0]['photo_id']}", query_string={"q": query})
    assert page.status_code == 200
    assert "Why it matched" not in page.text


@pytest.mark.parametrize(
    ("cell", "where"), [((0, 0), "at the top left"), ((4, 4), "in the middle"), ((4, 8), "at the right")]
)
def test_where_a_word_looks_is_said_too(cell: tuple[int, int], where: str) -> None:
    attention = np.zeros((9, 9), dtype=np.float32)
    attention[cell] = 1.0
    assert strongest_at(attention) == where
