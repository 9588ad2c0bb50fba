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
    question_file, annotation_file = read_json(questions), read_json(annotations)
    questions_by_photo: dict[int, list[Question]] = defaultdict(list)
    try:
        subset = question_file["data_subtype"]
        if split == "train" and held_out is None and subset != _SAFE:
            raise DatasetError(
                f"{questions} may ask about photos that everybody tests on: name Karpathy's dataset_coco.json with "
                "--karpathy, so that they are left out"
            )
        answers = {
            entry["question_id"]: (
                entry["image_id"],
                tuple(str(given_answers["answer"]) for given_answers in entry["answers"]),
            )
            for entry in annotation_file["annotations"]
        }
        for entry in question_file["questions"]:
            number, given_answers = answers.get(entry["question_id"], (None, ()))
            if number != entry["image_id"] or not given_answers:
                raise DatasetError(f"{annotations} has no answers to question {entry['question_id']} of {questions}")
            questions_by_photo[number].append(Question(str(entry["question"]).strip(), given_answers))
    except (AttributeError, KeyError, TypeError) as error:
        raise malformed(questions, error) from error
    kept = [number for number in questions_by_photo if split != "train" or number not in (held_out or ())]
    photos = [
        SourcePhoto(
            f"coco_{number:012}",
            _photo(images, subset, number),
            (),
            split,
            number,
            vqa=tuple(questions_by_photo[number]),
        )
        for number in kept
    ]
    return photos, len(questions_by_photo) - len(kept)


def _photo(images: Path, subset: str, number: int) -> Path:
    by_year = images / f"COCO_{subset}_{number:012}.jpg"
    plain = images / f"{number:012}.jpg"
    return plain if plain.is_file() and not by_year.is_file() else by_year
