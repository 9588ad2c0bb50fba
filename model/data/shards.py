"""WebDataset shards of captioned photos: tar files with `KEY.jpg` beside `KEY.json`, on a disk or in object storage."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, BinaryIO, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model.atomic import replacing
from model.errors import PixelseekError
from model.image_processor import PixelBertImageProcessor

Shard: TypeAlias = Path | str
"""A file, or its URL, such as `s3://bucket/train-000.tar`."""
_BLOCK = 512
"""Of a tar file."""
_READ_BYTES = 8 << 20
"""What one request of object storage asks for."""


class ShardError(PixelseekError):
    """A shard that cannot be read; the message names the file and the member."""


_STRICT = ConfigDict(strict=True)  # no text for a number, no number for a truth
_NO_OTHER_KEYS = ConfigDict(strict=True, extra="forbid")


@dataclass(frozen=True)
class HardNegative:
    """A caption and a sentence almost like it that is wrong (SugarCrepe, arXiv 2306.14610)."""

    __pydantic_config__ = _NO_OTHER_KEYS

    caption: str
    negative_caption: str
    kind: str
    """What was changed: `swap_att`, `replace_obj`, ..."""


@dataclass(frozen=True)
class Question:
    """A question about a photo, and what people answered: ten of them, or one."""

    __pydantic_config__ = _STRICT

    question: str
    answers: Annotated[tuple[str, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Statement:
    """A sentence about a photo, or about this one (left) and another (right), that is true or false."""

    __pydantic_config__ = _NO_OTHER_KEYS

    sentence: str
    label: bool
    relation: str = ""
    """What it says of two things in one photo: `on`, `behind`, ..."""
    right: str = ""
    """The key of the other photo; empty where there is none."""
    group: str = ""
    """Statements of one group are one sentence about several pairs of photos."""


@dataclass(frozen=True)
class CaptionedPhoto:
    """One photo of a shard with what people wrote about it."""

    key: str
    jpeg: bytes
    captions: tuple[str, ...]
    dataset: str
    split: str
    hard_negatives: tuple[HardNegative, ...] = ()
    coco_id: int | None = None
    caption_ids: tuple[int, ...] = ()
    """COCO's number of each caption; empty where they are not known."""
    vqa: tuple[Question, ...] = ()
    statements: tuple[Statement, ...] = ()

    def with_captions(self, count: int | None) -> CaptionedPhoto:
        """The same photo with its first `count` captions, or all."""
        return replace(self, captions=self.captions[:count], caption_ids=self.caption_ids[:count])

    def decode(self, image_processor: PixelBertImageProcessor) -> NDArray[np.uint8]:
        """The photo as the model reads it (H, W, 3). Raises ShardError when it is damaged."""
        try:
            with Image.open(io.BytesIO(self.jpeg)) as image:
                return image_processor.resize(ImageOps.exif_transpose(image))
        except (OSError, ValueError) as error:
            raise ShardError(f"photo {self.key}: {error}") from error


def read_shards(shards: Sequence[Shard], split: str = "all", *, captioned: bool = True) -> list[CaptionedPhoto]:
    """The photos of `split` (`train`, `dev`, `test` or `all`) in the order of the shards.

    Photos without captions are left out, unless not only `captioned` ones are wanted. Raises ShardError when a shard
    cannot be read or holds a photo twice.
    """
    return read_splits(shards, (split,), captioned=captioned)[0]


def read_splits(
    shards: Sequence[Shard], splits: Sequence[str], *, captioned: bool = True
) -> list[list[CaptionedPhoto]]:
    """What `read_shards` gives for each of these splits; each shard is read once."""
    photos: list[dict[str, CaptionedPhoto]] = [{} for _ in splits]
    for shard in shards:
        for photo in _read(shard):
            for split, of_split in zip(splits, photos, strict=True):
                if (captioned and not photo.captions) or split not in ("all", photo.split):
                    continue
                if photo.key in of_split:
                    raise ShardError(f"{shard}: photo {photo.key} occurs twice")
                of_split[photo.key] = photo
    return [list(of_split.values()) for of_split in photos]


