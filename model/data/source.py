"""The form into which every layout is read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.data.shards import Question, Statement
from model.errors import PixelseekError

SPLITS = ("train", "dev", "test")


class DatasetError(PixelseekError):
    """A data set that cannot be read; the message names the file and what is wrong with it."""


@dataclass(frozen=True)
class SourcePhoto:
    """A photo file with what people wrote about it."""

    key: str
    """Its name in the shards: unique, and the same whenever it is imported."""
    path: Path
    captions: tuple[str, ...]
    split: str
    coco_id: int | None = None
    """Its number in COCO, where it comes from there."""
    caption_ids: tuple[int, ...] = ()
    """And those of its captions."""
    vqa: tuple[Question, ...] = ()
    statements: tuple[Statement, ...] = ()


def read_json(path: Path) -> Any:
    """The JSON in `path`. Raises DatasetError."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error


def malformed(path: Path, error: Exception) -> DatasetError:
    """The error for a file whose JSON is not of the layout it should have."""
    missing = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
    return DatasetError(f"{path} is not laid out as expected: {missing}")
