"""Karpathy's splits: dataset_coco.json, dataset_flickr8k.json, dataset_flickr30k.json.

Karpathy and Fei-Fei 2015, arXiv 1412.2306. Everybody's COCO retrieval figures are on these 5,000 test photos.
"""

from __future__ import annotations

from pathlib import Path

from model.data.source import DatasetError, SourcePhoto, malformed, read_json

_SPLITS = {"train": "train", "restval": "train", "val": "dev", "test": "test"}


def read_karpathy(path: Path, images: Path, dataset: str) -> list[SourcePhoto]:
    """The photos of all splits in the order of the file, which is the order of the 1K folds.

    `val` becomes `dev`, `restval` goes to `train`. Raises DatasetError.
    """
    try:
        return [
            SourcePhoto(
                key=_key(dataset, image),
                path=images / str(image.get("filepath", "")) / image["filename"],
                captions=tuple(sentence["raw"] for sentence in image["sentences"]),
                split=_SPLITS[image["split"]],
                coco_id=image.get("cocoid"),
                # Those of Flickr's captions are running numbers that nobody else knows.
                caption_ids=tuple(sentence["sentid"] for sentence in image["sentences"] if "cocoid" in image),
            )
            for image in read_json(path)["images"]
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise malformed(path, error) from error


def held_out_coco_ids(path: Path) -> frozenset[int]:
    """The COCO ids of Karpathy's val and test photos: none of them may be trained on. Raises DatasetError."""
    try:
        held_out = frozenset(
            image["cocoid"] for image in read_json(path)["images"] if _SPLITS[image["split"]] != "train"
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise malformed(path, error) from error
    if not held_out:
        raise DatasetError(f"{path} names no val or test photos: it is not dataset_coco.json")
    return held_out


def _key(dataset: str, image: dict[str, object]) -> str:
    if "cocoid" in image:
        return f"{dataset}_{image['cocoid']:012}"
    return f"{dataset}_{Path(str(image['filename'])).stem}"
