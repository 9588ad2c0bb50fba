"""What a terminal gets that a pipe does not: short paths and links. Both run in processes of their own."""

from __future__ import annotations

import os
import pty
import re
import socket
import subprocess
import sys
import termios
import tty
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

import pytest

from cli.paths import short_path
from tests.cli.commands import ROOT, RUN, pixelseek
from tests.engine.libraries import PHOTO_COUNT, SENTENCE

LINK = re.compile(r"\x1b\]8;;file://([^/\x1b]*)([^\x1b]*)\x1b\\(.*?)\x1b\]8;;\x1b\\")


def on_a_terminal(
    *arguments: str | Path,
    folder: Path,
    environment: dict[str, str] | None = None,
    answers: dict[bytes, bytes] | None = None,
) -> str:
    """What `pixelseek` with these arguments, started in `folder`, prints on a terminal.

    The terminal `answers` what it is asked.
    """
    own, its = pty.openpty()
    tty.setraw(its)
    termios.tcsetwinsize(its, (50, 100))
    kept = {name: value for name, value in os.environ.items() if name not in ("FORCE_HYPERLINK", "WT_SESSION")}
    with subprocess.Popen(
        [sys.executable, "-c", RUN, *map(str, arguments)],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **(environment or {})},
        stdin=its,
        stdout=its,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(its)
        printed = b""
        while chunk := _read(own):
            printed += chunk
            for question, answer in (answers or {}).items():
                if question in chunk:
                    os.write(own, answer)
    os.close(own)
    assert process.returncode == 0, printed
    return printed.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so where the process has ended
        return b""


def test_hits_are_short_paths_and_links_on_a_terminal(indexed: Path, photos: Path, quick_weights: Path) -> None:
    where = ("--library", indexed, "--weights", quick_weights)
    printed = on_a_terminal("search", SENTENCE, *where, folder=photos)
    links = LINK.findall(printed)
    assert len(links) == PHOTO_COUNT
    assert {host for host, _, _ in links} == {socket.gethostname()}
    assert {unquote(address, errors="surrogateescape") for _, address, _ in links} == {
        str(path) for path in photos.rglob("*.jpg") if path.name != "broken.jpg"
    }
    assert {text for _, _, text in links} == {f"scene {row:02}.jpg" for row in range(1, PHOTO_COUNT)} | {
        r"deeper/caf\udce9\n.jpg"
    }


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"TERM": "linux"}, {"TERM": ""}, {"FORCE_HYPERLINK": "0"}])
def test_a_terminal_that_takes_no_links_gets_none(
    indexed: Path, photos: Path, quick_weights: Path, environment: dict[str, str]
) -> None:
    where = ("--library", indexed, "--weights", quick_weights, "--limit", "2")
    printed = on_a_terminal("similar", photos / "scene 05.jpg", *where, folder=photos, environment=environment)
    assert "\x1b" not in printed
    assert printed.count(".jpg\n") == 2
    assert str(photos) not in printed


def test_a_link_is_forced_where_the_terminal_is_not_known(indexed: Path, photos: Path, quick_weights: Path) -> None:
    where = ("--library", indexed, "--weights", quick_weights, "--limit", "1")
    printed = on_a_terminal(
        "search", SENTENCE, *where, folder=photos, environment={"TERM": "dumb", "FORCE_HYPERLINK": "1"}
    )
    assert len(LINK.findall(printed)) == 1


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/home/mary/Pictures/2021/a.jpg", "a.jpg"),
        ("/home/mary/Pictures/2021/deeper/a.jpg", "deeper/a.jpg"),
        ("/home/mary/Pictures/2020/a.jpg", "../2020/a.jpg"),
        ("/home/mary/a.jpg", "~/a.jpg"),
        ("/home/mary2/a.jpg", "/home/mary2/a.jpg"),
        ("/a.jpg", "/a.jpg"),
        ("/media/camera/a.jpg", "/media/camera/a.jpg"),
        ("/home/mary/Pictures/2021/-rf.jpg", "./-rf.jpg"),
        ("/home/mary/Pictures/2021/~root/a.jpg", "./~root/a.jpg"),
    ],
)
def test_a_path_is_written_in_the_shortest_way(monkeypatch: pytest.MonkeyPatch, path: str, shown: str) -> None:
    monkeypatch.setattr(os, "getcwd", lambda: "/home/mary/Pictures/2021")
    monkeypatch.setenv("HOME", "/home/mary")
    assert short_path(path) == shown


def test_a_path_is_whole_where_the_current_folder_is_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert short_path("/media/a.jpg") == "/media/a.jpg"


SIXEL = {b"\x1b[c": b"\x1b[?62;4;22c"}
"""What a terminal with Sixel answers when it is asked what it is."""


@pytest.mark.skipif(find_spec("textual_image") is None, reason="the extra `thumbnails` is not installed")
@pytest.mark.parametrize(("answers", "drawn"), [(SIXEL, "\x1bP"), ({b"\x1b[c": b"\x1b[?62c"}, "\u2580")])
def test_thumbnails_are_drawn_as_the_terminal_can(
    indexed: Path, photos: Path, quick_weights: Path, answers: dict[bytes, bytes], drawn: str
) -> None:
    where = ("--library", indexed, "--weights", quick_weights, "--limit", "2", "--thumbnails")
    printed = on_a_terminal("search", SENTENCE, *where, folder=photos, answers=answers)
    assert len(LINK.findall(printed)) == 2
    first, second = printed.split("\x1b]8;;\x1b\\")[1:]
    assert drawn in first
    assert drawn in second


def test_a_pipe_gets_no_thumbnails(indexed: Path, quick_weights: Path) -> None:
    where = ("--library", indexed, "--weights", quick_weights, "--limit", "2")
    run = pixelseek("search", SENTENCE, *where, "--thumbnails")
    assert run.exit_code == (0 if find_spec("textual_image") else 1)
    if run.exit_code == 0:
        assert run.stdout == pixelseek("search", SENTENCE, *where).stdout
        assert "there are none in a pipe" in run.stderr
    else:
        assert "pip install 'pixelseek[thumbnails]'" in run.stderr
