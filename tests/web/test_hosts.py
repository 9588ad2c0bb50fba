"""The server answers under its own names only, however they are spelled, so that no other site can take its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.web.applications import opened


@pytest.fixture(scope="module")
def here(indexed: Path, weights: Path) -> Iterator[FlaskClient]:
    with opened(indexed, weights, HOSTS=("localhost", "127.0.0.1", "::1", "My-Machine")) as app:
        yield app.test_client()


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8080",
        "localhost:80",
        "localhost:",
        "LOCALHOST:8080",
        "localhost.:8080",
        "127.0.0.1",
        "127.0.0.1:8080",
        "127.0.0.1.:8080",
        "[::1]",
        "[::1]:8080",
        "[0:0:0:0:0:0:0:1]:8080",
        "[::ffff:127.0.0.1]:8080",
        "my-machine:8080",
        "MY-MACHINE.",
    ],
)
def test_a_name_of_its_own_is_answered(here: FlaskClient, host: str) -> None:
    assert here.get("/", headers={"Host": host}).status_code == 200
    assert here.get("/api/v1/status", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "elsewhere.example",
        "localhost.elsewhere.example:8080",
        "127.0.0.1.elsewhere.example",
        "elsewhere.localhost",
        "localhost..",
        "localhost@elsewhere.example",
        "elsewhere.example@localhost",
        "localhost:8080@elsewhere.example",
        "localhost:80:80",
        "localhost/",
        "localhost#elsewhere.example",
        "elsewhere.example\\localhost",
        "localhost elsewhere.example",
        "[::1",
        "::1",
        "[::2]",
        "[::1].elsewhere.example",
        "192.168.0.2",
        "",
    ],
)
def test_any_other_is_refused(here: FlaskClient, host: str) -> None:
    for address in ("/", "/api/v1/search?q=dog", "/healthz", "/nothing"):
        answer = here.get(address, headers={"Host": host})
        assert answer.status_code == 400
        assert "only to localhost, 127.0.0.1, ::1" in answer.text


@pytest.mark.parametrize("host", ["localhost..", ".", "a..b", "x" * 70, "ü", "localhost:x", "[", ""])
def test_an_impossible_name_is_no_bug_of_ours(client: FlaskClient, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code in (200, 400)
