"""Downloads from a real server: resumed where they stopped, checked, unpacked, never fetched twice."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from model.data.downloading import DATASETS, RemoteFile, download_files
from model.data.source import DatasetError


def archive(**files: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, text in files.items():
            file.writestr(f"photos/{name}.txt", text)
    return packed.getvalue()


@dataclass
class Server:
    """Serves `content` under any name; hangs up after `cut` bytes of an answer."""

    content: bytes
    cut: int | None = None
    ranges: bool = True
    chunked: bool = False
    asked: list[str | None] = field(default_factory=list)
    url: str = ""

    def file(self, md5: str | None = None) -> RemoteFile:
        return RemoteFile(f"{self.url}/photos.zip", md5)

    @property
    def md5(self) -> str:
        return hashlib.md5(self.content).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server(archive(one="1" * 5000, two="2"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            served.asked.append(wanted)
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and served.ranges else 0
            if start >= len(served.content):
                self.send_error(416)
                return
            body = served.content[start:]
            self.send_response(206 if start else 200)
            if served.chunked:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(f"{len(body):x}\r\n".encode())
            else:
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
            self.wfile.write(body[: served.cut])

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        served.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield served
        listening.shutdown()
        thread.join()


def test_a_file_is_fetched_and_unpacked(server: Server, tmp_path: Path) -> None:
    download_files([server.file(server.md5)], tmp_path, progress=False)
    assert (tmp_path / "photos" / "one.txt").read_text() == "1" * 5000
    assert (tmp_path / "photos" / "two.txt").read_text() == "2"
    assert not (tmp_path / "photos.zip.partial").exists()


def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        download_files([server.file(server.md5)], tmp_path, progress=False)
    assert server.asked == [None]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_download_that_broke_off_says_how_to_go_on(server: Server, tmp_path: Path, chunked: bool) -> None:
    server.cut, server.chunked = 1000, chunked
    with pytest.raises(DatasetError, match=r"cannot be fetched: .* goes on from here"):
        download_files([server.file(server.md5)], tmp_path, progress=False)


def test_a_download_that_broke_off_goes_on(server: Server, tmp_path: Path) -> None:
    server.cut = 1000
    with pytest.raises(DatasetError, match=r"cannot be fetched: .* goes on from here"):
        download_files([server.file(server.md5)], tmp_path, progress=False)
    assert not (tmp_path / "photos.zip").exists()
    server.cut = None
    download_files([server.file(server.md5)], tmp_path, progress=False)
    assert server.asked == [None, "bytes=1000-"]
    assert (tmp_path / "photos" / "two.txt").read_text() == "2"


def test_a_server_that_cannot_resume_starts_over(server: Server, tmp_path: Path) -> None:
    (tmp_path / "photos.zip.partial").write_bytes(server.content[:700])
    server.ranges = False
    download_files([server.file(server.md5)], tmp_path, progress=False)
    assert (tmp_path / "photos.zip").read_bytes() == server.content


def test_a_file_that_had_arrived_whole_is_only_checked(server: Server, tmp_path: Path) -> None:
    (tmp_path / "photos.zip.partial").write_bytes(server.content)
    download_files([server.file(server.md5)], tmp_path, progress=False)
    assert (tmp_path / "photos" / "two.txt").read_text() == "2"


@pytest.mark.parametrize("md5", ["0" * 32, None])
def test_a_file_that_is_not_the_published_one_is_deleted(server: Server, tmp_path: Path, md5: str | None) -> None:
    server.content = server.content if md5 else b"<html>not here any more</html>"
    with pytest.raises(DatasetError, match="not the file that was published"):
        download_files([server.file(md5)], tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_half_unpacked_archive_is_unpacked_again(server: Server, tmp_path: Path) -> None:
    download_files([server.file(server.md5)], tmp_path, progress=False)
    (tmp_path / "photos" / "one.txt").write_text("cut short")
    download_files([server.file(server.md5)], tmp_path, progress=False)
    assert (tmp_path / "photos" / "one.txt").read_text() == "1" * 5000


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be fetched"):
        download_files([RemoteFile("http://127.0.0.1:9/photos.zip")], tmp_path, progress=False)


def test_every_file_of_coco_has_a_published_checksum() -> None:
    for files in DATASETS.values():
        assert all(file.md5 for file in files if "cocodataset" in file.url)
