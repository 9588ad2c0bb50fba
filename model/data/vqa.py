"""VQA v2's own files: v2_OpenEnded_mscoco_*_questions.json and v2_mscoco_*_annotations.json (Goyal et al. 2017)."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from model.data.shards import Question
from model.data.source import DatasetError, SourcePhoto, malformed, read_json

_SAFE = "train2014"  # Karpathy took val and test from val2014 alone


def read_vqa2(
    questions: Path, annotations: Path, images: Path, split: str, held_out: frozenset[int] | None
) -> tuple[list[SourcePhoto], int]:
    """The photos of one pair of files as `split` with their questions, and how many photos were left out.

    Photos are found as COCO 2014 names them, or COCO 2017. Left out of `train` are the photos `held_out`: Karpathy's
    val and test. Raises DatasetError when the files may hold some and `held_out` is None, are not laid out as VQA v2's,
    or do not belong together.
    """
    asked, answered = read_json(questions), read_json(annotations)
    found: dict[int, list[Question]] = defaultdict(list)
    try:
        subset = asked["data_subtype"]
        if split == "train" and held_out is None and subset != _SAFE:
            raise DatasetError(
                f"{questions} may ask about photos that everybody tests on: name Karpathy's dataset_coco.json with "
                "--karpathy, so that they are left out"
            )
        answers = {
            one["question_id"]: (one["image_id"], tuple(str(said["answer"]) for said in one["answers"]))
            for one in answered["annotations"]
        }
        for one in asked["questions"]:
            number, said = answers.get(one["question_id"], (None, ()))
            if number != one["image_id"] or not said:
                raise DatasetError(f"{annotations} has no answers to question {one['question_id']} of {questions}")
            found[number].append(Question(str(one["question"]).strip(), said))
    except (AttributeError, KeyError, TypeError) as error:
        raise malformed(questions, error) from error
    kept = [number for number in found if split != "train" or number not in (held_out or ())]
    photos = [
        SourcePhoto(f"coco_{number:012}", _photo(images, subset, number), (), split, number, vqa=tuple(found[number]))
        for number in kept
    ]
    return photos, len(found) - len(kept)


def _photo(images: Path, subset: str, number: int) -> Path:
    by_year = images / f"COCO_{subset}_{number:012}.jpg"
    plain = images / f"{number:012}.jpg"
    return plain if plain.is_file() and not by_year.is_file() else by_year
