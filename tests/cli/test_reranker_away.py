"""The setting `reranker`, and what a terminal says while nothing answers there."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.cli.commands import pixelseek
from tests.engine.libraries import PHOTO_COUNT, SENTENCE
from tests.web.applications import opened


@pytest.fixture
def away(library: Path) -> Path:
    """A library whose reranker is not there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    assert f'reranker = "{url}"\n' in pixelseek("config", "reranker", url, "--library", library).stdout
    return library


@pytest.mark.parametrize(
    "url", ["elsewhere", "http://", "ftp://a/", "http://name:secret@a/", "http://a/ b", "http://a/?b"]
)
def test_a_reranker_is_here_or_has_an_address(library: Path, url: str) -> None:
    run = pixelseek("config", "reranker", url, "--library", library)
    assert (run.exit_code, "reranker must be local or http://HOST:PORT/" in run.stderr) == (1, True)


def test_a_search_says_that_nothing_was_reranked_and_why(away: Path, weights: Path) -> None:
    options = ("--library", away, "--weights", weights)
    run = pixelseek("search", SENTENCE, *options)
    nearest = pixelseek("search", SENTENCE, "--no-rerank", *options)
    assert (run.exit_code, run.stdout) == (0, nearest.stdout)
    assert "none was compared closely: the reranker at http://127.0.0.1" in run.stderr
    found = json.loads(pixelseek("search", SENTENCE, "--json", *options).stdout)
    assert (found["reranked"], found["line"], [hint["kind"] for hint in found["hints"]]) == (0, 0, ["not_reranked"])
    assert pixelseek("config", "reranker", "--unset", "--library", away).exit_code == 0
    assert json.loads(pixelseek("search", SENTENCE, "--json", *options).stdout)["reranked"] == PHOTO_COUNT


def test_pages_show_the_nearest_photos_and_go_on_behind_them(
    away: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.pages.PHOTOS_A_PAGE", 5)
    with opened(away, weights) as app:
        client = app.test_client()
        page = client.get("/", query_string={"q": SENTENCE}).text
        assert "The nearest photos</h1>" in page
        assert "none was compared closely" in page
        assert 'rel="next"' in page
        assert "None" not in page
        answer = client.get("/api/v1/search", query_string={"q": SENTENCE, "limit": 5}).get_json()
        more = client.get("/api/v1/search", query_string={"q": SENTENCE, "cursor": answer["next"]}).get_json()
        ids = [hit["photo_id"] for hit in answer["hits"] + more["hits"]]
        assert len(set(ids)) == PHOTO_COUNT
        assert client.get("/api/v1/examples").get_json()["examples"] == []
