"""What changes something comes from our own pages or from programs; no other site can send it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import TimestampSigner

from tests.engine.libraries import SENTENCE
from tests.web.applications import hits, opened, token
from web.access import set_password

PASSWORD = "correct horse"
OTHER_MACHINE = {"Host": "192.0.2.2:8080", "Origin": "null"}
"""What a browser sends from another machine over plain HTTP."""
PROXY = {"Host": "localhost", "Origin": "https://photos.example"}
"""What comes through the documented proxy from a browser that knows no Sec-Fetch-Site."""
TLS_PROXY = {**PROXY, "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def guarded(library: Path, weights: Path) -> Iterator[FlaskClient]:
    set_password(library, PASSWORD)
    with opened(library, weights) as app:
        yield app.test_client()


@pytest.mark.parametrize("headers", [{}, OTHER_MACHINE, PROXY, TLS_PROXY], ids=["local", "lan", "proxy", "tls"])
def test_a_form_works_wherever_its_page_was_opened(client: FlaskClient, headers: dict[str, str]) -> None:
    form = {"csrf_token": token(client, headers=headers)}
    assert client.post("/library/cancel", data=form, headers=headers).status_code == 302


def test_every_form_that_is_posted_holds_a_token(client: FlaskClient) -> None:
    photo_id = hits(client)[0]["photo_id"]
    for address in ("/", f"/?q={SENTENCE}", f"/photos/{photo_id}?q=dog", "/library", "/similar", "/nothing"):
        page = client.get(address).text
        forms = re.findall(r"<form[^>]*method=.?post.*?</form>", page, re.DOTALL | re.IGNORECASE)
        assert all('name="csrf_token" value="form.' in form for form in forms), address
        assert '<meta name="csrf-token" content="form.' in page, "for a photo that is dropped"


def test_every_page_that_takes_a_form_asks_for_the_token(client: FlaskClient, app: Flask) -> None:
    posted = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.methods and rule.methods - {"GET", "HEAD", "OPTIONS"} and not rule.endpoint.startswith("api.")
    ]
    assert len(posted) >= 3
    for address in posted:
        for headers in ({}, OTHER_MACHINE, {"Sec-Fetch-Site": "same-origin"}):
            assert client.post(re.sub("<[^>]*>", "7", address), headers=headers).status_code == 403


@pytest.mark.parametrize("forged", ["", "form", "form.", "form.a.b", "form.aaaaaa.AAAA", "\x00", "ü", "x" * 100_000])
def test_what_is_no_token_is_refused(client: FlaskClient, forged: str) -> None:
    assert client.post("/library/cancel", data={"csrf_token": forged}).status_code == 403


def test_a_token_in_the_address_or_in_a_cookie_counts_for_nothing(client: FlaskClient) -> None:
    client.set_cookie("csrf_token", token(client))
    assert client.post(f"/library/cancel?csrf_token={token(client)}").status_code == 403


def test_a_token_of_another_server_or_of_an_old_page_is_refused(client: FlaskClient, guarded: FlaskClient) -> None:
    others = token(guarded, auth=("anyone", PASSWORD))
    assert client.post("/library/cancel", data={"csrf_token": others}).status_code == 403
    eight_days_old = _signed_days_ago(client, 8)
    answer = client.post("/library/cancel", data={"csrf_token": eight_days_old})
    assert answer.status_code == 403
    assert "load the page again" in answer.text
    assert client.post("/library/cancel", data={"csrf_token": _signed_days_ago(client, 6)}).status_code == 302


def test_with_a_password_an_open_page_outlasts_a_restart(library: Path, weights: Path) -> None:
    set_password(library, PASSWORD)
    known = {"auth": ("anyone", PASSWORD)}
    with opened(library, weights) as app:
        before = token(app.test_client(), **known)
    with opened(library, weights) as app:
        client = app.test_client()
        assert client.post("/library/cancel", data={"csrf_token": before}, **known).status_code == 302
    set_password(library, "another password")
    with opened(library, weights) as app:
        client = app.test_client()
        changed = {"auth": ("anyone", "another password")}
        assert client.post("/library/cancel", data={"csrf_token": before}, **changed).status_code == 403


def test_no_stranger_is_given_a_token(guarded: FlaskClient, library: Path, weights: Path) -> None:
    for address in ("/", "/static/nothing", "/nothing", "/shapes.css", "/healthz"):
        for method in ("GET", "POST"):
            assert "form." not in guarded.open(address, method=method).text, address
    for guess in range(11):
        assert "form." not in guarded.get("/", auth=("anyone", f"guess {guess}")).text
    with opened(library, weights, HOSTS=["localhost"]) as app:
        assert "form." not in app.test_client().get("/", headers={"Host": "elsewhere.example"}).text


def test_a_form_is_not_read_before_the_password_is_known(guarded: FlaskClient) -> None:
    assert guarded.post("/similar", data=b"x", content_type="multipart/form-data").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": ""},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://localhost:8081"},
        {"Origin": "https://localhost"},
        {"Origin": "http://localhost@elsewhere.example"},
        {"Origin": "http://[::1"},
        {"Origin": "http://localhost:99999"},
        {"Origin": "file://"},
    ],
)
def test_other_sites_change_nothing_through_the_api(client: FlaskClient, headers: dict[str, str]) -> None:
    headers = {"Host": "localhost:80", **headers}
    for method, address in (("POST", "/api/v1/index"), ("DELETE", "/api/v1/index"), ("POST", "/api/v1/search")):
        assert client.open(address, method=method, headers=headers).status_code == 403
    assert client.get("/api/v1/index", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("host", "headers"),
    [
        ("localhost", {}),
        ("localhost", {"Sec-Fetch-Site": "same-origin"}),
        ("localhost", {"Sec-Fetch-Site": "none"}),
        ("localhost", {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}),
        ("localhost", {"Sec-Fetch-Site": "same-origin", "Origin": "https://photos.example"}),
        ("localhost", {"Origin": "http://localhost"}),
        ("localhost:80", {"Origin": "http://localhost"}),
        ("LocalHost.", {"Origin": "http://localhost"}),
        ("localhost:8080", {"Origin": "http://localhost:8080"}),
        ("photos.example", {"Origin": "https://photos.example"}),
        ("[::1]:8080", {"Origin": "http://[::1]:8080"}),
    ],
)
def test_programs_and_our_own_pages_may(client: FlaskClient, host: str, headers: dict[str, str]) -> None:
    assert client.post("/api/v1/search", json={"q": "dog"}, headers={"Host": host, **headers}).status_code == 200


def _signed_days_ago(client: FlaskClient, days: int) -> str:
    """A token of the server that `client` asks, as it made it `days` ago."""
    now = TimestampSigner.get_timestamp
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TimestampSigner, "get_timestamp", lambda signer: now(signer) - days * 86400)
        return token(client)
