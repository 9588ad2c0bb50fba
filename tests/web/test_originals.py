"""The files of photos as they are: downloaded whole or in parts, and shown in the file manager."""

from __future__ import annotations

import os
import shutil
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.test import TestResponse

from tests.engine.libraries import index
from tests.waiting import wait_until
from tests.web.applications import hits, opened
from web.media_types import media_type
from web.service import service_of

LOOPBACK = {"REMOTE_ADDR": "127.0.0.1"}


@pytest.fixture
def folder(photos: Path, tmp_path: Path) -> Path:
    return shutil.copytree(photos, tmp_path / "photos")


@pytest.fixture
def own(folder: Path, weights: Path, tmp_path: Path) -> Iterator[FlaskClient]:
    """A client of a library of `folder`, to do things to."""
    index(tmp_path / "library", folder, weights)
    with opened(tmp_path / "library", weights) as app:
        yield app.test_client()


NAMES = {
    "Übung Café.jpg": "Ubung Cafe.jpg",
    "東京タワー.jpg": "photo.jpg",
    'say "hi"; x=1.jpg': "say _hi_; x=1.jpg",
    "a\\b*c?.jpg": "a_b_c_.jpg",
    "evil\u202egpj.jpg": "evil_gpj.jpg",
    "line\r\nbreak.jpg": "line_break.jpg",
    "😀.jpg": "photo.jpg",
    os.fsdecode(b"caf\xe9.jpg"): "caf_.jpg",
}
"""Names of photos, and what all systems take in their place."""
KINDS = {
    "a.png": ("PNG", "image/png"),
    "a.gif": ("GIF", "image/gif"),
    "a.webp": ("WEBP", "image/webp"),
    "a.tif": ("TIFF", "image/tiff"),
    "a.bmp": ("BMP", "image/bmp"),
    "b.png": ("JPEG", "image/jpeg"),
}
FOLDERS = ("-h", "$(touch evil)", "a;b", "`x`", "two words", "%20 'q' \"w\"", "line\nbreak")


