"""NLVR2's JSON Lines: train.json, dev.json, test1.json (Suhr et al. 2019, lil.nlp.cornell.edu/nlvr)."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from model.data.shards import Statement
from model.data.source import DatasetError, SourcePhoto, malformed

_LABELS = {"True": True, "False": False}
_SUFFIXES = (".png", ".jpg")


def read_nlvr2(annotations: Path, images: Path, split: str) -> list[SourcePhoto]:
    """The photos of one file as `split`, two for each pair; the statements are with the left one.

    An identifier is `SPLIT-SET-PAIR-SENTENCE`. The photos are `SPLIT-SET-PAIR-img0.png` (left) and `-img1.png`, in
    `images` or, as the train photos are, in the folder in it that `directory` names. Statements of one sentence are a
    group, by which consistency is counted. Raises DatasetError when the file is not laid out as NLVR2's.
    """
    sentences: dict[str, list[Statement]] = defaultdict(list)
    folders: dict[str, Path] = {}
    for number, line in enumerate(_lines(annotations), start=1):
        try:
            record: Any = json.loads(line)
            name, _, sentence = record["identifier"].rpartition("-")
            subset, one_set, pair = name.rsplit("-", 2)
            label = _LABELS[record["label"]]
            folders[name] = images / str(record["directory"]) if "directory" in record else images
            sentences[name].append(
                Statement(
                    str(record["sentence"]).strip(), label, right=_key(name, 1), group=f"{subset}-{one_set}-{sentence}"
                )
            )
            int(pair)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise malformed(Path(f"{annotations}, line {number}"), error) from error
    photos = []
    for name, statements in sentences.items():
        photos += [
            SourcePhoto(_key(name, 0), _photo(folders[name], name, 0), (), split, statements=tuple(statements)),
            SourcePhoto(_key(name, 1), _photo(folders[name], name, 1), (), split),
        ]
    return photos


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error


def _key(name: str, side: int) -> str:
    return f"nlvr2_{name}-img{side}"


def _photo(folder: Path, name: str, side: int) -> Path:
    paths = [folder / f"{name}-img{side}{suffix}" for suffix in _SUFFIXES]
    return next((path for path in paths if path.is_file()), paths[0])
