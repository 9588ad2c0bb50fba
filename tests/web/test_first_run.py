"""The first run on a machine of one's own: a folder is chosen on the page."""

from __future__ import annotations

import html
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.engine.libraries import PHOTO_COUNT
from tests.web.applications import opened, token
from tests.web.test_indexing import ended
from web.access import set_password

HOSTS = ("localhost", "127.0.0.1")
HOSTILE = [os.fsdecode(b"caf\xe9"), "two\nlines", "<b>bold", "a & b?x=1#y%20z", "' \" \\", "x" * 200]


@pytest.fixture
def home(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(photos, tmp_path / "home" / "Pictures")
    (tmp_path / "home" / ".secret").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("indexer.folder_listing._MOUNTS", ())
    monkeypatch.setattr("indexer.folder_listing._MAX_COUNTING_S", 60.0)  # all are counted, also on a busy machine
    return tmp_path / "home"


@pytest.fixture
def app(home: Path, weights: Path, tmp_path: Path) -> Iterator[Flask]:
    del home
    with opened(tmp_path / "library", weights, HOSTS=HOSTS) as app:
        yield app


def keys(page: str) -> list[str]:
    """The folders that a page offers to index."""
    return [html.unescape(key) for key in re.findall('name="chosen" value="([^"]*)"', page)]


def test_a_folder_is_chosen_and_indexed(client: FlaskClient, home: Path) -> None:
    page = client.get("/").text
    assert "Where are your photos?" in page
    assert f"{PHOTO_COUNT + 1} photos" in page
    assert keys(page) == [str(home / "Pictures"), str(home)]
    started = client.post("/library/index", data={"chosen": keys(page)[0], "csrf_token": token(client)})
    assert started.status_code == 302
    job = ended(client)
    assert job["text"] == job["message"] == f"Photos: {PHOTO_COUNT} new, 1 skipped."
    newest: Any = job["newest"]
    assert len(newest) == PHOTO_COUNT
    assert newest == sorted(newest, reverse=True)
    assert (job["rate"], job["seconds_left"]) == (None, None)
    assert job["passed_over"] == [
        {
            "reason": "damaged or cut short",
            "is_photo": True,
            "files": 1,
            "examples": [str(home / "Pictures" / "broken.jpg")],
        }
    ]
    library = client.get("/library").text
    assert "damaged or cut short" in library
    assert library.count("/thumbnail") >= PHOTO_COUNT
    assert "Add a folder" in library
    again: Any = client.post("/api/v1/index").json
    assert again["state"] == "running"
    assert ended(client)["newest"] == [], "nothing came in"


def test_folders_open_one_by_one(client: FlaskClient, home: Path) -> None:
    page = client.get("/library/folders", query_string={"at": str(home)}).text
    assert keys(page) == [str(home), str(home / "Pictures")]
    assert ".secret" not in page
    inside = client.get("/library/folders", query_string={"at": str(home / "Pictures")}).text
    assert keys(inside) == [str(home / "Pictures"), str(home / "Pictures" / "deeper")]


@pytest.mark.parametrize("name", HOSTILE)
def test_folders_of_any_name_can_be_opened_and_indexed(
    client: FlaskClient, home: Path, photos: Path, name: str
) -> None:
    (home / "Pictures" / name).mkdir()
    shutil.copy(photos / "scene 05.jpg", home / "Pictures" / name / "another.jpg")
    listing: Any = client.get("/api/v1/folders", query_string={"at": str(home / "Pictures")}).json
    (folder,) = [folder for folder in listing["folders"] if folder["path"] == str(home / "Pictures" / name)]
    page = client.get("/library/folders", query_string={"at": str(home / "Pictures")}).text
    assert folder["at"] in keys(page)
    assert "<b>" not in page
    opened_page = client.get("/library/folders", query_string={"at": folder["at"]})
    assert opened_page.status_code == 200
    client.post("/library/index", data={"chosen": folder["at"], "csrf_token": token(client)})
    assert ended(client)["message"] == "Photos: 1 new."


@pytest.mark.parametrize(
    "path", ["/", "/etc", "{home}/.secret", "{home}/../library", "{home}/link", "relative", "", "~", "~nosuch"]
)
def test_nothing_else_on_the_machine_is_listed_or_indexed(client: FlaskClient, home: Path, path: str) -> None:
    (home / "link").symlink_to("/etc")
    path = path.format(home=home)
    if path not in ("", "~"):
        for address in ("/library/folders", "/api/v1/folders"):
            refused = client.get(address, query_string={"at": path})
            assert refused.status_code == 403, address
            assert "passwd" not in refused.text
    expected = 202 if path == "~" else 403
    assert client.post("/api/v1/index", json={"folders": [path]}).status_code == expected
    if path and path != "~":
        form = {"chosen": path, "csrf_token": token(client)}
        assert client.post("/library/index", data=form).status_code == 403


def test_a_form_without_a_token_indexes_nothing(client: FlaskClient, home: Path) -> None:
    assert client.post("/library/index", data={"chosen": str(home)}).status_code == 403


@pytest.mark.parametrize(
    "environ",
    [
        {"REMOTE_ADDR": "192.168.1.7"},
        {"HTTP_X_FORWARDED_FOR": "192.168.1.7"},
        {"HTTP_FORWARDED": "for=192.168.1.7"},
        {"HTTP_X_REAL_IP": "127.0.0.1"},
        {"HTTP_VIA": "1.1 proxy"},
        {"HTTP_ORIGIN": "https://photos.example.org"},
    ],
)
def test_nobody_else_sees_a_folder(client: FlaskClient, home: Path, environ: dict[str, str]) -> None:
    assert "Pictures" not in client.get("/", environ_overrides=environ).text.replace("~/Pictures", "")
    for address in ("/library/folders", "/api/v1/folders", f"/library/folders?at={home}"):
        assert client.get(address, environ_overrides=environ).status_code == 403
    refused = client.post("/api/v1/index", json={"folders": [str(home)]}, environ_overrides=environ)
    assert refused.status_code == 403


@pytest.mark.parametrize("config", [{}, {"HOSTS": HOSTS, "ROOTS": ["{home}/Pictures"]}, {"HOSTS": None}])
def test_a_server_for_others_and_one_with_roots_list_no_folder(
    home: Path, weights: Path, tmp_path: Path, config: dict[str, Any]
) -> None:
    roots = [Path(root.format(home=home)) for root in config.get("ROOTS", ())]
    with opened(tmp_path / "library", weights, **config | {"ROOTS": roots}) as app:
        client = app.test_client()
        assert 'name="chosen"' not in client.get("/").text
        assert "Add a folder</a>" not in client.get("/library").text
        assert client.get("/library/folders").status_code == 403
        assert client.post("/api/v1/index", json={"folders": [str(home)]}).status_code == 403


def test_a_password_ends_the_listing_at_once(client: FlaskClient, home: Path, tmp_path: Path) -> None:
    assert client.get("/library/folders").status_code == 200
    set_password(tmp_path / "library", "long enough")
    assert client.get("/library/folders").status_code == 403
    assert client.post("/api/v1/index", json={"folders": [str(home)]}).status_code == 403
    assert 'name="chosen"' not in client.get("/").text
