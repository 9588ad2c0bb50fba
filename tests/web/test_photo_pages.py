"""The page of one photo: its title, its place in the results, what is left of a photo that is gone."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from engine.query import Query
from indexer.library.settings import Settings
from tests.engine.libraries import PHOTO_COUNT, SENTENCE, index
from tests.web.applications import hits, opened, token
from web.searches import Searches


@pytest.fixture
def folder(photos: Path, tmp_path: Path) -> Path:
    return shutil.copytree(photos, tmp_path / "photos")


@pytest.fixture
def client(folder: Path, weights: Path, tmp_path: Path) -> Iterator[FlaskClient]:
    index(tmp_path / "library", folder, weights)
    with opened(tmp_path / "library", weights) as app:
        yield app.test_client()


def page_of(client: FlaskClient, name: str, **values: str) -> str:
    photo_id = next(hit["photo_id"] for hit in hits(client) if Path(hit["path"]).name == name)
    return client.get(f"/photos/{photo_id}", query_string=values).text


def place(page: str) -> str | None:
    """`3 of 64`."""
    caption = re.search(r"<figcaption>([^<]+?) *<", page)
    return caption[1] if caption else None


def link(page: str, kind: str) -> str | None:
    address = re.search(rf'rel="{kind}" href="([^"]+)"', page)
    return html.unescape(address[1]) if address else None


def test_a_word_that_is_not_in_the_sentence_is_not_shown(client: FlaskClient) -> None:
    for word in ("all", "-1", "99", "1" * 5000, "\u0661", ""):
        page = page_of(client, "scene 03.jpg", q=SENTENCE, word=word)
        assert place(page) is not None, word
        assert 'class="heat"' not in page


class TestPlaceInTheResults:
    def test_a_photo_says_where_it_stands(self, client: FlaskClient) -> None:
        for number, hit in enumerate(hits(client), start=1):
            page = page_of(client, Path(hit["path"]).name, q=SENTENCE)
            assert place(page) == f"{number} of {PHOTO_COUNT}"

    @pytest.mark.parametrize("cursor", ["forgotten123.4", "forgotten123.4000", "../etc", "x", ""])
    @pytest.mark.parametrize("sort", ["match", "date"])
    def test_it_is_found_by_searching_anew_where_the_results_are_no_longer_kept(
        self, client: FlaskClient, cursor: str, sort: str
    ) -> None:
        found = hits(client, sort=sort)
        page = client.get(
            f"/photos/{found[4]['photo_id']}", query_string={"q": SENTENCE, "sort": sort, "cursor": cursor}
        )
        assert place(page.text) == f"5 of {PHOTO_COUNT}"
        for kind, neighbour in (("prev", 3), ("next", 5)):
            address = link(page.text, kind)
            assert address is not None
            assert address.startswith(f"/photos/{found[neighbour]['photo_id']}?")
            assert ("sort=date" in address) is (sort == "date")

    def test_also_far_behind_the_reranked_photos(self, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Settings, "load", lambda _: Settings(shortlist=2))
        with opened(client.application.config["LIBRARY"], client.application.config["WEIGHTS"]) as app:
            client = app.test_client()
            found = hits(client, limit=PHOTO_COUNT)
            last = found[-1]["photo_id"]
            page = client.get(
                f"/photos/{last}", query_string={"q": SENTENCE, "cursor": f"forgotten123.{PHOTO_COUNT - 1}"}
            )
            assert place(page.text) == f"{PHOTO_COUNT} of {PHOTO_COUNT}"
            assert link(page.text, "prev")
            assert link(page.text, "next") is None

    def test_a_photo_that_is_not_among_the_results_has_no_place(self, client: FlaskClient) -> None:
        for query in ("type:png", "taken:1900 dog", "near:nowhere", "-dog"):
            page = page_of(client, "scene 01.jpg", q=query)
            assert place(page) is None
            assert link(page, "next") is None
            assert 'class="back"' in page

    def test_it_searches_once_for_many_turns(self, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
        searched: list[Query] = []

        def first(searches: Searches, query: Query, limit: int, **options: Any) -> Any:
            searched.append(query)
            return Searches.first(searches, query, limit, **options)

        searches = client.application.extensions["pixelseek"].searches
        monkeypatch.setattr(searches, "first", partial(first, searches))
        address: str | None = f"/photos/{hits(client)[0]['photo_id']}?q={SENTENCE}&cursor=forgotten123.0"
        searched.clear()
        searches._snapshots.clear()
        turns = 0
        while address:
            page = client.get(address).text
            turns += 1
            assert place(page) == f"{turns} of {PHOTO_COUNT}"
            address = link(page, "next")
        assert (turns, len(searched)) == (PHOTO_COUNT, 1)


class TestGone:
    def test_a_file_that_was_deleted_is_told_and_its_thumbnail_record_and_copies_are_offered(
        self, client: FlaskClient, folder: Path
    ) -> None:
        hit = next(hit for hit in hits(client) if hit["path"].endswith("scene 01.jpg"))
        client.get(f"/api/v1/photos/{hit['photo_id']}/thumbnail")
        (folder / "scene 01.jpg").unlink()
        page = page_of(client, "scene 01.jpg", q=SENTENCE)
        assert "was moved or deleted since it was indexed" in page
        assert "<code>pixelseek index</code> finds it again" in page
        assert f'src="/api/v1/photos/{hit["photo_id"]}/thumbnail"' in page, "that was kept"
        assert f'src="/api/v1/photos/{hit["photo_id"]}/image"' not in page
        assert "Download original" not in page
        assert "Show in folder" not in page
        assert "128 × 128 pixels" in page
        assert "Why it matched" in page

    def test_without_a_thumbnail_the_stage_says_so(self, client: FlaskClient, folder: Path) -> None:
        (folder / "scene 01.jpg").unlink()
        page = page_of(client, "scene 01.jpg")
        assert "There is no picture of this photo any more, only what is known of it." in page
        assert 'class="picture"' not in page

    def test_another_photo_in_its_place_is_told(self, client: FlaskClient, folder: Path) -> None:
        shutil.copy(folder / "scene 02.jpg", folder / "scene 01.jpg")
        page = page_of(client, "scene 01.jpg")
        assert "has changed since it was indexed, so it may hold another photo" in page
        assert "Download original" not in page

    def test_a_copy_stands_in_for_it(self, folder: Path, weights: Path, tmp_path: Path) -> None:
        shutil.copy(folder / "scene 01.jpg", folder / "the same.jpg")
        index(tmp_path / "library", folder, weights)
        with opened(tmp_path / "library", weights) as app:
            client = app.test_client()
            hit = next(hit for hit in hits(client) if hit["path"].endswith("scene 01.jpg"))
            (folder / "scene 01.jpg").unlink()
            page = client.get(f"/photos/{hit['photo_id']}").text
            assert "was moved or deleted" not in page
            assert "the same.jpg" in page
            assert "Download original" in page
            for size in ("thumbnail", "image"):
                assert client.get(f"/api/v1/photos/{hit['photo_id']}/{size}").status_code == 200


class TestWriting:
    def test_a_form_changes_one_thing_and_offers_to_undo_it(self, client: FlaskClient) -> None:
        address = f"/photos/{hits(client)[0]['photo_id']}"
        known = {"csrf_token": token(client)}
        client.post(address, data={**known, "caption": "before", "favourite": "yes", "tag": "sea"})
        page = client.post(address, data={**known, "caption": "after"}).text
        saved = page[page.index('class="write saved"') :]
        saved = saved[: saved.index("</form>")]
        assert re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', saved)[1:] == [("caption", "before")]
        written = client.get(f"/api/v1{address}").get_json()
        assert (written["caption"], written["tags"], written["favourite"]) == ("after", ["sea"], True)

    def test_the_script_gets_the_part_that_has_changed(self, client: FlaskClient) -> None:
        address = f"/photos/{hits(client)[0]['photo_id']}"
        part = client.post(address, data={"csrf_token": token(client), "caption": "<i>", "part": "yes"})
        assert part.text.lstrip().startswith("<section")
        assert "<h1>&lt;i&gt;</h1>" in part.text
        assert "<html" not in part.text
        refused = client.post(address, data={"csrf_token": token(client), "caption": "???", "part": "yes"})
        assert refused.status_code == 400
        assert 'role="alert"' in refused.text
        assert ">???</textarea>" in refused.text

    def test_a_form_of_another_site_writes_nothing(self, client: FlaskClient) -> None:
        address = f"/photos/{hits(client)[0]['photo_id']}"
        assert client.post(address, data={"favourite": "yes"}).status_code == 403
        assert not client.get(f"/api/v1{address}").get_json()["favourite"]

    def test_a_photo_that_is_not_there_is_told(self, client: FlaskClient) -> None:
        answer = client.post("/photos/999999", data={"csrf_token": token(client), "favourite": "yes"})
        assert answer.status_code == 404


def test_the_button_to_show_a_folder_is_there_only_on_the_same_machine_with_a_desktop(
    client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "xdg-open"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("DISPLAY", ":99")
    address = f"/photos/{hits(client)[0]['photo_id']}"
    assert "Show in folder" in client.get(address).text
    assert "Show in folder" not in client.get(address, environ_overrides={"REMOTE_ADDR": "192.0.2.7"}).text
    assert "Show in folder" not in client.get(address, headers={"X-Forwarded-For": "192.0.2.7"}).text
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "Show in folder" not in client.get(address).text
