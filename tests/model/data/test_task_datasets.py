"""VQA v2 and NLVR2 in their own layouts, made here in small, become shards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from model.data.importing import import_photos
from model.data.nlvr2 import read_nlvr2
from model.data.shards import Question, read_shards
from model.data.source import DatasetError
from model.data.vqa import read_vqa2
from model.tasks.examples import examples


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (60, 40), (90, 120, 60)).save(path)


def vqa2(folder: Path, subset: str = "train2014", **changes: Any) -> tuple[Path, Path, Path]:
    """Three questions about two photos, in VQA v2's layout."""
    people = [{"answer": "yes" if row else "no", "answer_confidence": "yes", "answer_id": row + 1} for row in range(10)]
    asked = [(9000, 9, "Is it red? "), (9001, 9, "What is it?"), (25000, 25, "How many?")]
    questions = {
        "info": {},
        "task_type": "Open-Ended",
        "data_type": "mscoco",
        "data_subtype": subset,
        "license": {},
        "questions": [{"image_id": photo, "question": text, "question_id": number} for number, photo, text in asked],
    }
    annotations = {
        "annotations": [
            {
                "question_type": "is it",
                "multiple_choice_answer": "yes",
                "answers": people,
                "image_id": photo,
                "answer_type": "yes/no",
                "question_id": number,
            }
            for number, photo, _ in asked
        ],
        "data_subtype": subset,
    } | changes
    (folder / "questions.json").write_text(json.dumps(questions))
    (folder / "annotations.json").write_text(json.dumps(annotations))
    for photo in (9, 25):
        picture(folder / "images" / f"COCO_{subset}_{photo:012}.jpg")
    return folder / "questions.json", folder / "annotations.json", folder / "images"


def test_vqa_v2_becomes_shards_with_ten_answers_to_each_question(tmp_path: Path) -> None:
    photos, left_out = read_vqa2(*vqa2(tmp_path), "train", None)
    assert left_out == 0
    report = import_photos(photos, tmp_path / "shards", dataset="vqa2", short_side=384, progress=False)
    assert (report.photos, report.captions, report.questions) == (2, 0, 3)
    one, other = read_shards([Path(report.shards[0])], captioned=False)
    assert (one.key, one.coco_id, one.split) == ("coco_000000000009", 9, "train")
    assert one.vqa[0] == Question("Is it red?", ("no", *["yes"] * 9))
    assert [question.question for question in other.vqa] == ["How many?"]


def test_photos_that_everybody_tests_on_stay_out_of_train(tmp_path: Path) -> None:
    files = vqa2(tmp_path, "val2014")
    with pytest.raises(DatasetError, match="--karpathy"):
        read_vqa2(*files, "train", None)
    photos, left_out = read_vqa2(*files, "train", frozenset({25}))
    assert ([photo.coco_id for photo in photos], left_out) == ([9], 1)
    assert len(read_vqa2(*files, "dev", None)[0]) == 2


def test_questions_without_their_answers_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"annotations\.json has no answers to question 9000"):
        read_vqa2(*vqa2(tmp_path, annotations=[]), "train", None)
    (tmp_path / "questions.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"questions\.json is not laid out as expected"):
        read_vqa2(tmp_path / "questions.json", tmp_path / "annotations.json", tmp_path, "train", None)


def nlvr2(folder: Path, **changes: Any) -> Path:
    """Two pairs of photos and three statements about them, two of one sentence, in NLVR2's layout."""
    records = []
    for identifier, label in (("train-10171-0-0", "True"), ("train-10171-1-0", "False"), ("train-10171-0-1", "False")):
        sentence = ("There are two dogs.", "The left image has a cat.")[int(identifier[-1])]
        records.append(
            {
                "synset": "dog",
                "sentence": sentence,
                "identifier": identifier,
                "label": label,
                "directory": 57,
                "left_url": "https://photos.example/1.jpg",
                "right_url": "https://photos.example/2.jpg",
                **changes,
            }
        )
    for pair in (0, 1):
        for side in (0, 1):
            picture(folder / "57" / f"train-10171-{pair}-img{side}.png")
    (folder / "train.json").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder / "train.json"


def test_nlvr2_becomes_shards_of_pairs_with_their_statements(tmp_path: Path) -> None:
    photos = read_nlvr2(nlvr2(tmp_path), tmp_path, "train")
    report = import_photos(photos, tmp_path / "shards", dataset="nlvr2", short_side=384, progress=False)
    assert (report.photos, report.statements) == (4, 3)
    found = examples("pairs", read_shards([Path(report.shards[0])], captioned=False))
    assert [(one.photos, one.question.answers[0], one.group) for one in found] == [
        (("nlvr2_train-10171-0-img0", "nlvr2_train-10171-0-img1"), "true", "train-10171-0"),
        (("nlvr2_train-10171-0-img0", "nlvr2_train-10171-0-img1"), "false", "train-10171-1"),
        (("nlvr2_train-10171-1-img0", "nlvr2_train-10171-1-img1"), "false", "train-10171-0"),
    ]


@pytest.mark.parametrize("changes", [{"label": "maybe"}, {"identifier": "train"}, {"identifier": 3}])
def test_a_line_that_is_not_nlvr2s_is_named(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(DatasetError, match=r"train\.json, line 1 is not laid out as expected"):
        read_nlvr2(nlvr2(tmp_path, **changes), tmp_path, "train")
