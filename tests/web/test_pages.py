from __future__ import annotations

import html
import io
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, render_template
from flask.testing import FlaskClient

from engine.results import Hint
from indexer.library.settings import Settings
from indexer.library.view import LibraryView
from model.scoring.calibration import Calibration
from model.weights import find_weights, generation
from tests.engine.libraries import PHOTO_COUNT, SENTENCE, index, recalibrate
from tests.web.applications import hits, opened, token
from web.service import service_of


def test_the_front_page_asks_for_a_sentence(client: FlaskClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert '<input type="search" name="q"' in page.text
    assert f"{PHOTO_COUNT} photos" in page.text


def test_a_sentence_finds_photos_with_their_match(client: FlaskClient) -> None:
    page = client.get("/", query_string={"q": SENTENCE}).text
    assert f'value="{SENTENCE}"' in page
    reranked = page[page.index('<section class="reranked"') :]
    assert reranked.count("/thumbnail") == PHOTO_COUNT
    assert reranked.count('<span class="unseen">, match ') == PHOTO_COUNT
    assert 'alt="scene 01.jpg"' in page
    assert 'alt="caf\\udce9' in page, "a name that is not text does no harm"


def test_the_shortlist_comes_first_and_the_reranked_photos_in_the_same_answer(client: FlaskClient) -> None:
    parts = [part.decode() for part in client.get("/", query_string={"q": SENTENCE}).iter_encoded()]
    assert ['class="shortlist"' in part for part in parts] == [True, False, False]
    assert ['class="reranked"' in part for part in parts] == [False, True, False]


def groups(page: str) -> tuple[str, str]:
    """The parts of a page with the best photos and with the others."""
    best, others = page[page.index('<section class="best"') :].split("More like this")
    return best, others


def test_the_best_photos_and_the_others_stand_in_two_groups_and_none_is_hidden(
    client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    recalibrate(service_of(app).engine(), monkeypatch)
    page = client.get("/", query_string={"q": SENTENCE}).text
    answer: Any = client.get("/api/v1/search", query_string={"q": SENTENCE}).json
    assert 0 < answer["line"] < PHOTO_COUNT
    best, others = groups(page)
    assert best.count("/thumbnail") == answer["line"]
    assert others.count("/thumbnail") == PHOTO_COUNT - answer["line"]
    assert page.count("<details") == 1, "only the timings are folded"


def test_where_all_photos_are_the_best_there_is_no_other_group(
    client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    recalibrate(service_of(app).engine(), monkeypatch, Calibration(match_bias=10.0))
    page = client.get("/", query_string={"q": SENTENCE}).text
    assert f"{PHOTO_COUNT} photos</p>" in page
    assert "More like this" not in page


def test_where_nothing_is_good_the_nearest_photos_come_without_groups(
    client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    recalibrate(service_of(app).engine(), monkeypatch, Calibration(match_bias=-20.0, cutoff=0.3))
    page = client.get("/", query_string={"q": SENTENCE}).text
    reranked = page[page.index('<section class="reranked"') :]
    assert "Nothing like that here. The nearest photos:" in reranked
    assert reranked.count("/thumbnail") == PHOTO_COUNT
    assert '<h1 id="best">' not in page
    assert "More like this" not in page
    assert "Newest first sorts" not in page
    page = client.get("/", query_string={"q": SENTENCE, "sort": "date"}).text
    assert "Newest first sorts the best photos only, and none of these is one." in page


def test_a_hint_is_shown_as_text_with_a_link_to_its_query(app: Flask) -> None:
    hints = [Hint("not_english", "Only <b>English</b> works."), Hint("unknown_words", "Try it so:", 'a "big" lizard')]
    with app.test_request_context("/"):
        shown = render_template("hints.html", hints=hints, sort="date")
    assert "Only &lt;b&gt;English&lt;/b&gt; works." in shown
    assert 'href="/?q=a+%22big%22+lizard&amp;sort=date">a &#34;big&#34; lizard</a>' in shown
    assert shown.count("<a ") == 1


def test_the_match_stands_in_the_tooltip_and_on_the_page_of_the_photo(client: FlaskClient) -> None:
    page = client.get("/", query_string={"q": SENTENCE}).text
    reranked = page[page.index('<section class="reranked"') :]
    percents = [f"{100 * hit['match']:.0f} %" for hit in hits(client)]
    assert re.findall(r'title="[^"]*, match (\d+ %)"', reranked) == percents
    addresses = [html.unescape(address) for address in re.findall(r'<a href="(/photos/[^"]+)"', reranked)]
    for address, percent in zip(addresses[:3], percents, strict=False):
        assert f'Why it matched <span class="hint">{percent} match</span>' in client.get(address).text


def test_a_filter_that_no_photo_passes_is_told(client: FlaskClient) -> None:
    assert "No photo fits" in client.get("/", query_string={"q": f"{SENTENCE} taken:1900"}).text


def test_pages_follow_pages_without_scripts(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "load", lambda _: Settings(shortlist=5))
    monkeypatch.setattr("web.pages.PHOTOS_A_PAGE", 4)
    address: str | None = f"/?q={SENTENCE}"
    seen = []
    while address:
        page = client.get(address).text
        shown = page[page.index('<section class="reranked"') :] if "reranked" in page else page
        seen.append(re.findall(r"/photos/(\d+)/thumbnail", shown))
        following = re.search(r'class="more" rel="next" href="([^"]+)"', page)
        address = html.unescape(following[1]) if following else None
    assert [len(photos) for photos in seen] == [5, 4, 3]
    assert len({photo for photos in seen for photo in photos}) == PHOTO_COUNT


def test_a_page_of_a_search_long_forgotten_leads_to_the_search(client: FlaskClient) -> None:
    answer = client.get("/", query_string={"q": SENTENCE, "cursor": "forgotten123.48"})
    assert answer.status_code == 302
    assert "cursor" not in answer.location


def test_every_page_is_whole_without_inline_scripts_and_without_other_sites(client: FlaskClient) -> None:
    for address in ("/", f"/?q={SENTENCE}", f"/photos/{hits(client)[0]['photo_id']}", "/library", "/similar", "/api"):
        page = client.get(address)
        assert page.status_code == 200
        assert re.findall(r"<script(?![^>]* src=\"/)", page.text) == []
        assert "style=" not in page.text
        assert "http" not in page.text.replace("https://spec.openapis.org", "")
        assert page.headers["Content-Security-Policy"].startswith(
            "default-src 'none'; img-src 'self'; style-src 'self'"
        )
        for name in re.findall(r'(?:src|href)="(/static/[^"]+|/shapes.css)"', page.text):
            with client.get(name) as answer:
                assert answer.status_code == 200


def test_a_sentence_is_shown_as_text_only(client: FlaskClient) -> None:
    page = client.get("/", query_string={"q": '"><b>dog</b>'}).text
    assert "<b>" not in page


def test_a_page_tells_of_problems_in_words(client: FlaskClient) -> None:
    missing, too_long = client.get("/nothing"), client.get("/", query_string={"q": "x" * 1001})
    assert (missing.status_code, too_long.status_code) == (404, 400)
    assert "The sentence has 1,001 characters" in too_long.text
    for page in (missing, too_long):
        assert '<input type="search"' in page.text, "one can go on from there"


def test_a_photo_has_a_page_with_its_neighbours_in_the_search(client: FlaskClient, photos: Path) -> None:
    page = client.get("/", query_string={"q": SENTENCE}).text
    reranked = page[page.index('<section class="reranked"') :]
    addresses = [html.unescape(address) for address in re.findall(r'<a href="(/photos/[^"]+)"', reranked)]
    middle = client.get(addresses[1]).text
    assert f'rel="prev" href="{html.escape(addresses[0])}"' in middle
    assert f'rel="next" href="{html.escape(addresses[2])}"' in middle
    assert str(photos) in middle
    assert "Similar photos" in middle
    assert 'rel="prev"' not in client.get(addresses[0]).text
    assert 'rel="next"' not in client.get(addresses[-1]).text
    back = re.search(r'class="back" href="([^"]+)"', middle)
    assert back
    assert "Photos found" in client.get(html.unescape(back[1])).text


def test_a_photo_has_a_page_of_its_own_too(client: FlaskClient) -> None:
    page = client.get(f"/photos/{hits(client)[0]['photo_id']}").text
    assert 'class="back"' not in page
    assert client.get("/photos/123456").status_code == 404


def test_the_library_page_tells_of_folders_and_failures(client: FlaskClient, photos: Path) -> None:
    page = client.get("/library").text
    assert str(photos) in page
    assert "broken.jpg" in page
    assert "damaged or cut short" in page


def test_without_a_library_the_page_says_what_to_do_and_waits_for_one(
    tmp_path: Path, weights: Path, photos: Path
) -> None:
    with opened(tmp_path / "library", weights) as app:
        client = app.test_client()
        assert "pixelseek index ~/Pictures" in client.get("/").text
        assert client.get("/library").status_code == 200
        assert client.get("/api/v1/search?q=dog").status_code == 503
        assert client.get("/healthz").json == {"status": "ok", "photos": 0}
        index(tmp_path / "library", photos, weights)
        assert f"{PHOTO_COUNT} photos" in client.get("/").text


def test_a_library_of_other_weights_says_how_to_index_again(indexed: Path, other_weights: Path) -> None:
    with opened(indexed, other_weights) as app:
        assert "encoded by other weights" in app.test_client().get("/").text


def test_an_empty_library_says_what_to_do(tmp_path: Path, weights: Path) -> None:
    LibraryView.open(tmp_path, generation=generation(weights), create=True).close()
    with opened(tmp_path, weights) as app:
        assert "holds no photos" in app.test_client().get("/").text


TYPED = "a dog that I have described at length"


@pytest.mark.parametrize(
    ("address", "status"),
    [
        (f"/?q={TYPED} near:nowhere", 400),
        (f"/?q={TYPED} {'x' * 1000}", 400),
        (f"/filters?q={TYPED} near:nowhere", 400),
        (f"/photos/999?q={TYPED}", 404),
        (f"/photos/999/similar?words={TYPED}", 404),
        (f"/photos/999?question={TYPED}", 404),
        (f"/nothing?q={TYPED}", 404),
    ],
)
def test_an_error_keeps_the_sentence_that_was_typed(client: FlaskClient, address: str, status: int) -> None:
    answer = client.get(address)
    assert answer.status_code == status
    assert f'name="q" value="{TYPED}' in answer.text


def test_an_upload_that_fails_keeps_the_words(client: FlaskClient) -> None:
    for form in ({"csrf_token": token(client)}, {}):
        answer = client.post("/similar", data={"words": TYPED, "photo": (io.BytesIO(b"no photo"), "a.jpg"), **form})
        assert answer.status_code == (400 if form else 403)
        assert f'name="q" value="{TYPED}"' in answer.text


def test_a_library_that_cannot_be_searched_yet_keeps_the_sentence(tmp_path: Path, weights: Path) -> None:
    with opened(tmp_path, weights) as app:
        assert f'name="q" value="{TYPED}"' in app.test_client().get("/", query_string={"q": TYPED}).text


def test_weights_replaced_during_a_search_leave_the_nearest_photos_and_say_so(tmp_path: Path, photos: Path) -> None:
    weights = shutil.copytree(find_weights("pixelbert-small"), tmp_path / "weights")
    index(tmp_path / "library", photos, weights)
    with opened(tmp_path / "library", weights) as app:
        parts = app.test_client().get("/", query_string={"q": SENTENCE}).iter_encoded()
        assert 'class="shortlist"' in next(parts).decode()
        with (weights / "model.safetensors").open("ab") as file:
            file.write(b" ")
        rest = b"".join(parts).decode()
    assert f"without a match: {weights} holds other weights" in rest
    assert rest.rstrip().endswith("</html>")


def test_copies_of_the_same_bytes_explain_why_there_are_more_files(tmp_path: Path, photos: Path, weights: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(photos / "scene 05.jpg", tmp_path / "photos" / name)
    index(tmp_path / "library", tmp_path / "photos", weights)
    with opened(tmp_path / "library", weights) as app:
        assert "in 2 files: copies of the same bytes count once" in app.test_client().get("/library").text


def test_only_trusted_hosts_are_answered_when_named(indexed: Path, weights: Path) -> None:
    with opened(indexed, weights, HOSTS=["localhost"]) as app:
        client = app.test_client()
        assert client.get("/", headers={"Host": "localhost:8080"}).status_code == 200
        assert client.get("/", headers={"Host": "elsewhere.example"}).status_code == 400


def test_filters_without_a_sentence_list_the_photos_by_date(client: FlaskClient) -> None:
    page = client.get("/", query_string={"q": "type:jpg"}).text
    assert "Photos by date, the newest first" in page
    assert "weak" not in page.lower()
    assert page.count('loading="lazy"') >= 12
