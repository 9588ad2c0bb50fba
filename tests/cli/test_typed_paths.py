"""Paths as they are typed after a command: names that begin with `~`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.search import SearchEngine
from indexer.library.errors import LibraryMissing
from indexer.library.library import Library
from tests.cli.commands import pixelseek
from tests.cli.test_errors import assert_fails
from tests.engine.libraries import PHOTO_COUNT, SENTENCE


@pytest.fixture
def here(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with photos in a folder ~old; the home folder is another, which is empty."""
    (tmp_path / "home").mkdir()
    shutil.copytree(photos, tmp_path / "here" / "~old")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.mark.parametrize("dot", ["", "./"])
def test_files_and_folders_whose_names_begin_with_a_tilde(here: Path, weights: Path, tmp_path: Path, dot: str) -> None:
    shutil.copy(here / "~old" / "scene 01.jpg", here / "~old.jpg")
    options = ("--library", f"{dot}~library")
    for folder in (f"{dot}~old", "."):
        indexed = pixelseek("index", folder, *options, "--weights", weights)
        assert indexed.exit_code == 0, indexed.stderr
    assert pixelseek("caption", f"{dot}~old.jpg", "a red circle", *options).exit_code == 0
    for command in (
        ("similar", f"{dot}~old.jpg", "--copy-to", f"{dot}~copies"),
        ("explain", f"{dot}~old.jpg", SENTENCE, "--output", f"{dot}~why.png", "--weights", weights),
        ("library", "backup", f"{dot}~backup"),
        ("library", "remove", f"{dot}."),
    ):
        run = pixelseek(*command, *(() if command[0] == "explain" else options))
        assert run.exit_code == 0, (command, run.stderr)
    assert {path.name for path in here.iterdir()} >= {"~library", "~copies", "~why.png", "~backup"}
    assert list((tmp_path / "home").iterdir()) == []


def test_a_folder_called_tilde_is_not_the_home_folder(here: Path, weights: Path, tmp_path: Path) -> None:
    (here / "~old").rename(here / "~")
    run = pixelseek("index", "./~", "--library", tmp_path / "library", "--weights", weights)
    assert f"{PHOTO_COUNT} new" in run.stdout
    exported = pixelseek("library", "export", "--library", tmp_path / "library").stdout
    assert str(here / "~" / "scene 01.jpg") in exported


def test_a_tilde_that_the_shell_has_left_is_the_home_folder(
    here: Path, photos: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(photos, tmp_path / "home" / "Pictures")
    monkeypatch.setenv("PIXELSEEK_LIBRARY", "~/library")
    assert f"{PHOTO_COUNT} new" in pixelseek("index", "~/Pictures", "--weights", weights).stdout
    for options in ((), ("--library=~/library",)):
        assert "Photos   12" in pixelseek("status", *options).stdout
    with SearchEngine.open("~/library") as engine:
        assert engine.search("folder:~/Pictures").hits
    assert [path.name for path in here.iterdir()] == ["~old"]


def test_a_library_that_is_nowhere_is_an_error_in_one_line(
    here: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = str(here / "~nosuch" / "library")
    for command in (("status",), ("search", SENTENCE), ("library", "verify")):
        assert_fails(pixelseek(*command, "--library", "~nosuch/library"), there)
    monkeypatch.setenv("PIXELSEEK_LIBRARY", "~nosuch/library")
    assert_fails(pixelseek("status"), there)
    with pytest.raises(LibraryMissing, match="~nosuch"):
        Library.open("~nosuch/library")
    with pytest.raises(LibraryMissing, match="~nosuch"):
        SearchEngine.open("~nosuch/library", weights=weights)


def test_a_log_whose_name_begins_with_a_tilde(here: Path) -> None:
    assert_fails(pixelseek("watch", "--log-file", "~watch.log", "--library", here / "nowhere"), "no library")
    assert "no library" in (here / "~watch.log").read_text()
