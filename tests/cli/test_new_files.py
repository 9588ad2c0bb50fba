"""A command that writes a file writes a new one: a photo that has the name already stays as it is, to the byte."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from cli.library.demo import copy_samples
from model.data.shards import write_shard
from tests.cli.commands import pixelseek
from tests.cli.test_errors import assert_fails
from tests.engine.libraries import SENTENCE
from tests.model.scenes import photos as scene_photos


@pytest.fixture
def photo(photos: Path, tmp_path: Path) -> Path:
    """One of the user's, with a suffix that lets it pass for a picture that a command draws."""
    return Path(shutil.copy(photos / "scene 05.jpg", tmp_path / "beach.png"))


@pytest.mark.parametrize(
    "command",
    [
        ("explain", "{photos}/scene 06.jpg", SENTENCE, "--output", "{photo}"),
        ("model", "evaluate", "--data", "{shard}", "--reliability", "{photo}"),
        ("model", "evaluate", "--data", "{shard}", "--ranks", "{photo}"),
        ("library", "backup", "{photo}"),
    ],
    ids=" ".join,
)
def test_no_command_writes_to_a_photo(
    library: Path, photos: Path, weights: Path, photo: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    write_shard(tmp_path / "scenes.tar", scene_photos(4, "test", 0))
    before = photo.read_bytes()
    arguments = [part.format(photo=photo, photos=photos, shard=tmp_path / "scenes.tar") for part in command]
    options = ("--weights", weights) if command[0] in ("explain", "model") else ("--library", library)
    assert_fails(pixelseek(*arguments, *options), f"{photo} exists", "Name a new file.")
    assert photo.read_bytes() == before


@pytest.mark.parametrize(
    ("option", "name", "suffix"),
    [
        ("--output", "why.jpg", ".png"),
        ("--output", "why", ".png"),
        ("--reliability", "match.pdf", ".png"),
        ("--ranks", "ranks.json", ".npz"),
    ],
)
def test_a_file_ends_in_what_is_written_to_it(
    photos: Path, weights: Path, tmp_path: Path, option: str, name: str, suffix: str
) -> None:
    write_shard(tmp_path / "scenes.tar", scene_photos(4, "test", 0))
    evaluate = ("model", "evaluate", "--data", tmp_path / "scenes.tar")
    command = ("explain", photos / "scene 05.jpg", SENTENCE) if option == "--output" else evaluate
    run = pixelseek(*command, option, tmp_path / name, "--weights", weights)
    assert_fails(run, f"{tmp_path / name} does not end in {suffix}")
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("text", [b"Dear diary,\n", b"\xff\xd8\xff\xe0", b'<?xpacket begin=""?>', b"2026-01-01 hello"])
@pytest.mark.parametrize("command", ["watch", "serve"])
def test_a_log_is_appended_to_no_file_of_the_user(tmp_path: Path, text: bytes, command: str) -> None:
    (tmp_path / "mine").write_bytes(text)
    options = ("--library", tmp_path / "nowhere", "--log-file", tmp_path / "mine")
    with socket.create_server(("127.0.0.1", 0)) as taken:  # and no library: nothing would go on for long
        port = ("--port", str(taken.getsockname()[1])) if command == "serve" else ()
        run = pixelseek(command, *options, *port)
    assert_fails(run, f"{tmp_path / 'mine'} exists and is no log of Pixelseek. Name a new file.")
    assert (tmp_path / "mine").read_bytes() == text


def test_the_demo_replaces_no_photo_with_a_sample(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    (tmp_path / "coffee.png").write_bytes(b"mine")
    for _ in range(2):
        copy_samples(tmp_path)
        assert (tmp_path / "coffee.png").read_bytes() == b"mine"
        assert (tmp_path / "chelsea.png").stat().st_size > 0
        assert len(list(tmp_path.glob("coffee*"))) == 2, "the sample is there once, under another name"
