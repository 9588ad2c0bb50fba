"""WebDataset shards of captioned photos: tar files with `KEY.jpg` beside `KEY.json`."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from model.processor import PixelBertProcessor


class ShardError(Exception):
    """A shard that cannot be read; the message names the file and the member."""


@dataclass(frozen=True)
class CaptionedPhoto:
    """One photo of a shard with what people wrote about it."""

    key: str
    jpeg: bytes
    captions: tuple[str, ...]
    dataset: str
    split: str

    def decode(self, processor: PixelBertProcessor) -> NDArray[np.uint8]:
        """The photo as the model reads it (H, W, 3). Raises ShardError when it is damaged."""
        try:
            with Image.open(io.BytesIO(self.jpeg)) as image:
                return processor.resize(ImageOps.exif_transpose(image))
        except (OSError, ValueError) as error:
            raise ShardError(f"photo {self.key}: {error}") from error


def read_shards(shards: Sequence[Path], split: str = "all") -> list[CaptionedPhoto]:
    """The captioned photos of `split` (`train`, `dev`, `test` or `all`) in the order of the shards.

    Photos without captions are left out. Raises ShardError when a shard cannot be read or holds a
    photo twice.
    """
    photos: dict[str, CaptionedPhoto] = {}
    for shard in shards:
        for photo in _read(shard):
            if not photo.captions or split not in ("all", photo.split):
                continue
            if photo.key in photos:
                raise ShardError(f"{shard}: photo {photo.key} occurs twice")
            photos[photo.key] = photo
    return list(photos.values())


def _read(shard: Path) -> list[CaptionedPhoto]:
    images: dict[str, bytes] = {}
    records: dict[str, dict[str, object]] = {}
    try:
        with tarfile.open(shard) as archive:
            for member in archive:
                key, _, suffix = member.name.rpartition(".")
                file = archive.extractfile(member)
                if file is None:
                    continue
                if suffix == "json":
                    records[key] = json.load(file)
                elif suffix in ("jpg", "jpeg", "png"):
                    images[key] = file.read()
    except (OSError, tarfile.TarError, ValueError) as error:
        raise ShardError(f"{shard} is not a readable shard: {error}") from error
    photos = []
    for key, record in records.items():
        if key not in images:
            raise ShardError(f"{shard}: {key}.json has no photo beside it")
        captions = record.get("captions", [])
        if not isinstance(captions, list) or not all(isinstance(caption, str) for caption in captions):
            raise ShardError(f"{shard}: the captions of {key} are no list of sentences")
        texts = tuple(caption.strip() for caption in captions if caption.strip())
        dataset, split = str(record.get("dataset", "")), str(record.get("split", "train"))
        photos.append(CaptionedPhoto(key, images[key], texts, dataset, split))
    return photos


def write_shard(path: Path, photos: Sequence[CaptionedPhoto]) -> None:
    """Write a shard that `read_shards` reads back."""
    with tarfile.open(path, "w") as archive:
        for photo in photos:
            record = {
                "key": photo.key,
                "dataset": photo.dataset,
                "split": photo.split,
                "captions": photo.captions,
            }
            for suffix, content in (("jpg", photo.jpeg), ("json", json.dumps(record).encode())):
                member = tarfile.TarInfo(f"{photo.key}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
