"""A folder of photos with its captions in one file: JSON Lines or CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from model.data.source import SPLITS, DatasetError, SourcePhoto


def read_folder(captions: Path, images: Path, dataset: str, split: str) -> list[SourcePhoto]:
    """The photos that `captions` names, in its order.

    JSON Lines: objects with `file_name` (below `images`), `caption` or `captions`, and perhaps `split`. CSV: the
    same as columns, one caption a row; several rows may name one photo. Without one of its own a photo is of
    `split`. Raises DatasetError naming the line.
    """
    photos_by_name: dict[str, tuple[str, list[str]]] = {}
    for number, record in _records(captions):
        name, texts = record.get("file_name"), record.get("captions", record.get("caption"))
        texts = [texts] if isinstance(texts, str) else texts
        own_split = record.get("split") or split
        if not isinstance(name, str) or not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise DatasetError(f"{captions}, line {number}: needs file_name, and caption or captions")
        if own_split not in SPLITS:
            raise DatasetError(f"{captions}, line {number}: split is {', '.join(SPLITS)}, not {own_split!r}")
        known_split, known = photos_by_name.setdefault(name, (str(own_split), []))
        if known_split != own_split:
            raise DatasetError(f"{captions}, line {number}: {name} is of split {known_split} already")
        known += [text.strip() for text in texts if text.strip()]
    return [
        SourcePhoto(f"{dataset}_{name.replace('/', '_').replace('.', '_')}", images / name, tuple(texts), own_split)
        for name, (own_split, texts) in photos_by_name.items()
        if texts
    ]


def _records(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """Each record with the number of its line."""
    number = 0
    try:
        with path.open(encoding="utf-8", newline="") as file:
            if path.suffix.lower() == ".csv":
                for row in (reader := csv.DictReader(file)):
                    yield reader.line_num, dict(row)
                return
            for number, line in enumerate(file, start=1):
                if line.strip():
                    record = json.loads(line)
                    if not isinstance(record, dict):
                        raise DatasetError(f"{path}, line {number}: not a JSON object")
                    yield number, record
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}, line {number}: not JSON: {error}") from error
