"""Tasks beside retrieval: what is learned from, the networks, and a head that learns to see."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file

from model.data.shards import CaptionedPhoto, Question, ShardError, Statement, read_shards, write_shard
from model.heads import PHOTOS, Head
from model.image_processor import PixelBertImageProcessor
from model.network.heads import PixelBertForImagesAndTextClassification, PixelBertForQuestionAnswering
from model.runtime.loading import load_runtime
from model.tasks.evaluation import evaluate_task
from model.tasks.examples import consistency, examples, generated_pairs
from model.tasks.fine_tuning import fine_tune
from model.tasks.training import train_heads
from model.training.errors import TrainingError
from model.training.loop import train
from model.training.recipe import as_toml, load_recipe, overridden
from model.weights import WeightsError, generation
from tests.engine.libraries import write_weights
from tests.model.heads import add_head
from tests.model.networks import TINY
from tests.model.scenes import COLOURS, photos

CAPTIONED = [CaptionedPhoto(f"p{n}", b"", (f"Photo {n}.", f"picture {n}"), "made", "train") for n in range(5)]


def test_questions_and_statements_survive_a_shard(tmp_path: Path) -> None:
    (photo,) = photos(1, "train", 0)
    asked = replace(
        photo,
        captions=(),
        vqa=(Question("is it red?", ("yes",) * 10),),
        statements=(Statement("it is red", True, "is"), Statement("both are", False, right=photo.key, group="g")),
    )
    write_shard(tmp_path / "asked.tar", [asked])
    assert read_shards([tmp_path / "asked.tar"], captioned=False) == [asked]
    assert read_shards([tmp_path / "asked.tar"]) == []
    assert [one.photos for one in examples("vqa", [asked])] == [(asked.key,)]
    assert [one.question.answers for one in examples("statements", [asked])] == [("true",)]
    assert [(one.photos, one.group) for one in examples("pairs", [asked])] == [((asked.key, asked.key), "g")]


def test_a_statement_about_a_photo_that_is_not_there_is_an_error() -> None:
    lonely = replace(CAPTIONED[0], statements=(Statement("both", True, right="gone"),))
    with pytest.raises(ShardError, match="gone"):
        examples("pairs", [lonely])


def test_statements_made_of_captions_are_half_true_and_wrong_in_two_ways() -> None:
    made = generated_pairs(CAPTIONED, 8, seed=3)
    assert made == generated_pairs(CAPTIONED, 8, seed=3)
    assert [one.question.answers[0] for one in made] == ["true", "false"] * 8
    for true, false in zip(made[::2], made[1::2], strict=True):
        left, right = (key.removeprefix("p") for key in true.photos)
        assert true.photos == false.photos
        assert true.group == false.group
        words = true.question.question.replace("picture", "photo").split(" ")
        assert [word.rstrip(",.") for word in words if word.rstrip(",.").isdigit()] == [left, right]
        wrong = [word.rstrip(",.") for word in false.question.question.split(" ") if word.rstrip(",.").isdigit()]
        assert wrong == [right, left] if false.kind == "swapped" else len({*wrong} - {left, right}) == 1
    assert {one.kind for one in made} == {"swapped", "replaced"}


def test_consistent_is_who_judges_a_sentence_rightly_of_every_pair() -> None:
    right = np.array([1.0, 1.0, 1.0, 0.0, 0.0])
    assert consistency(right, ["a", "a", "b", "b", "c"]) == pytest.approx(1 / 3)


def test_the_network_for_questions_gives_each_answer_a_logit_and_is_saved_whole(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = PixelBertForQuestionAnswering(
        PixelBertForQuestionAnswering.config_class(**TINY, id2label={0: "yes", 1: "no", 2: "red"})
    ).eval()
    inputs = {"input_ids": torch.randint(5, 100, (2, 6)), "pixel_values": torch.randn(2, 3, 64, 64)}
    labels = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.3, 1.0]])
    found = model(**inputs, labels=labels)
    assert found.logits.shape == (2, 3)
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(found.logits, labels, reduction="none")
    assert found.loss.item() == pytest.approx(wanted.sum(1).mean().item(), rel=1e-5)
    found.loss.backward()
    assert all(parameter.grad is not None for parameter in model.head.parameters())
    model.save_pretrained(tmp_path)
    again = PixelBertForQuestionAnswering.from_pretrained(tmp_path)
    assert again.config.id2label == {0: "yes", 1: "no", 2: "red"}
    torch.testing.assert_close(again(**inputs).logits, found.logits)


def test_the_network_for_pairs_reads_both_photos_in_their_order(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = PixelBertForImagesAndTextClassification(
        PixelBertForImagesAndTextClassification.config_class(**TINY, num_images=2)
    ).eval()
    words, pixels = torch.randint(5, 100, (2, 6)), torch.randn(2, 2, 3, 64, 64)
    found = model(words, pixels, labels=torch.tensor([0, 1]))
    assert found.logits.shape == (2, 2)
    assert found.loss.isfinite()
    assert not torch.allclose(model(words, pixels.flip(1)).logits, found.logits)
    model.save_pretrained(tmp_path)
    again = PixelBertForImagesAndTextClassification.from_pretrained(tmp_path)
    torch.testing.assert_close(again(words, pixels).logits, found.logits)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard of photos in one colour each, of which people ask the colour in many ways."""
    random, made = np.random.default_rng(0), []
    names = sorted(COLOURS)
    for split, count in (("train", 60), ("dev", 20)):
        for row in range(count):
            name = names[row % len(names)]
            noise = random.integers(-30, 30, (64, 64, 3))
            image = Image.fromarray(np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8))
            image.save(file := io.BytesIO(), "JPEG")
            questions = [f"what color is {what} {how}" for what in ("it", "a circle", "a square") for how in "abcdefgh"]
            vqa = tuple(Question(question, (name,) * 10) for question in questions)
            made.append(CaptionedPhoto(f"{split}{row}", file.getvalue(), (), "made", split, vqa=vqa))
    write_shard(path := tmp_path_factory.mktemp("asked") / "asked.tar", made)
    return path


