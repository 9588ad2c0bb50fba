"""Folders to choose from: only what a person keeps photos in, and nothing outside of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from indexer.folder_listing import FolderBrowser, FolderListing

HOSTILE = [
    os.fsdecode(b"caf\xe9"),
    "two\nlines",
    "<b>bold",
    "a & b?x=1#y%20z",
    "' \" \\",
    "\u202egnp",
    "x" * 200,
    " spaces ",
    "e\u0301",
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    for name in ("Pictures/2021", "Documents", ".hidden/deep", "Pictures/.thumbnails"):
        (home / name).mkdir(parents=True)
    for name in ("Pictures/a.jpg", "Pictures/B.JPG", "Pictures/2021/c.heic", "Pictures/.thumbnails/d.jpg", "e.jpg"):
        (home / name).touch()
    (home / "Pictures/notes.txt").touch()
    (tmp_path / "outside").mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("indexer.folder_listing._MOUNTS", ())
    monkeypatch.setattr("indexer.folder_listing._MAX_COUNTING_S", 60.0)  # all are counted, also on a busy machine
    return home


def browser(home: Path) -> FolderBrowser:
    return FolderBrowser(leave_out=home / "Documents" / "library")


def names(listing: FolderListing) -> dict[str, int | None]:
    return {folder.path.name: folder.photos for folder in listing.folders}


def test_folders_begin_with_those_that_hold_photos_and_the_home_folder(home: Path) -> None:
    assert names(browser(home).listing(None)) == {"Pictures": 3, "home": 4}


def test_a_folder_lists_its_folders_and_counts_photos_but_no_hidden_ones(home: Path) -> None:
    listing = browser(home).listing(home)
    assert names(listing) == {"Documents": 0, "Pictures": 3}
    assert listing.above == []
    inside = browser(home).listing(home / "Pictures")
    assert (names(inside), inside.above) == ({"2021": 1}, [home])
    assert inside.itself is not None
    assert (inside.itself.photos, inside.itself.is_complete) == (3, True)


@pytest.mark.parametrize(
    "path", [".hidden", ".hidden/deep", "Pictures/.thumbnails", "..", "../outside", "e.jpg", "nowhere", "Documents/\0"]
)
def test_what_is_hidden_outside_or_no_folder_is_not_found(home: Path, path: str) -> None:
    assert browser(home).find(home / path) is None


@pytest.mark.parametrize("path", ["/", "/etc", "/proc/self/root", "/root/.ssh", "relative"])
def test_the_rest_of_the_machine_is_not_found(home: Path, path: str) -> None:
    assert browser(home).find(Path(path)) is None


def test_links_that_lead_out_or_to_hidden_folders_are_left_out_and_loops_end(home: Path, tmp_path: Path) -> None:
    (home / "out").symlink_to(tmp_path / "outside")
    (home / "etc").symlink_to("/etc")
    (home / "secret").symlink_to(home / ".hidden")
    (home / "dead").symlink_to(home / "nowhere")
    (home / "loop").symlink_to(home / "loop")
    (home / "Pictures" / "round").symlink_to(home)
    (home / "inside").symlink_to(home / "Pictures" / "2021")
    assert names(browser(home).listing(home)) == {"Documents": 0, "Pictures": 3, "inside": 1}
    assert browser(home).find(home / "out") is None
    assert browser(home).find(home / "inside") == home / "Pictures" / "2021"


def test_the_library_is_left_out(home: Path) -> None:
    (home / "Documents" / "library" / "thumbnails").mkdir(parents=True)
    assert names(browser(home).listing(home / "Documents")) == {}
    assert browser(home).find(home / "Documents" / "library" / "thumbnails") is None


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_folders_like_others(home: Path, name: str) -> None:
    (home / "Pictures" / name).mkdir()
    (home / "Pictures" / name / "a.jpg").touch()
    assert names(browser(home).listing(home / "Pictures"))[name] == 1
    assert browser(home).find(home / "Pictures" / name) == home / "Pictures" / name


def test_counting_ends_in_time_and_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.folder_listing._MAX_COUNTING_S", 0.0)
    (pictures,) = [folder for folder in browser(home).listing(home).folders if folder.path.name == "Pictures"]
    assert not pictures.is_complete


def test_very_many_folders_are_cut_short_and_counted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.folder_listing._MAX_FOLDERS", 3)
    for number in range(7):
        (home / "Pictures" / f"{number}").mkdir()
    listing = browser(home).listing(home / "Pictures")
    assert (len(listing.folders), listing.left_out) == (3, 5)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_says_why(home: Path) -> None:
    (home / "Pictures" / "2021").chmod(0)
    (folder,) = browser(home).listing(home / "Pictures").folders
    assert (folder.photos, folder.problem) == (None, "Permission denied")


def test_a_folder_that_cannot_be_read_says_why(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: str | Path) -> object:
        if str(path).endswith("2021"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    (folder,) = browser(home).listing(home / "Pictures").folders
    assert (folder.photos, folder.problem) == (None, "Permission denied")
    with pytest.raises(OSError, match="Permission denied"):
        browser(home).listing(home / "Pictures" / "2021")


def test_a_mounted_disk_is_a_place(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = tmp_path / "media" / "camera"
    (disk / "DCIM").mkdir(parents=True)
    (disk / ".Trash").mkdir()
    monkeypatch.setattr("indexer.folder_listing._MOUNTS", (f"{tmp_path}/media/*",))
    assert browser(home).find(disk / "DCIM") is None, "nothing is mounted there"
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == disk)
    assert "camera" in names(browser(home).listing(None))
    assert browser(home).find(disk / "DCIM") == disk / "DCIM"
    assert browser(home).find(disk / ".Trash") is None


@pytest.mark.parametrize("folder", ["/", "{tmp}/gone"])
def test_a_home_folder_that_is_everything_or_not_there_is_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.setenv("HOME", folder.format(tmp=tmp_path))
    monkeypatch.setattr("indexer.folder_listing._MOUNTS", ())
    assert browser(tmp_path).listing(None).folders == []
    assert browser(tmp_path).find(Path("/etc")) is None
