"""COCO's own caption files: captions_train2014.json, captions_val2017.json, ... (Lin et al. 2014)."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from model.data.source import DatasetError, SourcePhoto, malformed, read_json

_SAFE = "COCO_train2014_"  # Karpathy took val and test from val2014 alone


def read_coco(
    annotations: Path, images: Path, split: str, held_out: frozenset[int] | None
) -> tuple[list[SourcePhoto], int]:
    """The photos of one caption file as `split`, and how many were left out.

    Left out of `train` are the photos `held_out`: Karpathy's val and test. Raises DatasetError when the
    file may hold some and `held_out` is None, or is not a caption file.
    """
    table = read_json(annotations)
    captions: dict[int, list[tuple[str, int]]] = defaultdict(list)
    try:
        for annotation in table["annotations"]:
            captions[annotation["image_id"]].append((annotation["caption"], annotation["id"]))
        files = {image["id"]: image["file_name"] for image in table["images"]}
        if len(files) < len(table["images"]):
            raise DatasetError(f"{annotations} lists an image id twice")
        if split == "train" and held_out is None and not all(name.startswith(_SAFE) for name in files.values()):
            raise DatasetError(
                f"{annotations} may hold photos that everybody tests on: name Karpathy's dataset_coco.json with "
                "--karpathy, so that they are left out"
            )
    except (AttributeError, KeyError, TypeError) as error:
        raise malformed(annotations, error) from error
    photos = [
        SourcePhoto(
            f"coco_{number:012}",
            images / name,
            tuple(caption for caption, _ in captions[number]),
            split,
            number,
            tuple(caption_id for _, caption_id in captions[number]),
        )
        for number, name in files.items()
        if captions[number]
    ]
    kept = [photo for photo in photos if split != "train" or photo.coco_id not in (held_out or ())]
    return kept, len(photos) - len(kept)
