"""Training: what recipe `tiny` learns from scenes, and that a run killed and resumed is the same run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file, save_file

from model.data.shards import CaptionedPhoto, ShardError, write_shard
from model.errors import PixelseekError
from model.image_processor import PixelBertImageProcessor
from model.runtime.loading import load_runtime
from model.runtime.protocol import Runtime
from model.scoring.calibration import Calibration
from model.scoring.parameters import ScoringParameters
from model.scoring.word_learning import WordHead
from model.training import loop, step
from model.training.errors import TrainingError
from model.training.loop import train
from model.training.photos import TrainingPhotos
from model.training.recipe import RECIPES, as_toml, load_recipe, overridden
from model.weights import generation
from tests.conftest import ROOT
from tests.model.scenes import Scene, caption, draw, photos, scenes, swapped

CHANCE = 1 / len(scenes())  # of picking the right scene among all


@pytest.fixture(scope="module")
def runtime(trained_on_scenes: Path) -> Runtime:
    return load_runtime(trained_on_scenes, device="cpu")


@pytest.fixture(scope="module")
def held_out(trained_on_scenes: Path) -> list[tuple[Scene, NDArray[np.uint8]]]:
    """Every scene, drawn as it was never drawn for training."""
    processor, random = PixelBertImageProcessor.from_pretrained(trained_on_scenes), np.random.default_rng(99)
    return [(scene, CaptionedPhoto("", draw(scene, random), (), "", "").decode(processor)) for scene in scenes()]


def itm_recall(runtime: Runtime, held_out: list[tuple[Scene, NDArray[np.uint8]]], *, blank: bool) -> float:
    """How often ITM alone gives the true scene the highest score of all."""
    images = [np.full_like(image, 127) if blank else image for _, image in held_out]
    features = runtime.encode_image(images).pixel_features
    right = 0
    for row, (scene, _) in enumerate(held_out):
        logits = runtime.itm_logits(runtime.encode_text([caption(scene)]), features)
        right += bool(logits[row] > np.delete(logits, row).max())
    return right / len(held_out)


def test_itm_alone_finds_the_scene_at_least_five_times_above_chance(
    runtime: Runtime, held_out: list[tuple[Scene, NDArray[np.uint8]]]
) -> None:
    assert itm_recall(runtime, held_out, blank=False) >= 5 * CHANCE


def test_itm_falls_to_chance_when_the_pixels_are_blanked(
    runtime: Runtime, held_out: list[tuple[Scene, NDArray[np.uint8]]]
) -> None:
    assert itm_recall(runtime, held_out, blank=True) <= CHANCE


def test_a_sentence_with_its_colours_swapped_scores_lower(
    runtime: Runtime, held_out: list[tuple[Scene, NDArray[np.uint8]]]
) -> None:
    features = runtime.encode_image([image for _, image in held_out]).pixel_features
    true = runtime.itm_logits(runtime.encode_text([caption(scene) for scene, _ in held_out]), features)
    wrong = runtime.itm_logits(runtime.encode_text([caption(swapped(scene)) for scene, _ in held_out]), features)
    assert (true > wrong).mean() >= 0.9


def scoring_of(weights: Path) -> ScoringParameters:
    return ScoringParameters.load(weights, generation(weights))


def test_a_run_leaves_weights_card_log_and_recipe(trained_on_scenes: Path) -> None:
    assert "recipe `tiny`" in (trained_on_scenes / "README.md").read_text()
    assert scoring_of(trained_on_scenes).calibration != Calibration()
    log = [json.loads(line) for line in (trained_on_scenes.parent / "log.jsonl").read_text().splitlines()]
    assert log[-1]["dev"]["scenes"]["rerank"]["r@1"] > 0
    assert {"loss", "itc", "mlm", "itm", "itm_sigmoid"} <= set(log[-2])
    with Image.open(trained_on_scenes.parent / "curves.png") as picture:
        assert picture.format == "PNG"
    for folder in (trained_on_scenes, trained_on_scenes.parent):
        assert load_recipe(folder / "recipe.toml") == load_recipe("tiny")


SHORT = """
[model]
backbone = "test_resnet"
hidden_size = 32
num_hidden_layers = 2
num_attention_heads = 2
intermediate_size = 32
fusion_layer = 1
embedding_size = 16
pixel_sampling = 0.5
[processor]
image_size = 64
[start]
vocab_size = 100
[schedule]
epochs = 4
batch_size = 8
hard_negative_group_size = 2
[dev]
every_epochs = 1
[cnn]
frozen_stages = {frozen}
views = 2
"""


@pytest.fixture
def short_shard(tmp_path: Path) -> Path:
    path = tmp_path / "short.tar"
    write_shard(path, photos(16, "train", 0) + photos(6, "dev", 1))
    return path


WORDS = """
[objectives]
itc_captions = 2
words = 0.05
mlm = 0.0
itm = 0.0
itm_sigmoid = 0.0
"""


@pytest.mark.parametrize(
    ("frozen", "objectives", "trunk"),
    [("99", "", "false"), ("2", "", "false"), ("0", "", "false"), ("2", WORDS, "false"), ("0", WORDS, "true")],
    ids=["frozen CNN", "half of the CNN", "whole CNN", "words", "words, frozen trunk"],
)
def test_a_run_killed_and_resumed_takes_the_steps_of_one_that_was_not(
    tmp_path: Path, short_shard: Path, frozen: str, objectives: str, trunk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "short.toml"
    short = SHORT.format(frozen=frozen).replace(
        "hard_negative_group_size = 2", f"hard_negative_group_size = 2\nfrozen_trunk = {trunk}"
    )
    recipe.write_text(short + objectives)
    train(recipe, [short_shard], tmp_path / "whole", device="cpu")
    taken = 0
    losses = step.losses

    def die_at_step_six(*args: object, **kwargs: object) -> object:
        nonlocal taken
        taken += 1
        if taken == 6:
            raise KeyboardInterrupt
        return losses(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "losses", die_at_step_six)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, [short_shard], tmp_path / "killed", device="cpu")
    monkeypatch.undo()
    train(recipe, [short_shard], tmp_path / "killed", device="cpu", resume=True)
    whole, killed = (load_file(tmp_path / run / "weights" / "model.safetensors") for run in ("whole", "killed"))
    for name, tensor in whole.items():
        assert np.allclose(tensor, killed[name], atol=1e-3), name
    words = [scoring_of(tmp_path / run / "weights").detectors for run in ("whole", "killed")]
    assert np.allclose(words[0].weights, words[1].weights, atol=1e-3)
    assert len(words[0].ids) > 0 or not objectives, "the words that it learned are kept beside the weights"


@pytest.fixture
def begun(tmp_path: Path, short_shard: Path) -> Path:
    """Weights to go on from, with word detectors."""
    recipe = tmp_path / "begun.toml"
    recipe.write_text(SHORT.format(frozen="0") + WORDS)
    train(recipe, [short_shard], tmp_path / "begun", device="cpu")
    return tmp_path / "begun" / "weights"


def test_a_frozen_trunk_stays_as_it_was_while_the_photos_side_learns(
    tmp_path: Path, short_shard: Path, begun: Path
) -> None:
    recipe = tmp_path / "on.toml"
    short = SHORT.format(frozen="2").replace(
        "hard_negative_group_size = 2", "hard_negative_group_size = 2\nfrozen_trunk = true"
    )
    recipe.write_text(short.replace("[start]", f"[start]\nweights = '{begun}'") + WORDS)
    train(recipe, [short_shard], tmp_path / "on", device="cpu")
    before, after = (load_file(folder / "model.safetensors") for folder in (begun, tmp_path / "on" / "weights"))
    changed = {name for name, tensor in before.items() if not np.array_equal(tensor, after[name])}
    assert changed, "something is learned"
    parts = ("pixelbert.pixel_tokens.", "image_projection.", "logit_scale")
    assert all(name.startswith(parts) for name in changed), sorted(changed)


def test_what_was_computed_once_is_not_taken_for_that_of_other_weights_tokens_or_heads(
    tmp_path: Path, short_shard: Path, begun: Path
) -> None:
    others = tmp_path / "others.toml"
    others.write_text("seed = 1\n" + SHORT.format(frozen="0") + WORDS)
    train(others, [short_shard], tmp_path / "others", device="cpu")
    short = SHORT.format(frozen="2").replace(
        "hard_negative_group_size = 2", "hard_negative_group_size = 2\nfrozen_trunk = true"
    )
    caches = ("pixel-features", "text-embeddings")
    runs = {
        "first": (begun, 64, 2),
        "other weights": (tmp_path / "others" / "weights", 64, 2),
        "other tokens": (begun, 8, 2),
        "other heads": (begun, 64, 4),
        "the same": (begun, 64, 2),
    }
    kept: list[list[int]] = []
    for run, (weights, max_tokens, heads) in runs.items():
        recipe = tmp_path / f"{run}.toml"
        of_run = short.replace("[processor]", f"[processor]\nmax_tokens = {max_tokens}")
        of_run = of_run.replace("num_attention_heads = 2", f"num_attention_heads = {heads}")
        of_run = of_run.replace("[start]", f"[start]\nweights = '{weights}'")
        recipe.write_text(of_run + WORDS.replace("words = 0.05", "words = 0.0"))
        if kept:
            for cache in caches:
                shutil.copytree(tmp_path / "first" / cache, tmp_path / run / cache)
        train(recipe, [short_shard], tmp_path / run, device="cpu")
        kept.append([len(list((tmp_path / run / cache).iterdir())) for cache in caches])
    views = kept[0][0]
    assert kept == [[views, 1], [2 * views, 2], [views, 2], [views, 2], [views, 1]]


def test_a_run_leaves_the_share_of_its_start_that_the_recipe_says(tmp_path: Path, begun: Path) -> None:
    shard, recipe = tmp_path / "train.tar", tmp_path / "on.toml"
    write_shard(shard, photos(16, "train", 0))
    left = []
    for share in (0.0, 0.25):
        of_schedule = f"hard_negative_group_size = 2\nstart_share = {share}"
        short = SHORT.format(frozen="2").replace("hard_negative_group_size = 2", of_schedule)
        recipe.write_text(short.replace("[start]", f"[start]\nweights = '{begun}'") + WORDS)
        train(recipe, [shard], tmp_path / str(share), device="cpu")
        left.append(tmp_path / str(share) / "weights")
    start, alone, mixed = (load_file(folder / "model.safetensors") for folder in (begun, *left))
    assert any(not np.array_equal(tensor, alone[name]) for name, tensor in start.items()), "something is learned"
    for name, tensor in start.items():
        between = 0.25 * tensor.astype(np.float32) + 0.75 * alone[name].astype(np.float32)
        assert np.allclose(mixed[name], between, atol=2e-3), name
    of_start, of_alone, of_mixed = (scoring_of(folder).detectors.weights for folder in (begun, *left))
    np.testing.assert_allclose(of_mixed, 0.25 * of_start + 0.75 * of_alone, rtol=2e-3, atol=1e-2)


def test_a_word_head_goes_on_from_the_word_detectors_of_the_weights(begun: Path) -> None:
    kept = scoring_of(begun).detectors
    head = WordHead(
        kept.ids, np.full((2, len(kept.ids)), 0.5, np.float32), np.eye(2, kept.weights.shape[1], dtype=np.float32)
    )
    head.initialize_from(kept)
    again = head.detectors()
    assert np.allclose(again.weights, kept.weights, atol=1e-4)
    assert np.allclose(again.bias, kept.bias, atol=1e-2)


def test_words_that_no_photo_repeats_cannot_be_learned(tmp_path: Path) -> None:
    few = tmp_path / "few.tar"
    write_shard(few, photos(8, "train", 0))
    recipe = tmp_path / "short.toml"
    recipe.write_text(SHORT.format(frozen="0") + WORDS)
    with pytest.raises(TrainingError, match=r"set objectives\.words to 0"):
        train(recipe, [few], tmp_path / "run", device="cpu")


def test_a_run_in_pieces_is_the_same_run(tmp_path: Path, short_shard: Path) -> None:
    recipe = tmp_path / "short.toml"
    recipe.write_text(SHORT.format(frozen="99"))
    train(recipe, [short_shard], tmp_path / "whole", device="cpu")
    pieces = 1
    while train(recipe, [short_shard], tmp_path / "pieces", resume=True, minutes=0, device="cpu") is None:
        pieces += 1
    assert pieces == 8, "a step at a time"
    logs = [(tmp_path / run / "log.jsonl").read_text().splitlines() for run in ("whole", "pieces")]
    losses = [[record for line in log if "loss" in (record := json.loads(line))] for log in logs]
    assert losses[0] == losses[1], "to the last decimal"
    whole, parts = (load_file(tmp_path / run / "weights" / "model.safetensors") for run in ("whole", "pieces"))
    for name, tensor in whole.items():
        assert np.allclose(tensor, parts[name], atol=1e-3), name


def test_the_log_of_a_killed_run_has_no_step_twice(
    tmp_path: Path, short_shard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_LOG_STEPS", 1)
    recipe, run = tmp_path / "short.toml", tmp_path / "run"
    recipe.write_text(SHORT.format(frozen="99"))
    assert train(recipe, [short_shard], run, minutes=0, device="cpu") is None
    with (run / "log.jsonl").open("a") as log:  # what a run has logged that was killed before its next checkpoint
        log.write('{"step": 2, "loss": 99.0}\n{"step": 2, "dev": {}, "score": 99.0}\n{"step": 3, "loss": 9')
    train(recipe, [short_shard], run, resume=True, device="cpu")
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records if "loss" in record] == list(range(1, 9))
    assert [record["step"] for record in records if "dev" in record] == [2, 4, 6, 8]
    assert "99.0" not in (run / "log.jsonl").read_text()


def test_a_part_of_the_photos_is_learned_from_in_as_many_steps(
    tmp_path: Path, short_shard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[int] = set()
    draw = TrainingPhotos.batch

    def noted(self: TrainingPhotos, rows: NDArray[np.int64], *, augment: bool) -> object:
        seen.update(rows.tolist())
        return draw(self, rows, augment=augment)

    monkeypatch.setattr(TrainingPhotos, "batch", noted)
    recipe = tmp_path / "short.toml"
    recipe.write_text(SHORT.format(frozen="0").replace("batch_size = 8", "batch_size = 8\ntrain_fraction = 0.5"))
    train(recipe, [short_shard], tmp_path / "run", device="cpu")
    assert len(seen) == 8, "of 16"
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["step"] == 8, "4 epochs of 16 photos, 8 at a time"
    assert "8 photos" in (tmp_path / "run" / "weights" / "README.md").read_text()


def test_a_run_does_not_go_on_with_another_recipe_or_other_photos(tmp_path: Path, short_shard: Path) -> None:
    recipe = tmp_path / "short.toml"
    recipe.write_text(SHORT.format(frozen="0"))
    assert train(recipe, [short_shard], tmp_path / "run", minutes=0, device="cpu") is None
    learned, dev = photos(16, "train", 0), photos(6, "dev", 1)
    others = {
        "other train photos": photos(16, "train", 5) + dev,
        "fewer train photos": learned[:-1] + dev,
        "another caption": [replace(learned[0], captions=("a dog",)), *learned[1:], *dev],
        "other dev photos": learned + photos(6, "dev", 5),
        "no dev photos": learned,
        "a dev photo of another data set": [*learned, *dev[:-1], replace(dev[-1], dataset="other")],
    }
    for name, in_shard in others.items():
        write_shard(tmp_path / "others.tar", in_shard)
        which = "dev photos" if "dev" in name else "train photos"
        with pytest.raises(TrainingError, match=f"was begun with other {which}: name another --output"):
            train(recipe, [tmp_path / "others.tar"], tmp_path / "run", resume=True, device="cpu")
    recipe.write_text(SHORT.format(frozen="0").replace("epochs = 4", "epochs = 5"))
    with pytest.raises(TrainingError, match=r"another recipe \(schedule.epochs: 4.0, now 5.0\)"):
        train(recipe, [short_shard], tmp_path / "run", resume=True, device="cpu")


def test_a_run_does_not_go_on_from_other_starting_weights(tmp_path: Path, short_shard: Path, begun: Path) -> None:
    recipe, run = tmp_path / "on.toml", tmp_path / "run"
    recipe.write_text(SHORT.format(frozen="2").replace("[start]", f"[start]\nweights = '{begun}'") + WORDS)
    assert train(recipe, [short_shard], run, minutes=0, device="cpu") is None
    shutil.copytree(begun, tmp_path / "kept")
    weights = load_file(begun / "model.safetensors")
    weights["logit_scale"][...] += 1
    save_file(weights, begun / "model.safetensors", metadata={"format": "pt"})
    scoring_of(tmp_path / "kept").save(begun, generation(begun))
    with pytest.raises(TrainingError, match="was begun with other starting weights: name another --output"):
        train(recipe, [short_shard], run, resume=True, device="cpu")
    shutil.rmtree(begun)
    shutil.copytree(tmp_path / "kept", begun)
    scoring = scoring_of(begun)
    replace(scoring, detectors=replace(scoring.detectors, bias=scoring.detectors.bias + 1)).save(
        begun, generation(begun)
    )
    with pytest.raises(TrainingError, match="was begun with other starting weights"):
        train(recipe, [short_shard], run, resume=True, device="cpu")
    shutil.rmtree(begun)
    shutil.copytree(tmp_path / "kept", begun)
    assert train(recipe, [short_shard], run, resume=True, device="cpu") is not None, "the same ones, written anew"


def test_a_resumed_run_leaves_the_same_share_of_its_start(tmp_path: Path, short_shard: Path) -> None:
    """Of new word detectors too, although what was computed before they were drawn is now kept."""
    recipe = tmp_path / "short.toml"
    short = SHORT.format(frozen="2").replace("batch_size = 8", "batch_size = 8\nstart_share = 0.5")
    recipe.write_text(short + WORDS)
    train(recipe, [short_shard], tmp_path / "whole", device="cpu")
    assert train(recipe, [short_shard], tmp_path / "pieces", minutes=0, device="cpu") is None
    train(recipe, [short_shard], tmp_path / "pieces", resume=True, device="cpu")
    whole, pieces = (scoring_of(tmp_path / run / "weights").detectors.weights for run in ("whole", "pieces"))
    np.testing.assert_allclose(whole, pieces, atol=1e-3)


def test_a_run_of_another_version_is_not_continued(tmp_path: Path, short_shard: Path) -> None:
    recipe, output = tmp_path / "short.toml", tmp_path / "run"
    recipe.write_text(SHORT.format(frozen="0"))
    assert train(recipe, [short_shard], output, minutes=0, device="cpu") is None
    state = torch.load(output / "checkpoint.pt", weights_only=True)

    def resume() -> None:
        train(recipe, [short_shard], output, resume=True, device="cpu")

    torch.save({**state, "format": 1}, output / "checkpoint.pt")
    with pytest.raises(TrainingError, match=r"checkpoint\.pt was written by another version .*another --output"):
        resume()
    torch.save([state], output / "checkpoint.pt")
    with pytest.raises(TrainingError, match="was written by another version"):
        resume()
    (output / "checkpoint.pt").write_bytes(b"damaged")
    with pytest.raises(TrainingError, match=r"checkpoint\.pt cannot be read"):
        resume()
    text = (output / "recipe.toml").read_text()
    (output / "recipe.toml").write_text(text.replace("gradient_accumulation_steps", "parts"))
    with pytest.raises(TrainingError, match=r"begun by another version of Pixelseek .*now called .*another --output"):
        resume()


def test_two_processes_take_the_steps_of_one(tmp_path: Path, short_shard: Path) -> None:
    recipe = tmp_path / "short.toml"
    text = SHORT.format(frozen="2").replace("batch_size = 8", "batch_size = 8\ngradient_accumulation_steps = 2")
    recipe.write_text(f"{text}[objectives]\nnegative_images = 3\n")
    train(recipe, [short_shard], tmp_path / "alone", device="cpu")
    launch = "--cpu --num_processes 2 --num_machines 1 --num_cpu_threads_per_process 1 --mixed_precision no"
    command = [
        "model",
        "train",
        "--device",
        "cpu",
        "--recipe",
        recipe,
        "--data",
        short_shard,
        "--output",
        tmp_path / "together",
    ]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "accelerate.commands.launch"),
            *launch.split(),
            *("--dynamo_backend", "no", "--module", "cli"),
            *map(str, command),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = (
        [json.loads(line) for line in (tmp_path / run / "log.jsonl").read_text().splitlines()]
        for run in ("alone", "together")
    )
    assert [record["step"] for record in one] == [record["step"] for record in two]
    assert one[-2]["loss"] == pytest.approx(two[-2]["loss"], abs=1e-3)
    alone, together = (load_file(tmp_path / run / "weights" / "model.safetensors") for run in ("alone", "together"))
    for name, tensor in alone.items():
        assert np.allclose(tensor, together[name], atol=2e-3), name


def test_accumulation_steps_cut_a_batch_and_leave_its_groups_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shard(tmp_path / "few.tar", photos(14, "train", 0))  # fewer than a batch, so that the cuts differ in size
    draw, seen = TrainingPhotos.batch, list[list[int]]()

    def noted(self: TrainingPhotos, rows: NDArray[np.int64], *, augment: bool) -> object:
        seen.append(rows.tolist())
        return draw(self, rows, augment=augment)

    monkeypatch.setattr(TrainingPhotos, "batch", noted)
    steps: dict[int, list[list[int]]] = {}
    for count in (1, 2, 3):
        recipe = tmp_path / f"{count}.toml"
        changed = f"batch_size = 24\ngradient_accumulation_steps = {count}"
        text = SHORT.format(frozen="0").replace("batch_size = 8", changed).replace("epochs = 4", "epochs = 3")
        recipe.write_text(f"{text}[objectives]\nnegative_images = 1\n")
        seen.clear()
        train(recipe, [tmp_path / "few.tar"], tmp_path / str(count), device="cpu")
        assert min(len(rows) for rows in seen) == 14 // count, "none is smaller than was checked"
        steps[count] = [list(chain(*seen[first : first + count])) for first in range(0, len(seen), count)]
    assert steps[1] == steps[2] == steps[3]


def test_accumulation_steps_that_the_processes_cannot_share_are_refused(
    tmp_path: Path, short_shard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Three:
        count = 3

        def __init__(self, device: str) -> None:
            pass

    monkeypatch.setattr(loop, "Processes", Three)
    with pytest.raises(TrainingError, match="1 gradient accumulation steps cannot be shared by 3 processes"):
        train("tiny", [short_shard], tmp_path / "run", device="cpu")


NARROW = {
    "backbone": "test_resnet",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "embedding_size": 16,
}


RETRIEVAL = [path.stem for path in sorted(RECIPES.glob("*.toml")) if load_recipe(path).task == "retrieval"]


@pytest.mark.parametrize(("field", "wrong"), [("match_layers", [3, 5]), ("fusion_layer", 4), ("match_stride", 0)])
def test_a_model_that_its_starting_weights_cannot_be_is_refused(
    tmp_path: Path, short_shard: Path, trained_on_scenes: Path, field: str, wrong: object
) -> None:
    changes = {"start.weights": str(trained_on_scenes), "model.match_layers": [3], f"model.{field}": wrong}
    (tmp_path / "wrong.toml").write_text(as_toml(overridden(load_recipe("small-cpu-words"), changes, "wrong")))
    with pytest.raises(PixelseekError, match=field):
        train(tmp_path / "wrong.toml", [short_shard], tmp_path / "run", device="cpu")


@pytest.mark.parametrize("name", RETRIEVAL)
def test_every_recipe_takes_its_steps_with_a_narrow_network(
    tmp_path: Path, short_shard: Path, trained_on_scenes: Path, name: str
) -> None:
    recipe = load_recipe(name)
    steps = 2 if recipe.schedule.gradient_accumulation_steps > 1 else 1
    changes = {
        "start.backbone": "",
        "start.trunk": "",
        "processor.image_size": 64,
        "schedule.epochs": 2.0,
        "schedule.batch_size": 8 * steps,
        "schedule.gradient_accumulation_steps": steps,
        "objectives.negative_texts": min(recipe.objectives.negative_texts, 6),
    }
    if recipe.start.weights:
        changes["start.weights"] = str(trained_on_scenes)
        if "match_layers" in recipe.config_fields:
            changes["model.match_layers"] = [3]
    else:
        fields = {**NARROW, "fusion_layer": min(1, recipe.config_fields["fusion_layer"])}
        changes |= {f"model.{key}": value for key, value in fields.items()}
    narrow = overridden(recipe, changes, "narrow")
    (tmp_path / "narrow.toml").write_text(as_toml(narrow))
    trained = train(tmp_path / "narrow.toml", [short_shard], tmp_path / "run", device="cpu")
    assert trained is not None
    record = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-2])
    objectives = ("itc", "words", "mlm", "itm", "itm_sigmoid", "itm_balanced")
    assert {loss for loss in objectives if getattr(narrow.objectives, loss)} <= set(record)
    assert load_runtime(trained, device="cpu").encode_text(["a red circle"]).embeddings.shape[0] == 1


def test_a_finished_run_is_not_overwritten(tmp_path: Path, short_shard: Path) -> None:
    recipe = tmp_path / "short.toml"
    recipe.write_text(SHORT.format(frozen="99"))
    train(recipe, [short_shard], tmp_path / "run", device="cpu")
    with pytest.raises(TrainingError, match="already holds a run"):
        train(recipe, [short_shard], tmp_path / "run", device="cpu")


def test_a_folder_that_is_of_no_run_is_not_replaced_by_weights(tmp_path: Path, short_shard: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "in the gym.jpg").touch()
    recipe = tmp_path / "short.toml"
    recipe.write_text(SHORT.format(frozen="99"))
    with pytest.raises(TrainingError, match=r"weights exists already: name another --output"):
        train(recipe, [short_shard], tmp_path, device="cpu")
    assert (tmp_path / "weights" / "in the gym.jpg").exists()


def test_a_shard_without_training_photos_is_refused(tmp_path: Path) -> None:
    write_shard(tmp_path / "dev.tar", photos(3, "dev", 0))
    with pytest.raises(ShardError, match="no captioned photos of split train"):
        train("tiny", [tmp_path / "dev.tar"], tmp_path / "run", device="cpu")


def test_too_few_photos_to_draw_negatives_from_are_refused(tmp_path: Path) -> None:
    write_shard(tmp_path / "few.tar", photos(4, "train", 0))
    with pytest.raises(TrainingError, match="holds 4 of 4 photos, too few to draw negatives from"):
        train("small", [tmp_path / "few.tar"], tmp_path / "run", device="cpu")


def test_compiled_layers_take_the_same_steps_and_keep_their_names(tmp_path: Path, short_shard: Path) -> None:
    """What the compiler makes of them is its own affair, and takes minutes: here it hands them back as they are."""
    text = SHORT.format(frozen="0")
    (tmp_path / "short.toml").write_text(text)
    (tmp_path / "compiled.toml").write_text(text.replace("[schedule]", "[schedule]\ncompile = true"))
    with torch.compiler.set_stance("force_eager"):
        found = [train(tmp_path / f"{name}.toml", [short_shard], tmp_path / name) for name in ("short", "compiled")]
    plain, compiled = (load_file(folder / "model.safetensors") for folder in found if folder is not None)
    assert plain.keys() == compiled.keys()
    assert all(np.array_equal(plain[name], compiled[name]) for name in plain)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path, short_shard: Path) -> None:
    recipe = tmp_path / "short.toml"
    recipe.write_text(SHORT.format(frozen="0").replace("epochs = 4", "epochs = 40\nlr = 1e30\nclip_norm = 1e30"))
    with pytest.raises(TrainingError, match="Lower the learning rate"):
        train(recipe, [short_shard], tmp_path / "run", device="cpu")


@pytest.mark.parametrize("dev", [6, 0], ids=["with dev photos", "without dev photos"])
def test_weights_that_the_last_step_spoils_are_not_left(tmp_path: Path, dev: int) -> None:
    shard, recipe = tmp_path / "train.tar", tmp_path / "short.toml"
    write_shard(shard, photos(16, "train", 0) + photos(dev, "dev", 1))
    recipe.write_text(SHORT.format(frozen="0").replace("epochs = 4", "epochs = 0.5\nlr = 1e30\nclip_norm = 1e30"))
    with pytest.raises(TrainingError, match=r"step 1: .* Lower the learning rate"):
        train(recipe, [shard], tmp_path / "run", device="cpu")
    assert not (tmp_path / "run" / "weights").exists()
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_a_spoiled_step_leaves_the_checkpoint_before_it(tmp_path: Path, short_shard: Path) -> None:
    recipe, run = tmp_path / "short.toml", tmp_path / "run"
    recipe.write_text(SHORT.format(frozen="0").replace("epochs = 4", "epochs = 4\nlr = 1e6\nwarmup = 0.9"))
    assert train(recipe, [short_shard], run, device="cpu", minutes=0) is None
    good = (run / "checkpoint.pt").read_bytes()
    with pytest.raises(TrainingError, match=r"step 2: .* Lower the learning rate"):
        train(recipe, [short_shard], run, device="cpu", minutes=0, resume=True)
    assert (run / "checkpoint.pt").read_bytes() == good


def test_a_network_whose_dev_scores_are_no_numbers_is_not_left(tmp_path: Path, short_shard: Path) -> None:
    """Its weights are finite, and so are its losses, which do not read the statistics that are spoiled."""
    recipe, run = tmp_path / "short.toml", tmp_path / "run"
    recipe.write_text(SHORT.format(frozen="0"))
    assert train(recipe, [short_shard], run, device="cpu", minutes=0) is None
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    for name, tensor in state["model"].items():
        if name.endswith("running_var"):
            tensor.fill_(-1e4)
    torch.save(state, run / "checkpoint.pt")
    with pytest.raises(TrainingError, match=r"step 2: .* not finite\. Lower the learning rate"):
        train(recipe, [short_shard], run, device="cpu", resume=True)
    assert not (run / "weights").exists()
