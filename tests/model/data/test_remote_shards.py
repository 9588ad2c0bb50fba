"""Shards in object storage, and shards that were cut short, wherever they lie."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

import pytest

from model.data.shards import CaptionedPhoto, ShardError, read_shards, write_shard
from tests.cli.commands import pixelseek
from tests.cli.test_errors import assert_fails
from tests.indexer.object_server import SECRET, FolderPlace, Place
from tests.model.scenes import photos


@pytest.fixture
def written() -> list[CaptionedPhoto]:
    return photos(3, "train", 0) + photos(2, "dev", 1)


@pytest.fixture
def content(tmp_path: Path, written: list[CaptionedPhoto]) -> bytes:
    write_shard(tmp_path / "local.tar", written)
    return (tmp_path / "local.tar").read_bytes()


@pytest.fixture
def place(place: Place) -> Place:
    if isinstance(place, FolderPlace):
        place.folder.mkdir()
    return place


def test_a_shard_is_read_from_its_url(place: Place, content: bytes, written: list[CaptionedPhoto]) -> None:
    place.write("train.tar", content)
    assert read_shards([f"{place.url}/train.tar"]) == written
    assert read_shards([f"{place.url}/train.tar"], "dev") == written[3:]


def member_ends(path: Path) -> list[int]:
    with tarfile.open(path) as archive:
        return [member.offset for member in archive][1:]


@pytest.mark.parametrize("cut", ["in a photo", "in a header", "after a photo", "after its sentences", "to nothing"])
def test_a_shard_that_was_cut_short_is_refused(place: Place, content: bytes, tmp_path: Path, cut: str) -> None:
    ends = member_ends(tmp_path / "local.tar")
    size = {
        "in a photo": ends[1] + 700,
        "in a header": ends[1] + 100,
        "after a photo": ends[2],
        "after its sentences": ends[3],
        "to nothing": 0,
    }[cut]
    place.write("train.tar", content[:size])
    (tmp_path / "train.tar").write_bytes(content[:size])
    for shard in (tmp_path / "train.tar", f"{place.url}/train.tar"):
        with pytest.raises(ShardError, match=r"train\.tar is not a readable shard: "):
            read_shards([shard])


def test_a_shard_that_is_not_there_is_named(place: Place) -> None:
    with pytest.raises(ShardError, match=f"{place.url}/none.tar is not there"):
        read_shards([f"{place.url}/none.tar"])


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nowhere://bucket/train.tar", "nowhere://bucket/train.tar cannot be read: Protocol not known"),
        (f"s3://key:{SECRET}@bucket/train.tar", "a shard's URL may hold no key"),
        (f"s3://bucket/train.tar?secret={SECRET}", "a shard's URL may hold no key"),
    ],
)
def test_a_url_that_cannot_be_used_ends_the_command_in_a_line(tmp_path: Path, url: str, message: str) -> None:
    run = pixelseek("model", "train", "--recipe", "tiny", "--data", url, "--output", tmp_path / "run")
    assert_fails(run, message)
    assert SECRET not in run.stderr
    assert not (tmp_path / "run").exists()


def test_a_compressed_shard_is_read(tmp_path: Path, content: bytes, written: list[CaptionedPhoto]) -> None:
    (tmp_path / "train.tar.gz").write_bytes(gzip.compress(content))
    assert read_shards([tmp_path / "train.tar.gz"]) == written
