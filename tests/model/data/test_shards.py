"""What stands in a shard beside a photo: captions with the numbers that COCO gave them, and what is no such record."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from model.data.shards import CaptionedPhoto, Question, ShardError, read_shards, write_shard
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
    with pytest.raises(ShardError, match=r"a\.tar: test-00000\.json: caption_ids\.0: "):
        read_shards([tmp_path / "a.tar"])


def shard_of(path: Path, record: bytes) -> Path:
    """A shard of one photo with this text beside it."""
    (photo,) = photos(1, "train", 0)
    with tarfile.open(path, "w") as archive:
        for suffix, content in (("jpg", photo.jpeg), ("json", record)):
            member = tarfile.TarInfo(f"a.{suffix}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    "record",
    [
        b"[1, 2]",
        b'"captions"',
        b"17",
        b"null",
        b"no JSON",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"captions": "a dog"}',
        b'{"captions": ["a dog", 3]}',
        b'{"captions": null}',
        b'{"captions": ["\\ud800"]}',
        b'{"captions": ["a dog"], "caption_ids": [true]}',
        b'{"captions": ["a dog"], "dataset": ["mine"]}',
        b'{"captions": ["a dog"], "split": null}',
        b'{"captions": ["a dog"], "coco_id": "12"}',
        b'{"captions": ["a dog"], "hard_negatives": 5}',
        b'{"captions": ["a dog"], "hard_negatives": [["a dog", "a cat", "replace"]]}',
        b'{"captions": ["a dog"], "hard_negatives": [{"caption": "a", "negative_caption": 1, "kind": "replace"}]}',
        b'{"captions": ["a dog"], "hard_negatives": [{"caption": "a", "negative": "b", "kind": "replace"}]}',
        b'{"captions": ["a dog"], "vqa": {"question": "what?", "answers": ["dog"]}}',
        b'{"captions": ["a dog"], "vqa": [{"question": "what?", "answers": "dog"}]}',
        b'{"captions": ["a dog"], "vqa": [{"question": "what?", "answers": []}]}',
        b'{"captions": ["a dog"], "vqa": [{"question": 7, "answers": ["dog"]}]}',
        b'{"captions": ["a dog"], "statements": ["it is a dog"]}',
        b'{"captions": ["a dog"], "statements": [{"sentence": "it is a dog", "label": "true"}]}',
        b'{"captions": ["a dog"], "statements": [{"sentence": "a dog", "label": true, "rigth": "b"}]}',
    ],
)
def test_what_is_no_record_is_refused_by_shard_and_member(tmp_path: Path, record: bytes) -> None:
    with pytest.raises(ShardError, match=r"bad\.tar: a\.json: ."):
        read_shards([shard_of(tmp_path / "bad.tar", record)], captioned=False)


def test_keys_of_other_programs_are_passed_over(tmp_path: Path) -> None:
    record = b'{"captions": [" a dog "], "licence": 4, "vqa": [{"question": " what? ", "answers": ["dog"], "id": 1}]}'
    (photo,) = read_shards([shard_of(tmp_path / "good.tar", record)])
    assert (photo.captions, photo.caption_ids, photo.split) == (("a dog",), (), "train")
    assert photo.vqa == (Question("what?", ("dog",)),)