class _Ends(io.RawIOBase):
    """Bytes as they are read once from begin to end, whose first and last ones are kept."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.first = self.last = b""

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        content = self._file.read(size)
        self.first = self.first or content[:_BLOCK]
        self.last = (self.last + content)[-_BLOCK:]
        return content

    def is_cut_tar(self) -> bool:
        """Whether it is a tar file, not compressed, that lacks its end: after a whole member nothing else tells."""
        return self.first[257:262] == b"ustar" and any(self.last)


@contextmanager
def _opened(shard: Shard) -> Iterator[BinaryIO]:
    if isinstance(shard, Path) or "://" not in shard:
        with Path(shard).open("rb") as file:
            yield file
        return
    if "@" in shard or "?" in shard:
        raise ShardError(
            f"{shard.partition('://')[0]}://...: a shard's URL may hold no key. Set it in the environment."
        )
    from model.object_storage import open_system

    try:
        system, path = open_system(shard)
        with closing(system.open(path, "rb", block_size=_READ_BYTES)) as file:
            yield cast(BinaryIO, file)
    except ImportError as error:
        raise ShardError(f"{shard} needs packages that are not installed: pip install 'pixelseek[objects]'") from error
    except FileNotFoundError as error:
        raise ShardError(f"{shard} is not there. Is that its name, and the bucket's?") from error
    except (ShardError, tarfile.TarError):
        raise
    except Exception as error:  # each of fsspec's implementations has kinds of errors of its own
        raise ShardError(f"{shard} cannot be read: {str(error) or type(error).__name__}") from error


class _Record(BaseModel):
    """The JSON beside a photo. Other keys are of other programs."""

    model_config = _STRICT

    captions: list[str] = []
    caption_ids: list[int] | None = None
    dataset: str = ""
    split: str = "train"
    hard_negatives: tuple[HardNegative, ...] = ()
    coco_id: int | None = None
    vqa: tuple[Question, ...] = ()
    statements: tuple[Statement, ...] = ()

    def photo(self, key: str, jpeg: bytes) -> CaptionedPhoto:
        """The photo with this key; captions of nothing but spaces are left out, and their ids with them."""
        rows = [row for row, caption in enumerate(self.captions) if caption.strip()]
        return CaptionedPhoto(
            key,
            jpeg,
            tuple(self.captions[row].strip() for row in rows),
            self.dataset,
            self.split,
            self.hard_negatives,
            self.coco_id,
            tuple(self.caption_ids[row] for row in rows) if self.caption_ids else (),
            tuple(replace(question, question=question.question.strip()) for question in self.vqa),
            self.statements,
        )


def _record(content: bytes, where: str) -> _Record:
    """The record in a member. Raises ShardError, which says `where` it is, for anything else than such a record."""
    try:
        return _Record.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    raise ShardError(f"{where}: {key}{': ' if key else ''}{first['msg']}")


def _read(shard: Shard) -> list[CaptionedPhoto]:
    images: dict[str, bytes] = {}
    records: dict[str, _Record] = {}
    try:
        with _opened(shard) as file:
            stream = _Ends(file)
            with tarfile.open(fileobj=cast(BinaryIO, stream), mode="r|*") as archive:
                for member in archive:
                    key, _, suffix = member.name.rpartition(".")
                    content = archive.extractfile(member)
                    if content is None:
                        continue
                    if suffix == "json":
                        records[key] = _record(content.read(), f"{shard}: {member.name}")
                    elif suffix in ("jpg", "jpeg", "png"):
                        images[key] = content.read()
            if stream.is_cut_tar():
                raise ShardError(f"{shard} is not a readable shard: it is cut short")
    except (OSError, tarfile.TarError, ValueError) as error:
        raise ShardError(f"{shard} is not a readable shard: {error}") from error
    photos = []
    for key, record in records.items():
        if key not in images:
            raise ShardError(f"{shard}: {key}.json has no photo beside it")
        if len(record.caption_ids or ()) not in (0, len(record.captions)):
            counts = f"{len(record.captions)} captions, but {len(record.caption_ids or ())} caption_ids"
            raise ShardError(f"{shard}: {key} has {counts}")
        photos.append(record.photo(key, images[key]))
    return photos


def write_shard(path: Path, photos: Sequence[CaptionedPhoto]) -> None:
    """Write a shard that `read_shards` reads back, whole or not at all."""
    with replacing(path) as new, tarfile.open(new, mode="w") as archive:
        for photo in photos:
            record = asdict(photo)
            jpeg = record.pop("jpeg")
            for suffix, content in (("jpg", jpeg), ("json", json.dumps(record).encode())):
                member = tarfile.TarInfo(f"{photo.key}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
