"""Write captioned photos as shards."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps
from tqdm import tqdm

from model.colours import as_rgb
from model.data.shards import CaptionedPhoto, write_shard
from model.data.source import DatasetError, SourcePhoto

PHOTOS_A_SHARD = 1000
_QUALITY = 90
_NAMED = 3  # files named in an error


@dataclass(frozen=True)
class ImportReport:
    """What was written."""

    photos: int
    captions: int
    questions: int
    statements: int
    splits: dict[str, int]
    """Photos in each."""
    shards: list[str]


def import_photos(
    photos: Sequence[SourcePhoto], output: Path, *, dataset: str, short_side: int, progress: bool = True
) -> ImportReport:
    """Write `photos` in their order as `DATASET-000.tar`, ... in folder `output`, each shard whole or not at all.

    Photos whose shorter side is longer than `short_side` pixels are scaled down to it. Raises DatasetError,
    before anything is written, when two photos share a key, files are missing or `output` holds such shards.
    """
    _check(photos, output, dataset)
    output.mkdir(parents=True, exist_ok=True)
    shards = []
    with tqdm(total=len(photos), desc=dataset, unit="photo", disable=not progress) as bar:
        for number, start in enumerate(range(0, len(photos), PHOTOS_A_SHARD)):
            path = output / f"{dataset}-{number:03}.tar"
            write_shard(path, list(_packed(photos[start : start + PHOTOS_A_SHARD], dataset, short_side, bar)))
            shards.append(str(path))
    return ImportReport(
        photos=len(photos),
        captions=sum(len(photo.captions) for photo in photos),
        questions=sum(len(photo.vqa) for photo in photos),
        statements=sum(len(photo.statements) for photo in photos),
        splits=dict(Counter(photo.split for photo in photos)),
        shards=shards,
    )


def _check(photos: Sequence[SourcePhoto], output: Path, dataset: str) -> None:
    if not re.fullmatch(r"[\w-]+", dataset):
        raise DatasetError(f"a data set's name is made of letters, digits, - and _, not {dataset!r}")
    if not photos:
        raise DatasetError("there are no photos with captions, questions or statements to import")
    twice = [key for key, count in Counter(photo.key for photo in photos).items() if count > 1]
    if twice:
        raise DatasetError(f"{len(twice)} photos occur more than once: {', '.join(twice[:_NAMED])}")
    missing = [str(photo.path) for photo in photos if not photo.path.is_file()]
    if missing:
        raise DatasetError(f"{len(missing)} of {len(photos)} photos are missing: {', '.join(missing[:_NAMED])}")
    if next(output.glob(f"{dataset}-[0-9][0-9][0-9].tar"), None):
        raise DatasetError(f"{output} holds shards of {dataset} already: name another --output, or move them away")


def _packed(photos: Sequence[SourcePhoto], dataset: str, short_side: int, bar: tqdm[Any]) -> Iterator[CaptionedPhoto]:
    with ThreadPoolExecutor() as threads:
        for photo, jpeg in zip(photos, threads.map(lambda source: _jpeg(source.path, short_side), photos), strict=True):
            yield CaptionedPhoto(
                photo.key,
                jpeg,
                photo.captions,
                dataset,
                photo.split,
                coco_id=photo.coco_id,
                caption_ids=photo.caption_ids,
                vqa=photo.vqa,
                statements=photo.statements,
            )
            bar.update()


def _jpeg(path: Path, short_side: int) -> bytes:
    """The photo as a JPEG: its own bytes where it is one and small enough."""
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            shortest = min(image.size)
            if image.format == "JPEG" and shortest <= short_side:
                image.load()
                return content
            scale = min(1.0, short_side / shortest)
            image.draft("RGB", (round(image.width * scale), round(image.height * scale)))
            upright = as_rgb(ImageOps.exif_transpose(image))
            scale = min(1.0, short_side / min(upright.size))
            size = (max(1, round(upright.width * scale)), max(1, round(upright.height * scale)))
            file = io.BytesIO()
            upright.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0).save(file, "JPEG", quality=_QUALITY)
            return file.getvalue()
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DatasetError(f"{path} is not a readable photo: {error}") from error
