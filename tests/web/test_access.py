from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from flask.testing import FlaskClient

from tests.web.applications import hits, opened
from web.access import PasswordTooShort, PasswordUnreadable, password_hash, remove_password, set_password

PASSWORD = "correct horse"


@pytest.fixture
def guarded(library: Path, weights: Path) -> Iterator[FlaskClient]:
    set_password(library, PASSWORD)
    with opened(library, weights) as app:
        yield app.test_client()


@pytest.mark.parametrize("address", ["/", "/library", "/api/v1/search?q=dog", "/api/v1/photos/1/thumbnail", "/metrics"])
def test_whoever_does_not_know_the_password_sees_nothing(guarded: FlaskClient, address: str) -> None:
    for credentials in ({}, {"auth": ("anyone", "wrong password")}):
        answer = guarded.get(address, **credentials)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
        assert "scene" not in answer.text


def test_the_password_opens_under_any_user_name_and_as_a_token(guarded: FlaskClient) -> None:
    assert guarded.get("/", auth=("anyone", PASSWORD)).status_code == 200
    assert guarded.get("/", headers={"Authorization": f"Bearer {PASSWORD}"}).status_code == 200
    assert guarded.get("/", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert guarded.get("/", headers={"Authorization": "Bearer"}).status_code == 401


@pytest.mark.parametrize("password", ["pä:ss wörd€", "correct=horse=", "Bearer horse", "ÃÃÃÃÃÃÃÃ", "日本語パスワード"])
def test_any_password_is_a_token(library: Path, weights: Path, password: str) -> None:
    set_password(library, password)
    with opened(library, weights) as app:
        for sent in (password.encode(), *([password.encode("latin-1")] if password.startswith("Ã") else [])):
            headers = {"Authorization": f"Bearer {sent.decode('latin-1')}"}
            assert app.test_client().get("/", headers=headers).status_code == 200
        assert app.test_client().get("/", auth=("anyone", password)).status_code == 200
        assert app.test_client().get("/", headers={"Authorization": "Bearer pä"}).status_code == 401


@pytest.mark.parametrize("text", ["pä:ss wörd€", "", "correct horse", "scrypt:1$salt", "\0"])
def test_a_file_that_is_no_hash_of_a_password_is_named(library: Path, text: str) -> None:
    (library / "password").write_text(text, encoding="utf-8")
    with pytest.raises(PasswordUnreadable, match=r"password is no hash of a password\. .*pixelseek library password"):
        password_hash(library)
    set_password(library, PASSWORD)
    assert password_hash(library)


def test_health_is_told_without_a_password(guarded: FlaskClient) -> None:
    assert guarded.get("/healthz").status_code == 200


def test_after_many_wrong_passwords_even_the_right_one_waits(guarded: FlaskClient) -> None:
    for guess in range(10):
        assert guarded.get("/", auth=("anyone", f"guess {guess}")).status_code == 401
    answer = guarded.get("/api/v1/status", auth=("anyone", PASSWORD))
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "60"
    elsewhere = {"REMOTE_ADDR": "192.0.2.1"}
    assert guarded.get("/", auth=("anyone", PASSWORD), environ_overrides=elsewhere).status_code == 200


def answers_at_once(client: FlaskClient, passwords: Sequence[str], *, as_token: bool = False) -> list[int]:
    """The status of requests that all come at the same time, one with each password."""
    all_are_there = Barrier(len(passwords))

    def ask(password: str) -> int:
        header = {"Authorization": f"Bearer {password}"} if as_token else {}
        all_are_there.wait()
        one = client.application.test_client()
        return one.get("/api/v1/status", headers=header, auth=None if as_token else ("anyone", password)).status_code

    with ThreadPoolExecutor(len(passwords)) as people:
        return list(people.map(ask, passwords))


@pytest.mark.parametrize("as_token", [False, True])
def test_of_many_wrong_passwords_at_once_no_more_than_ten_are_looked_at(guarded: FlaskClient, as_token: bool) -> None:
    guesses = [f"guess {guess}" for guess in range(40)]
    assert Counter(answers_at_once(guarded, guesses, as_token=as_token)) == {401: 10, 429: 30}


def test_the_right_password_opens_however_often_it_comes_at_once(guarded: FlaskClient) -> None:
    assert answers_at_once(guarded, [PASSWORD] * 30) == [200] * 30


def test_the_right_password_opens_amid_a_few_wrong_ones(guarded: FlaskClient) -> None:
    wrong = [f"guess {guess}" for guess in range(9)]
    assert answers_at_once(guarded, [*wrong, *[PASSWORD] * 5]) == [401] * 9 + [200] * 5


def test_whoever_is_in_stays_in_while_others_guess(guarded: FlaskClient) -> None:
    assert guarded.get("/", auth=("anyone", PASSWORD)).status_code == 200
    for guess in range(11):
        guarded.get("/", auth=("anyone", f"guess {guess}"))
    assert guarded.get("/", auth=("anyone", PASSWORD)).status_code == 200


def test_only_a_hash_of_the_password_is_kept_for_the_owner_alone(tmp_path: Path) -> None:
    set_password(tmp_path, PASSWORD)
    file = tmp_path / "password"
    assert PASSWORD not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert password_hash(tmp_path)
    remove_password(tmp_path)
    remove_password(tmp_path)
    assert password_hash(tmp_path) is None


def test_a_short_password_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PasswordTooShort, match="8 characters"):
        set_password(tmp_path, "short")


def test_a_header_cannot_be_smuggled_into_an_answer(client: FlaskClient) -> None:
    answer = client.get(
        "/", query_string={"q": "dog\r\nX-Injected: yes", "cursor": "forgotten123.1\r\nX-Injected: yes"}
    )
    assert answer.status_code == 302
    assert "X-Injected" not in answer.headers


def test_a_photo_is_served_by_its_id_only(client: FlaskClient) -> None:
    path = hits(client)[0]["path"]
    for address in (f"/{path}", f"/static/{path}", f"/static/../..{path}", f"/api/v1/photos/{path}/image"):
        assert client.get(address, follow_redirects=True).status_code == 404
