from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from flask import Flask
from flask.testing import FlaskClient

from indexer.indexing import index_folders
from indexer.library.view import LibraryView
from indexer.library.writer import LibraryWriter
from model.bundle import TrainedModel
from model.weights import generation
from tests.engine.libraries import PHOTO_COUNT, index
from tests.indexer.signs import needs_text, sign
from tests.web.applications import hits, opened, token
from web.indexing import IndexJob
from web.service import service_of


@pytest.fixture
def root(tmp_path: Path, photos: Path) -> Path:
    shutil.copytree(photos, tmp_path / "root" / "album")
    return tmp_path / "root"


@pytest.fixture
def app(root: Path, weights: Path, tmp_path: Path) -> Iterator[Flask]:
    with opened(tmp_path / "library", weights, ROOTS=[root]) as app:
        yield app


def ended(client: FlaskClient) -> dict[str, object]:
    """The run's last word, as the stream of events tells it."""
    while True:
        events = client.get("/api/v1/index/events").text
        job: dict[str, object] = json.loads(events.rstrip().rpartition("data: ")[2])
        if job["state"] != "running":
            return job


def test_a_folder_is_added_from_the_page_and_can_be_searched(client: FlaskClient, root: Path) -> None:
    assert 'name="folder"' in client.get("/").text
    assert (
        client.post("/library/index", data={"folder": str(root / "album"), "csrf_token": token(client)}).status_code
        == 302
    )
    job = ended(client)
    assert (job["state"], job["done"], job["total"], job["failed"]) == ("done", PHOTO_COUNT + 1, PHOTO_COUNT + 1, 1)
    assert job["message"] == f"Photos: {PHOTO_COUNT} new, 1 skipped."
    assert f"{PHOTO_COUNT} photos" in client.get("/").text
    assert client.post("/api/v1/index").status_code == 202, "all that is known, again"
    assert ended(client)["message"] == f"Photos: {PHOTO_COUNT} unchanged, 1 skipped."


def test_a_run_can_be_cancelled_and_goes_on_later(client: FlaskClient, root: Path) -> None:
    started = client.post("/api/v1/index", json={"folders": [str(root / "album")]})
    assert (started.status_code, started.json and started.json["state"]) == (202, "running")
    assert client.post("/api/v1/index", json={}).status_code == 409, "one run at a time"
    assert client.delete("/api/v1/index").status_code == 200
    assert ended(client)["state"] == "cancelled"
    client.post("/api/v1/index", json={"folders": [str(root / "album")]})
    assert ended(client)["state"] == "done"


@needs_text
def test_text_is_read_when_all_photos_can_be_found_and_the_progress_says_so(
    client: FlaskClient, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note, go_on = IndexJob._note_text, Event()

    def hold(job: IndexJob, done: int, total: int) -> None:
        note(job, done, total)
        go_on.wait(120)  # at most four events come in a second: a busy machine would tell of the end alone

    monkeypatch.setattr(IndexJob, "_note_text", hold)
    for number in range(3):
        sign(root / "signs" / f"{number}.png", f"Number {number}")
    client.post("/api/v1/index", json={"folders": [str(root / "signs")]})
    while not is_told(client, "All photos can be found; text read in 1 of 3"):
        assert client.get("/api/v1/index").get_json()["state"] == "running"
    go_on.set()
    assert ended(client)["message"] == "Photos: 3 new."
    assert [client.get("/api/v1/status").get_json()[name] for name in ("text_read", "text_waiting")] == [3, 0]
    assert len(client.get("/api/v1/search", query_string={"q": "text:number"}).get_json()["hits"]) == 3


def is_told(client: FlaskClient, sentence: str) -> bool:
    """Whether one stream of events tells that of the run: it ends after half a minute, or with the run."""
    with client.get("/api/v1/index/events") as events:
        return any(sentence in event.decode() for event in events.iter_encoded())


@pytest.mark.parametrize("folder", ["/etc", "{root}/../library", "{root}/link", "{root}/../loop", "", "~nosuch"])
def test_only_folders_inside_an_allowed_root_are_added(client: FlaskClient, root: Path, folder: str) -> None:
    (root / "link").symlink_to("/etc")
    (root.parent / "loop").symlink_to("loop")
    answer = client.post("/api/v1/index", json={"folders": [folder.format(root=root)]})
    assert answer.status_code == 403
    assert "--root" in answer.get_json(force=True)["detail"]


def test_the_library_page_says_what_is_not_read_and_left_out(root: Path, weights: Path, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4", "c.pdf"):
        (root / "album" / name).touch()
    library = tmp_path / "library"
    model = TrainedModel(weights)
    with LibraryView.open(library, generation=model.generation, create=True) as opened_library:
        index_folders(
            opened_library,
            [root],
            processor=model.processor.image_processor,
            load_runtime=lambda: model.runtime,
            exclude=["drafts"],
            workers=1,
        )
    with opened(library, weights) as app:
        client = app.test_client()
        page = " ".join(client.get("/library").text.split())
        assert "3 files are of kinds that are not read." in page
        assert re.findall(r"<summary>(\S+) <span class=\"hint\">(\d files?)", page) == [
            (".mp4", "2 files"),
            (".pdf", "1 file"),
        ]
        assert "left out: drafts" in page
        status = client.get("/api/v1/status").get_json()
    assert status["passed_over"] == {".mp4": 2, ".pdf": 1}
    assert [folder["exclude"] for folder in status["folders"]] == [["drafts"]]


def test_a_folder_that_is_not_there_is_named(client: FlaskClient, root: Path) -> None:
    client.post("/library/index", data={"folder": str(root / "nowhere"), "csrf_token": token(client)})
    job = ended(client)
    assert job["state"] == "failed"
    assert f"{root / 'nowhere'} does not exist" in str(job["message"])
    assert "does not exist" in client.get("/library").text


def test_another_writer_is_named(client: FlaskClient, root: Path, weights: Path, tmp_path: Path) -> None:
    library = LibraryView.open(tmp_path / "library", generation=generation(weights), create=True)
    with library, LibraryWriter.lock(library):
        client.post("/api/v1/index", json={"folders": [str(root / "album")]})
        job = ended(client)
    assert job["state"] == "failed"
    assert "is being written by process" in str(job["message"])


def test_closing_ends_a_run(root: Path, weights: Path, tmp_path: Path) -> None:
    with opened(tmp_path / "library", weights, ROOTS=[root]) as app:
        client = app.test_client()
        client.post("/api/v1/index", json={"folders": [str(root / "album")]})
        started = time.monotonic()
    assert time.monotonic() - started < 60
    job = client.get("/api/v1/index").json
    assert job
    assert job["state"] == "cancelled"


def test_the_server_goes_over_to_other_weights_when_they_have_encoded_the_library(
    library: Path, photos: Path, weights: Path, other_weights: Path
) -> None:
    with opened(library, weights) as app:
        client = app.test_client()
        before = hits(client)
        asked = f"/api/v1/photos/{before[0]['photo_id']}/explain?q=red"
        explained = client.get(asked).json
        index(library, photos, other_weights)
        after = hits(client)
        assert {hit["photo_id"] for hit in after} == {hit["photo_id"] for hit in before}
        assert [hit["similarity"] for hit in after] != [hit["similarity"] for hit in before]
        assert client.get(asked).json != explained
        assert service_of(app).model().name == str(other_weights)
        status = client.get("/api/v1/status").json
        assert status is not None
        assert status["photos"] == len(after)
