"""Visual Genome's region_descriptions.json and image_data.json (Krishna et al. 2017).

Half of its photos are COCO's, Karpathy's test photos among them: those must not be trained on.
"""

from __future__ import annotations

from pathlib import Path

from model.data.source import SourcePhoto, malformed, read_json

_FOLDERS = ("VG_100K", "VG_100K_2")


def read_visual_genome(
    regions: Path, image_data: Path, images: Path, held_out: frozenset[int]
) -> tuple[list[SourcePhoto], int]:
    """All photos as `train`, a phrase about a region being a caption, and how many were left out: those `held_out`.

    `images` is the folder of the photos, or the one that holds VG_100K and VG_100K_2. Raises DatasetError.
    """
    try:
        coco_ids = {image["image_id"]: image.get("coco_id") for image in read_json(image_data)}
        phrases_by_id = {
            entry["id"]: tuple(dict.fromkeys(region["phrase"].strip() for region in entry["regions"]))
            for entry in read_json(regions)
        }
        photos = [
            SourcePhoto(f"vg_{number}", _file(images, number), phrases, "train", coco_ids[number])
            for number, phrases in phrases_by_id.items()
            if phrases
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise malformed(regions, error) from error
    kept = [photo for photo in photos if photo.coco_id not in held_out]
    return kept, len(photos) - len(kept)


def _file(images: Path, number: int) -> Path:
    places = [images / folder / f"{number}.jpg" for folder in _FOLDERS]
    return next((place for place in places if place.exists()), images / f"{number}.jpg")
