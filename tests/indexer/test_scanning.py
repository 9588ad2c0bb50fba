from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from indexer.library.errors import PatternRefused
from indexer.library.file_state import bounded
from indexer.library.paths import mount_point
from indexer.scanning import SPECIAL_FILE, Scan, scan
from indexer.selection import Selection, checked_patterns, relocated_patterns


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"bytes")


def walk(folder: Path, subfolder: str = "", *, exclude: Sequence[str] = (), include: Sequence[str] = ()) -> Scan:
    selection = Selection(folder, checked_patterns(exclude, folder), checked_patterns(include, folder))
    return scan(folder, subfolder, skip=folder / "library", selection=selection)


def test_photos_are_known_by_their_suffix_in_any_case(tmp_path: Path) -> None:
    photos = [
        *("a.jpg", "b.JPEG", "c.Png", "d.webp", "e.GIF", "f.bmp", "g.tif", "h.TIFF", "i.heic", "j.HEIF", "k.HIF"),
        *("l.heics", "m.heifs", "n.mpo", "o.AVIF", "p.avifs", "q.jfif", "r.jpe", "s.pjpeg", "t.jif", "u.apng", "v.dib"),
    ]
    touch(tmp_path, *photos, "notes.txt", "movie.mp4", "jpg")
    assert sorted(walk(tmp_path).files) == photos


def test_nested_folders_are_walked_and_hidden_ones_are_not(tmp_path: Path) -> None:
    touch(tmp_path, "2020/june/a.jpg", ".trash/b.jpg", "2020/.c.jpg", "2020/.hidden/d.jpg")
    assert list(walk(tmp_path).files) == ["2020/june/a.jpg"]


@pytest.mark.parametrize("name", ["with space.jpg", "grüße 写真 🏖.jpg", "new\nline.jpg", "-dash.jpg", "a'b\"c;%.jpg"])
def test_any_name_is_found(tmp_path: Path, name: str) -> None:
    touch(tmp_path, name)
    assert list(walk(tmp_path).files) == [name]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_not_utf8_is_found(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    touch(tmp_path, name)
    assert list(walk(tmp_path).files) == [name]


def test_linked_folders_are_followed_once_and_loops_end(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "photos", tmp_path / "elsewhere"
    touch(folder, "a.jpg", "z/b.jpg")
    touch(elsewhere, "c.jpg")
    (folder / "elsewhere").symlink_to(elsewhere)
    (folder / "again").symlink_to(folder / "z")
    (folder / "z" / "loop").symlink_to(folder)
    (folder / "up").symlink_to(tmp_path)
    assert sorted(walk(folder).files) == ["a.jpg", "elsewhere/c.jpg", "z/b.jpg"]


def test_a_dead_link_makes_what_it_led_to_unknown_rather_than_gone(tmp_path: Path) -> None:
    (tmp_path / "disk").symlink_to(tmp_path / "unplugged")
    result = walk(tmp_path)
    assert result.is_unknown("disk/2020/a.jpg")
    assert not result.is_unknown("disks/a.jpg")


def test_a_folder_that_may_not_be_read_is_reported_and_its_photos_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "open/a.jpg", "closed/b.jpg")
    real = os.scandir

    def guarded(path: Path) -> Iterator[Any]:
        if Path(path).name == "closed":  # a permission would not stop the tests' root
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", guarded)
    result = walk(tmp_path)
    assert list(result.files) == ["open/a.jpg"]
    assert result.unreadable == {"closed": "Permission denied"}
    assert result.is_unknown("closed/b.jpg")


_LONG_NAME, _DEPTH, _MAX_PATH = "d" * 250, 17, 4095


def make_unreadable(folder: Path, member: str) -> str:
    """Make an entry that cannot be looked at; its path in the folder."""
    if member == "a link to itself":
        (folder / "x").symlink_to("x")
        return "x"
    if member == "a photo that is a link to itself":
        (folder / "x.jpg").symlink_to("x.jpg")
        return "x.jpg"
    if member == "links in a ring":
        (folder / "x.jpg").symlink_to("y")
        (folder / "y").symlink_to("x.jpg")
        return "x.jpg"
    if member == "a link through a file":
        (folder / "x.jpg").symlink_to("a.jpg/b")
        return "x.jpg"
    if member == "a link to a name that is too long":
        (folder / "x.jpg").symlink_to("n" * 300)
        return "x.jpg"
    return _dig(folder)


def _dig(folder: Path) -> str:
    """Nest folders deeper than a path may be long; the first of them, in the folder, that no path reaches."""
    directory = os.open(folder, os.O_RDONLY)
    for _ in range(_DEPTH):
        os.mkdir(_LONG_NAME, dir_fd=directory)
        above, directory = directory, os.open(_LONG_NAME, os.O_RDONLY, dir_fd=directory)
        os.close(above)
    os.close(directory)
    nested = ["/".join([_LONG_NAME] * depth) for depth in range(1, _DEPTH + 1)]
    return next(path for path in nested if len(os.fsencode(folder / path)) > _MAX_PATH)


MEMBERS = [
    *("a link to itself", "a photo that is a link to itself", "links in a ring", "a link through a file"),
    *("a link to a name that is too long", "a folder too deep"),
]


@pytest.mark.skipif(sys.platform != "linux", reason="made with Linux's file descriptors")
@pytest.mark.parametrize("member", MEMBERS)
def test_an_entry_that_cannot_be_looked_at_is_named_and_costs_nothing_else(tmp_path: Path, member: str) -> None:
    touch(tmp_path, "a.jpg", "z/b.jpg")
    path = make_unreadable(tmp_path, member)
    result = walk(tmp_path)
    assert set(result.files) == {"a.jpg", "z/b.jpg"}
    assert path in result.unreadable
    assert result.is_unknown(f"{path}/c.jpg")


@pytest.mark.parametrize("seconds", [-(2**40), -1, 0, 10_413_792_000, 2**40])
def test_any_time_of_a_file_fits_the_catalog(tmp_path: Path, seconds: int) -> None:
    touch(tmp_path, "a.jpg")
    os.utime(tmp_path / "a.jpg", (seconds, seconds))
    (state,) = walk(tmp_path).files.values()
    assert -(2**63) <= state.mtime_ns < 2**63


def test_numbers_beyond_64_bits_become_the_nearest_that_fit() -> None:
    assert [bounded(number) for number in (2**64, 2**63, 2**63 - 1, 0, -(2**63), -(2**70))] == [
        *(2**63 - 1, 2**63 - 1, 2**63 - 1, 0, -(2**63), -(2**63)),
    ]


def test_the_library_itself_is_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "library/thumbnails/1.webp")
    assert list(walk(tmp_path).files) == ["a.jpg"]