@pytest.fixture(scope="module")
def odd(
    photos: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[FlaskClient, Path, dict[Path, int]]]:
    """A client of a library of photos with odd names, of odd kinds and in odd folders; their folder, and their ids."""
    folder = tmp_path_factory.mktemp("odd") / "photos"
    scene = (photos / "scene 01.jpg").read_bytes()
    for path in (*(folder / name for name in NAMES), *(folder / name / "-x.jpg" for name in FOLDERS)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(scene + os.fsencode(path))
    for name, (kind, _) in KINDS.items():
        Image.effect_noise((64, 64), 50).convert("RGB").save(folder / name, format=kind)
    index(folder.parent / "library", folder, weights)
    with opened(folder.parent / "library", weights) as app:
        view = service_of(app).view()
        paths = view.paths(view.photo_ids().tolist())
        yield app.test_client(), folder, {Path(path): photo_id for photo_id, (path,) in paths.items()}


def address(client: FlaskClient, name: str, what: str = "original") -> str:
    photo_id = next(hit["photo_id"] for hit in hits(client) if Path(hit["path"]).name == name)
    return f"/api/v1/photos/{photo_id}/{what}"


def get(client: FlaskClient, address: str, **options: Any) -> TestResponse:
    """The whole answer: the file is closed."""
    return client.open(address, buffered=True, **options)


def problem(answer: TestResponse) -> str:
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
    return str(answer.get_json(force=True)["detail"])


class TestDownload:
    def test_the_file_comes_as_it_is(self, own: FlaskClient, folder: Path) -> None:
        answer = get(own, address(own, "scene 01.jpg"))
        assert answer.data == (folder / "scene 01.jpg").read_bytes()
        assert answer.mimetype == "image/jpeg"
        assert answer.content_length == len(answer.data)
        assert answer.headers["Content-Disposition"] == 'attachment; filename="scene 01.jpg"'
        assert answer.headers["X-Content-Type-Options"] == "nosniff"

    def test_a_part_of_it_is_enough(self, own: FlaskClient, folder: Path) -> None:
        there, content = address(own, "scene 01.jpg"), (folder / "scene 01.jpg").read_bytes()
        size = len(content)
        for asked, part in (
            ("bytes=0-9", content[:10]),
            ("bytes=10-", content[10:]),
            ("bytes=-7", content[-7:]),
            (f"bytes=5-{size + 99}", content[5:]),
        ):
            answer = get(own, there, headers={"Range": asked})
            assert (answer.status_code, answer.data) == (206, part), asked
            assert answer.headers["Content-Range"].endswith(f"/{size}")
            assert answer.content_length == len(part)
        assert get(own, there, headers={"Range": f"bytes={size}-"}).status_code == 416
        for whole in ("bytes=0-3,8-9", "lines=1-2", "bytes=x"):
            answer = get(own, there, headers={"Range": whole})
            assert (answer.status_code, answer.data) == (200, content), whole
        head = get(own, there, method="HEAD")
        assert (head.status_code, head.data, head.content_length) == (200, b"", size)
        assert head.headers["Accept-Ranges"] == "bytes"

    def test_it_comes_once_and_again_only_when_it_has_changed(self, client: FlaskClient) -> None:
        there = address(client, "scene 01.jpg")
        first = get(client, there)
        for header, name in (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified")):
            again = get(client, there, headers={header: first.headers[name]})
            assert (again.status_code, again.data) == (304, b"")
        stale = {"Range": "bytes=0-9", "If-Range": '"another"'}
        assert get(client, there, headers=stale).status_code == 200, "a part of another file is of no use"
        fresh = {"Range": "bytes=0-9", "If-Range": first.headers["ETag"]}
        assert get(client, there, headers=fresh).status_code == 206

    @pytest.mark.parametrize(("name", "plain"), NAMES.items())
    def test_it_is_saved_under_its_name_without_what_no_system_takes(
        self, odd: tuple[FlaskClient, Path, dict[Path, int]], name: str, plain: str
    ) -> None:
        client, folder, ids = odd
        answer = get(client, f"/api/v1/photos/{ids[folder / name]}/original")
        header = answer.headers["Content-Disposition"]
        assert answer.status_code == 200
        assert header.startswith("attachment; filename=")
        assert plain in header
        if "filename*" in header:
            saved = unquote(header.partition("filename*=UTF-8''")[2])
            assert saved == unicodedata.normalize("NFC", saved)
            assert not {"/", "\\", "\n", "\r", "\u202e", '"'} & set(saved)
            assert saved.endswith(".jpg")

    @pytest.mark.parametrize("name", KINDS)
    def test_its_type_is_what_it_holds_not_what_it_is_called(
        self, odd: tuple[FlaskClient, Path, dict[Path, int]], name: str
    ) -> None:
        client, folder, ids = odd
        answer = get(client, f"/api/v1/photos/{ids[folder / name]}/original")
        assert answer.mimetype == KINDS[name][1]

    @pytest.mark.parametrize(
        ("path", "start", "expected"),
        [
            ("a.jpg", b"<svg xmlns='http://www.w3.org/2000/svg'>", "application/octet-stream"),
            ("a.svg", b"<?xml version='1.0'?><svg>", "application/octet-stream"),
            ("a.png", b"<!doctype html><script>", "application/octet-stream"),
            ("a.html", b"\xff\xd8\xff\xe0<script>", "image/jpeg"),
            ("a.jpg", b"", "application/octet-stream"),
            ("a.pdf", b"%PDF-1.7", "application/octet-stream"),
            ("a.heic", b"\0\0\0\x18ftypheic", "image/heic"),
            ("a.avif", b"\0\0\0\x18ftypavif", "image/avif"),
            ("a.hif", b"\0\0\0\x18ftypmif1", "image/heif"),
            ("a.NEF", b"MM\0*", "image/x-nikon-nef"),
            ("a.dng", b"II*\0", "image/x-adobe-dng"),
            ("a.jxl", b"\xff\x0a", "image/jxl"),
        ],
    )
    def test_nothing_is_called_a_page_a_drawing_or_a_document(self, path: str, start: bytes, expected: str) -> None:
        assert media_type(path, start) == expected


class TestMissing:
    def test_a_file_that_is_gone_is_told_with_the_remedy(self, own: FlaskClient, folder: Path) -> None:
        there = address(own, "scene 01.jpg")
        (folder / "scene 01.jpg").rename(folder / "moved.jpg")
        detail = problem(get(own, there))
        assert "scene 01.jpg" in detail
        assert "was moved or deleted since it was indexed" in detail
        assert "`pixelseek index` finds it again" in detail

    @pytest.mark.parametrize("change", ["other photo", "page", "link", "pipe", "folder"])
    def test_another_file_in_its_place_is_never_served(
        self, own: FlaskClient, folder: Path, tmp_path: Path, change: str
    ) -> None:
        there, path = address(own, "scene 01.jpg"), folder / "scene 01.jpg"
        (tmp_path / "secret").write_bytes(b"secret")
        path.unlink()
        match change:
            case "other photo":
                Image.new("RGB", (9, 9)).save(path)
            case "page":
                path.write_text("<script>alert(1)</script>")
            case "link":
                path.symlink_to(tmp_path / "secret")
            case "pipe":
                os.mkfifo(path)
            case "folder":
                path.mkdir()
        answer = get(own, there)
        assert "has changed since it was indexed" in problem(answer)

    def test_a_file_on_a_disk_that_is_away_says_so(self, own: FlaskClient, folder: Path, tmp_path: Path) -> None:
        there = address(own, "scene 01.jpg")
        folder.rename(tmp_path / "unplugged")
        assert "cannot be reached now. Plug in or mount the disk" in problem(get(own, there))

    def test_a_file_that_may_not_be_read_is_no_crash(self, own: FlaskClient, folder: Path) -> None:
        there, path = address(own, "scene 01.jpg"), folder / "scene 01.jpg"
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("this user may read every file")
        assert problem(get(own, there))

    def test_a_copy_is_served_where_the_first_file_is_gone(self, photos: Path, weights: Path, tmp_path: Path) -> None:
        (tmp_path / "photos").mkdir()
        for name in ("a.jpg", "b.jpg"):
            shutil.copy(photos / "scene 01.jpg", tmp_path / "photos" / name)
        index(tmp_path / "library", tmp_path / "photos", weights)
        with opened(tmp_path / "library", weights) as app:
            client = app.test_client()
            there = f"/api/v1/photos/{hits(client)[0]['photo_id']}/original"
            (tmp_path / "photos" / "a.jpg").unlink()
            assert get(client, there).data == (photos / "scene 01.jpg").read_bytes()
            (tmp_path / "photos" / "b.jpg").unlink()
            assert "2 files of this photo are known; none can be had" in problem(get(client, there))

    def test_a_photo_that_was_removed_is_not_served(
        self, own: FlaskClient, folder: Path, weights: Path, tmp_path: Path
    ) -> None:
        there = address(own, "scene 01.jpg")
        from tests.cli.commands import pixelseek

        assert pixelseek("library", "remove", folder, "--library", tmp_path / "library").exit_code == 0
        assert "no longer in the library" in problem(get(own, there))
        assert problem(get(own, "/api/v1/photos/999999/original"))


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a display, and a program in place of the file manager, which writes its arguments to a file."""
    programs, arguments = tmp_path / "bin", tmp_path / "arguments"
    programs.mkdir()
    for name in ("xdg-open", "open"):
        program = programs / name
        program.write_text(
            f'#!/bin/sh\nfor argument; do printf "%s\\0" "$argument"; done >"{arguments}.new"\n'
            f'mv "{arguments}.new" "{arguments}"\n'
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("DISPLAY", ":99")
    return arguments


def shown(arguments: Path) -> list[str]:
    """What the file manager was started with."""
    wait_until(arguments.exists)
    return os.fsdecode(arguments.read_bytes()).split("\0")[:-1]


class TestShow:
    def test_the_folder_of_a_photo_opens(self, own: FlaskClient, folder: Path, desktop: Path) -> None:
        answer = own.post(address(own, "scene 01.jpg", "show"))
        assert (answer.status_code, answer.get_json()) == (200, {"path": str(folder / "scene 01.jpg")})
        assert shown(desktop) == [str(folder)]

    @pytest.mark.parametrize("name", FOLDERS)
    def test_no_name_is_a_command(
        self, odd: tuple[FlaskClient, Path, dict[Path, int]], desktop: Path, name: str
    ) -> None:
        client, folder, ids = odd
        assert client.post(f"/api/v1/photos/{ids[folder / name / '-x.jpg']}/show").status_code == 200
        assert shown(desktop) == [str(folder / name)]

    @pytest.mark.parametrize(
        ("from_address", "headers"),
        [
            ("192.0.2.7", {}),
            ("2001:db8::1", {}),
            ("", {}),
            ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}),
            ("127.0.0.1", {"X-Forwarded-Proto": "https"}),
            ("127.0.0.1", {"Forwarded": "for=192.0.2.7"}),
            ("127.0.0.1", {"X-Real-IP": "192.0.2.7"}),
            ("127.0.0.1", {"Via": "1.1 proxy"}),
            ("127.0.0.1", {"CF-Connecting-IP": "192.0.2.7"}),
            ("127.0.0.1", {"Origin": "https://photos.example", "Sec-Fetch-Site": "same-origin"}),
            ("127.0.0.1", {"Origin": "http://[", "Sec-Fetch-Site": "same-origin"}),
        ],
    )
    def test_nobody_on_another_machine_opens_a_folder_here(
        self, client: FlaskClient, desktop: Path, from_address: str, headers: dict[str, str]
    ) -> None:
        answer = client.post(
            address(client, "scene 01.jpg", "show"), headers=headers, environ_overrides={"REMOTE_ADDR": from_address}
        )
        assert answer.status_code == 403
        assert "on the machine where Pixelseek runs" in answer.get_json(force=True)["detail"]
        assert not desktop.exists()

    @pytest.mark.parametrize("from_address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
    def test_this_machine_may_under_each_of_its_addresses(
        self, client: FlaskClient, desktop: Path, from_address: str
    ) -> None:
        there, own = address(client, "scene 01.jpg", "show"), {"REMOTE_ADDR": from_address}
        origin = {"Origin": "http://localhost:8080", "Sec-Fetch-Site": "same-origin"}
        assert client.post(there, environ_overrides=own, headers=origin).status_code == 200

    def test_without_a_desktop_it_says_what_to_do(
        self, client: FlaskClient, desktop: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        there = address(client, "scene 01.jpg", "show")
        for name, value in (("DISPLAY", ""), ("PATH", "/nowhere")):
            with monkeypatch.context() as bare:
                bare.setenv(name, value)
                bare.delenv("WAYLAND_DISPLAY", raising=False)
                answer = client.post(there)
            assert answer.status_code == 501
            assert "Copy the path instead" in answer.get_json(force=True)["detail"]
        assert not desktop.exists()

    def test_a_photo_that_is_gone_has_no_folder_to_show(self, own: FlaskClient, folder: Path, desktop: Path) -> None:
        there = address(own, "scene 01.jpg", "show")
        (folder / "scene 01.jpg").unlink()
        assert "was moved or deleted" in problem(own.post(there))
        assert not desktop.exists()
