"""What is done with the photos that were found: the first is opened, the originals are copied."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from cli.originals import copy_originals
from tests.cli.commands import pixelseek, pixelseek_alone
from tests.engine.libraries import PHOTO_COUNT, SENTENCE
from tests.waiting import wait_until


def test_originals_are_copied_once_and_replace_nothing(indexed: Path, weights: Path, tmp_path: Path) -> None:
    where = ("--library", indexed, "--weights", weights)
    folder = tmp_path / "new" / "folder"
    run = pixelseek("search", SENTENCE, "--limit", "4", "--json", "--copy-to", folder, *where)
    hits = [Path(hit["path"]) for hit in json.loads(run.stdout)["hits"]]
    assert run.stderr == f"Copied 4 files to {folder}\n"
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in hits)
    for path in hits:
        copy = folder / path.name
        assert copy.read_bytes() == path.read_bytes()
        assert copy.stat().st_mtime_ns == path.stat().st_mtime_ns
    (folder / hits[0].name).write_bytes(b"of another program")
    again = pixelseek("search", SENTENCE, "--limit", "4", "--copy-to", folder, *where)
    number = f"{hits[0].stem}-2{hits[0].suffix}"
    assert again.stderr.startswith(f"Copied 1 file to {folder}, 3 there already\n  ")
    assert (folder / hits[0].name).read_bytes() == b"of another program"
    assert (folder / number).read_bytes() == hits[0].read_bytes()
    assert len(list(folder.iterdir())) == 5, "no temporary file is left"


def test_similar_photos_are_copied_too(indexed: Path, photos: Path, weights: Path, tmp_path: Path) -> None:
    where = ("--library", indexed, "--weights", weights)
    run = pixelseek("similar", photos / "scene 05.jpg", "--limit", "99", "--copy-to", tmp_path / "copies", *where)
    assert (run.exit_code, len(list((tmp_path / "copies").iterdir()))) == (0, PHOTO_COUNT - 1)


def test_names_that_collide_get_numbers_and_equal_files_are_copied_once(tmp_path: Path) -> None:
    for folder, content in (("a", b"1"), ("b", b"2"), ("c", b"1"), ("d", b"3")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "IMG_1.jpg").write_bytes(content)
    originals = [tmp_path / folder / "IMG_1.jpg" for folder in "abcd"]
    target = tmp_path / "copies"
    report = copy_originals(originals, target)
    assert [copy.name for _, copy in report.copied] == ["IMG_1.jpg", "IMG_1-2.jpg", "IMG_1-3.jpg"]
    assert report.present == [originals[2]]
    assert sorted(path.read_bytes() for path in target.iterdir()) == [b"1", b"2", b"3"]
    assert copy_originals(originals, target).copied == []
    assert copy_originals(originals[:1], originals[0].parent).present == originals[:1], "it lies there already"


def test_what_cannot_be_copied_is_named_and_the_others_are(photos: Path, weights: Path, tmp_path: Path) -> None:
    disk = shutil.copytree(photos, tmp_path / "disk")
    where = ("--library", tmp_path / "library of the disk", "--weights", weights)
    pixelseek("index", disk, *where)
    (disk / "scene 05.jpg").unlink()
    run = pixelseek("search", SENTENCE, "--copy-to", tmp_path / "copies", *where)
    assert run.exit_code == 1
    assert f"{disk / 'scene 05.jpg'} was not copied: it cannot be reached now" in run.stderr
    assert len(list((tmp_path / "copies").iterdir())) == PHOTO_COUNT - 1
    (tmp_path / "a file").touch()
    for folder in (tmp_path / "a file", tmp_path / "a file" / "below"):
        refused = pixelseek("search", SENTENCE, "--copy-to", folder, *where)
        assert (refused.exit_code, "cannot be made" in refused.stderr) == (1, True)


def test_a_name_as_long_as_can_be_a_link_and_a_pipe(tmp_path: Path) -> None:
    long = tmp_path / f"{'a' * 251}.jpg"
    long.write_bytes(b"long")
    link, pipe = tmp_path / "link.jpg", tmp_path / "pipe.jpg"
    link.symlink_to(long)
    os.mkfifo(pipe)
    target = tmp_path / "copies"
    target.mkdir()
    (target / "link.jpg").symlink_to(tmp_path / "nowhere")
    report = copy_originals([long, link, pipe], target)
    assert [copy.name for _, copy in report.copied] == [long.name, "link-2.jpg"]
    assert [path for path, _ in report.failed] == [pipe]
    assert not (tmp_path / "nowhere").exists(), "a dead link is not written through"


@pytest.fixture
def opener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that the system opens files with: it writes their names into this file."""
    program, opened = tmp_path / "bin" / "xdg-open", tmp_path / "opened"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.new && mv {opened}.new {opened}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return opened


@pytest.mark.skipif("sys.platform != 'linux'", reason="other systems open files by other means")
def test_the_first_hit_is_opened(
    indexed: Path, quick_weights: Path, opener: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ("--library", indexed, "--weights", quick_weights)
    run = pixelseek_alone("search", SENTENCE, "--json", "--open", *where)
    wait_until(opener.exists)
    assert opener.read_bytes() == os.fsencode(json.loads(run.stdout)["hits"][0]["path"])
    monkeypatch.setenv("PATH", "/nowhere")
    run = pixelseek_alone("search", SENTENCE, "--open", *where)
    assert (run.returncode, run.stderr.count("no program to open it with")) == (1, 1)