def test_what_is_named_like_a_photo_but_is_no_file_is_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "folder.jpg/a.jpg")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
    assert list(walk(tmp_path).files) == ["folder.jpg/a.jpg"]


def test_a_part_of_a_folder_gives_paths_relative_to_the_whole(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "2020/b.jpg")
    assert list(walk(tmp_path, "2020").files) == ["2020/b.jpg"]


def test_a_missing_folder_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        walk(tmp_path / "missing")


def test_a_mount_point_holds_the_path(tmp_path: Path) -> None:
    assert os.path.ismount(mount_point(tmp_path))
    assert tmp_path.is_relative_to(mount_point(tmp_path))


class TestLeftOut:
    @pytest.mark.parametrize(
        "path",
        [
            *("@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg", "deep/@eadir/t.jpg", "#recycle/a.jpg", "$RECYCLE.BIN/S-1/a.jpg"),
            *("$Recycle.Bin/a.jpg", ".Trash-1000/files/a.jpg", ".thumbnails/a.jpg", "System Volume Information/a.jpg"),
            *("lost+found/a.jpg", "deep/__MACOSX/a.jpg", "DCIM/.hidden.jpg", "Catalog Previews.lrdata/a.jpg"),
            *("My.photoslibrary/resources/derivatives/a.jpg", "deep/My.PhotosLibrary/database/faces/a.jpg"),
            "Old.aplibrary/Thumbnails/a.jpg",
        ],
    )
    def test_by_default(self, tmp_path: Path, path: str) -> None:
        touch(tmp_path, path, "a.jpg")
        assert list(walk(tmp_path).files) == ["a.jpg"]

    @pytest.mark.parametrize(
        "path",
        [
            *("My.photoslibrary/originals/0/a.jpg", "My.photoslibrary/Masters/2019/a.jpg", "eaDir/a.jpg"),
            *("deep/Old.aplibrary/Masters/a.jpg", "recycle/a.jpg", "Thumbnails/a.jpg", "lost and found/a.jpg"),
        ],
    )
    def test_originals_and_names_that_are_only_alike_are_read(self, tmp_path: Path, path: str) -> None:
        touch(tmp_path, path)
        assert list(walk(tmp_path).files) == [path]

    def test_a_photo_library_is_the_same_when_it_is_the_folder(self, tmp_path: Path) -> None:
        folder = tmp_path / "My.photoslibrary"
        touch(folder, "originals/a.jpg", "resources/derivatives/b.jpg")
        assert list(walk(folder).files) == ["originals/a.jpg"]

    def test_a_folder_with_nomedia(self, tmp_path: Path) -> None:
        touch(tmp_path, "a.jpg", "app/.nomedia", "app/b.jpg", "app/deep/c.jpg")
        assert list(walk(tmp_path).files) == ["a.jpg"]
        for part in ("app", "app/deep"):
            assert walk(tmp_path, part).is_excluded
        assert list(walk(tmp_path, include=["app"]).files) == ["a.jpg", "app/b.jpg", "app/deep/c.jpg"]
        assert list(walk(tmp_path / "app").files) == ["b.jpg", "deep/c.jpg"], "whoever names it wants it"

    @pytest.mark.parametrize(
        ("pattern", "left"),
        [
            ("*.png", ["a.jpg", "raw/b.jpg", "x/raw/d.jpg", "Übung/e.jpg"]),
            ("*.PNG", ["a.jpg", "raw/b.jpg", "x/raw/d.jpg", "Übung/e.jpg"]),
            ("raw", ["a.jpg", "c.png", "Übung/e.jpg"]),
            ("RAW/", ["a.jpg", "c.png", "Übung/e.jpg"]),
            ("/raw", ["a.jpg", "c.png", "x/raw/d.jpg", "Übung/e.jpg"]),
            ("./raw", ["a.jpg", "c.png", "x/raw/d.jpg", "Übung/e.jpg"]),
            ("{folder}/raw", ["a.jpg", "c.png", "x/raw/d.jpg", "Übung/e.jpg"]),
            ("x/raw", ["a.jpg", "c.png", "raw/b.jpg", "Übung/e.jpg"]),
            ("**/[bd].jpg", ["a.jpg", "c.png", "Übung/e.jpg"]),
            ("u\u0308bung", ["a.jpg", "c.png", "raw/b.jpg", "x/raw/d.jpg"]),
            ("*", []),
            ("", ["a.jpg", "c.png", "raw/b.jpg", "x/raw/d.jpg", "Übung/e.jpg"]),
        ],
    )
    def test_what_fits_a_pattern(self, tmp_path: Path, pattern: str, left: list[str]) -> None:
        touch(tmp_path, "a.jpg", "c.png", "raw/b.jpg", "x/raw/d.jpg", "Übung/e.jpg")
        assert sorted(walk(tmp_path, exclude=[pattern.format(folder=tmp_path)]).files) == left

    @pytest.mark.parametrize("name", ["#1.jpg", "!best.jpg", "a b .jpg", "new\nline.jpg", "a\\b.jpg"])
    def test_a_name_of_any_characters_is_a_pattern_for_itself(self, tmp_path: Path, name: str) -> None:
        touch(tmp_path, name, "other.jpg")
        assert list(walk(tmp_path, exclude=[name.replace("\\", "\\\\")]).files) == ["other.jpg"]

    def test_what_is_included_is_read_all_the_same(self, tmp_path: Path) -> None:
        touch(tmp_path, "@eaDir/a.jpg", ".hidden/b.jpg", ".c.jpg", "d.png", "logo.png", "x/e.jpg", "x/y/f.jpg")
        assert sorted(walk(tmp_path, include=["@eaDir", ".hidden/", ".c.jpg"]).files) == [
            ".c.jpg", ".hidden/b.jpg", "@eaDir/a.jpg", "d.png", "logo.png", "x/e.jpg", "x/y/f.jpg",
        ]  # fmt: skip
        result = walk(tmp_path, exclude=["*.png", "x/*"], include=["logo.png", "x/y"])
        assert sorted(result.files) == ["logo.png", "x/y/f.jpg"]

    def test_a_folder_that_is_left_out_stays_so_whatever_in_it_is_included(self, tmp_path: Path) -> None:
        touch(tmp_path, "a.jpg", "private/b.jpg")
        assert list(walk(tmp_path, exclude=["private"], include=["*.jpg"]).files) == ["a.jpg"]
        assert walk(tmp_path, "private", exclude=["private"]).is_excluded

    @pytest.mark.parametrize("pattern", ["!", "/", "[", "a\\", "[z-a]"])
    def test_a_pattern_that_makes_no_sense_is_refused(self, tmp_path: Path, pattern: str) -> None:
        if pattern == "!":
            assert checked_patterns([pattern], tmp_path) == ["!"], "a name like any other"
            return
        with pytest.raises(PatternRefused, match="relative to the folder"):
            checked_patterns([pattern], tmp_path)

    def test_patterns_of_a_folder_are_taken_along_into_one_around_it(self, tmp_path: Path) -> None:
        touch(tmp_path, "in[1]/a.png", "in[1]/raw/b.jpg", "in[1]/x/raw/c.jpg", "raw/d.jpg", "e.png")
        patterns = relocated_patterns(["*.png", "/raw", "x/raw"], "in[1]")
        assert sorted(walk(tmp_path, exclude=patterns).files) == ["e.png", "raw/d.jpg"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_passed_over_is_counted_by_folder_and_kind(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.MP4", "c.mp4", "x/d.pdf", "x/README", "x/e.jpg.part", "f.xmp", "@eaDir/g.mp4")
    touch(tmp_path, f"h.{'x' * 40}", "i.\x1b[2J", ".j.mp4")
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "x" / "s.jpg"))
    assert walk(tmp_path).unsupported == {
        ("", ".mp4"): 2, ("x", ".pdf"): 1, ("x", "without suffix"): 1, ("x", ".part"): 1, ("", "other"): 2,
        ("", SPECIAL_FILE): 1, ("x", SPECIAL_FILE): 1,
    }  # fmt: skip
