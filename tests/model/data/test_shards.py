"""The numbers that COCO gave to captions stay with their captions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from model.data.shards import CaptionedPhoto, ShardError, read_shards, write_shard
from tests.model.scenes import photos


@pytest.fixture
def numbered() -> CaptionedPhoto:
    return replace(photos(1, "test", 0)[0], captions=("one", "two", "three"), caption_ids=(31, 7, 12))


def test_caption_ids_are_read_back(tmp_path: Path, numbered: CaptionedPhoto) -> None:
    write_shard(tmp_path / "a.tar", [numbered])
    assert read_shards([tmp_path / "a.tar"]) == [numbered]


def test_a_caption_left_out_takes_its_id_along(tmp_path: Path, numbered: CaptionedPhoto) -> None:
    assert numbered.with_captions(2).caption_ids == (31, 7)
    write_shard(tmp_path / "a.tar", [replace(numbered, captions=("one", "  ", "three"))])
    (found,) = read_shards([tmp_path / "a.tar"])
    assert (found.captions, found.caption_ids) == (("one", "three"), (31, 12))


def test_ids_that_do_not_belong_to_the_captions_are_refused(tmp_path: Path, numbered: CaptionedPhoto) -> None:
    write_shard(tmp_path / "a.tar", [replace(numbered, caption_ids=(31, 7))])
    with pytest.raises(ShardError, match=r"a\.tar: test-00000 has 3 captions, but 2 caption_ids"):
        read_shards([tmp_path / "a.tar"])
    write_shard(tmp_path / "a.tar", [replace(numbered, caption_ids=("31", 7, 12))])  # type: ignore[arg-type]
    with pytest.raises(ShardError, match=r"a\.tar: the caption_ids of test-00000 are no list of numbers"):
        read_shards([tmp_path / "a.tar"])