def test_a_head_learns_to_answer_by_what_a_photo_shows(asked: Path, tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "weights", seed=0)
    (report,) = train_heads(weights, [asked], ["vqa"], device="cpu", progress=False)
    usual, blind, seeing = (row.figures["accuracy"] for row in report.rows)
    assert seeing > max(usual, blind) + 10
    assert report.gain["low"] > 0
    assert report.labels == len(COLOURS)
    assert "the photo adds" in report.text()
    assert report.known["accuracy"] >= seeing
    again = evaluate_task(weights, [asked], "vqa", device="cpu", progress=False)
    assert again.rows == report.rows
    with pytest.raises(ShardError, match="have no examples for statements"):
        next(train_heads(weights, [asked], ["statements"], device="cpu", progress=False))


@pytest.fixture
def questioned(tmp_path: Path) -> Path:
    """A shard of four train and four dev photos with a question and a statement each."""
    made = []
    for split in ("train", "dev"):
        for row, photo in enumerate(photos(4, split, seed=len(split))):
            vqa = (Question("is it red?", ("yes" if row % 2 else "no",) * 10),)
            statements = (Statement("it is red", bool(row % 2), "is"),)
            made.append(replace(photo, key=f"{split}{row}", vqa=vqa, statements=statements))
    write_shard(shard := tmp_path / "made.tar", made)
    return shard


@pytest.mark.parametrize("name", ["vqa", "nlvr2", "statements"])
def test_a_whole_network_is_fine_tuned_by_recipe_and_answers(tmp_path: Path, questioned: Path, name: str) -> None:
    start = write_weights(tmp_path / "start", seed=0)
    recipe = load_recipe(name)
    changes = {"start.weights": str(start), "schedule.epochs": 2.0, "schedule.batch_size": 4}
    quick = overridden(recipe, changes, "test")
    (tmp_path / "quick.toml").write_text(as_toml(quick))
    weights = fine_tune(tmp_path / "quick.toml", [questioned], tmp_path / "run", device="cpu")
    assert generation(weights) != generation(start), "the trunk has learned too"
    assert recipe.task != "retrieval"
    head = Head.load(weights, recipe.task, generation(weights))
    runtime = load_runtime(weights, device="cpu")
    pixels = read_shards([questioned])[0].decode(PixelBertImageProcessor.from_pretrained(weights))
    features = runtime.encode_image([pixels]).pixel_features
    logits = runtime.classify(head, runtime.encode_text(["is it red?"]), *[features] * PHOTOS[head.task])
    assert logits.shape == (1, len(head.labels))
    assert "dev accuracy" in (tmp_path / "run" / "log.jsonl").read_text()
    with pytest.raises(TrainingError, match="already holds a run"):
        fine_tune(tmp_path / "quick.toml", [questioned], tmp_path / "run", device="cpu")
    with pytest.raises(TrainingError, match=f"is for {recipe.task}"):
        train(tmp_path / "quick.toml", [questioned], tmp_path / "other", device="cpu")


@pytest.mark.parametrize(("batch_size", "told_at"), [(4, "step 1"), (2, "step 2: the loss")], ids=["end", "before"])
def test_a_network_that_fine_tuning_spoils_is_not_left(
    tmp_path: Path, questioned: Path, batch_size: int, told_at: str
) -> None:
    changes = {
        "start.weights": str(write_weights(tmp_path / "start", seed=0)),
        "schedule.epochs": 1.0,
        "schedule.batch_size": batch_size,
        "schedule.warmup": 0.0,
        "schedule.lr": 1e30,
    }
    (tmp_path / "spoiling.toml").write_text(as_toml(overridden(load_recipe("vqa"), changes, "test")))
    with pytest.raises(TrainingError, match=f"{told_at}.* Lower the learning rate"):
        fine_tune(tmp_path / "spoiling.toml", [questioned], tmp_path / "run", device="cpu")
    assert not (tmp_path / "run" / "weights").exists()


def spoil(file: Path, part: str) -> None:
    """Make the tensors of `file` whose names begin with `part` no numbers."""
    tensors = load_file(file)
    for name, tensor in tensors.items():
        if name.startswith(part):
            tensor[...] = np.nan
    save_file(tensors, file, metadata={"format": "pt"})


def test_a_head_that_can_answer_no_numbers_is_not_measured(tmp_path: Path, questioned: Path) -> None:
    weights = write_weights(tmp_path / "weights", seed=0)
    spoil(weights / "model.safetensors", "pixelbert.layers")
    add_head(weights, "vqa")
    with pytest.raises(WeightsError, match="not finite"):
        evaluate_task(weights, [questioned], "vqa", device="cpu", progress=False)


def test_no_head_is_left_that_was_learned_from_spoiled_weights(tmp_path: Path, questioned: Path) -> None:
    weights = write_weights(tmp_path / "weights", seed=0)
    spoil(weights / "model.safetensors", "pixelbert.layers")
    before = (weights / "vqa.safetensors").read_bytes()
    with pytest.raises(WeightsError, match="not finite"):
        list(train_heads(weights, [questioned], ["vqa"], device="cpu", progress=False))
    assert (weights / "vqa.safetensors").read_bytes() == before
