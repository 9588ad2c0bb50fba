"""What is read from disk: weights, recipes and shards, and what is said when they do not fit."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

import pytest

from model.data.shards import ShardError, read_shards, write_shard
from model.processor import PixelBertProcessor
from model.runtime.loading import load_runtime
from model.scoring.parameters import ScoringParameters
from model.training.recipe import RECIPES, RENAMED_KEYS, RecipeError, as_toml, difference, load_recipe, overridden
from model.weights import WeightsError, find_weights, generation
from tests.model.networks import tiny_network
from tests.model.scenes import photos


@pytest.fixture
def weights(tmp_path: Path, processor: PixelBertProcessor) -> Path:
    tiny_network().save_pretrained(tmp_path / "weights")
    processor.save_pretrained(tmp_path / "weights")
    return tmp_path / "weights"


def test_weights_are_found_by_path(weights: Path) -> None:
    assert find_weights(weights) == weights


def test_incomplete_weights_are_named(weights: Path) -> None:
    (weights / "tokenizer.json").unlink()
    with pytest.raises(WeightsError, match=r"tokenizer\.json missing"):
        find_weights(weights)


def test_an_empty_file_of_weights_is_named(weights: Path) -> None:
    (weights / "config.json").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"config\.json missing or empty"):
        find_weights(weights)


@pytest.mark.parametrize(
    ("name", "value"), [("image_size", 10**9), ("image_size", 0), ("max_tokens", 10**9), ("max_tokens", 1)]
)
def test_a_processor_from_elsewhere_cannot_ask_for_all_memory(weights: Path, name: str, value: int) -> None:
    settings = weights / "processor_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), name: value}))
    with pytest.raises(WeightsError, match=rf"processor_config\.json does not fit: {name} is"):
        PixelBertProcessor.from_pretrained(weights)


@pytest.mark.parametrize("content", [" " * (2 << 20), "[" * 100_000, "{", "7"])
def test_a_configuration_from_elsewhere_is_refused_in_words(weights: Path, content: str) -> None:
    (weights / "processor_config.json").write_text(content)
    with pytest.raises(WeightsError, match=r"processor_config\.json"):
        PixelBertProcessor.from_pretrained(weights)


@pytest.mark.parametrize("length", [2**63, 2**40, 0])
def test_weights_whose_header_lies_are_refused(weights: Path, length: int) -> None:
    path = weights / "model.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])
    with pytest.raises(WeightsError, match="does not hold a Pixel-BERT"):
        load_runtime(weights, device="cpu")


def test_unknown_weights_are_named() -> None:
    with pytest.raises(WeightsError, match="no weights called nonsense"):
        find_weights("nonsense")


def test_a_truncated_file_of_weights_is_an_error_not_a_crash(weights: Path) -> None:
    file = weights / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="does not hold a Pixel-BERT"):
        load_runtime(weights, device="cpu")


def test_an_unknown_device_is_an_error(weights: Path) -> None:
    with pytest.raises(WeightsError, match="device abacus"):
        load_runtime(weights, device="abacus")


def test_a_generation_is_its_files(weights: Path) -> None:
    before = generation(weights)
    ScoringParameters().save(weights, before)
    assert generation(weights) == before
    file = weights / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    assert generation(weights) != before


@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPES.glob("*.toml")))
def test_every_recipe_is_valid_and_comes_back_from_what_is_printed_of_it(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    (tmp_path / "printed.toml").write_text(as_toml(recipe))
    assert load_recipe(tmp_path / "printed.toml") == recipe


def test_the_first_key_in_which_recipes_differ_is_named() -> None:
    tiny = load_recipe("tiny")
    longer = overridden(tiny, {"schedule.epochs": 13}, "test")
    assert difference(tiny, tiny) is None
    assert difference(tiny, longer) == "schedule.epochs: 12.0, now 13.0"
    finer = overridden(tiny, {"model.max_grid": 64}, "test")
    assert difference(tiny, finer) == "model.max_grid: not set, now 64"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[schedule]\nepoch = 3", r"unknown key schedule\.epoch\. The nearest key is schedule\.epochs\."),
        ("nam = 'mine'", r"unknown key nam\. The nearest key is name\."),
        ("[shedule]\nepochs = 3", r"unknown key shedule\. The nearest key is schedule\."),
        ("[model]\nhidden_sise = 64", r"unknown key model\.hidden_sise\. The nearest key is model\.hidden_size\."),
        ("[model]\nhidden_size = 'wide'", r"model\.hidden_size: Input should be a valid integer, not 'wide'"),
        ("[model]\npixel_sampling = true", r"model\.pixel_sampling: .*, not True"),
        ("[model]\nfusion_layer = 9", r"model: fusion_layer 9 is not in 0\.\.5"),
        ("[schedule]\nepochs = 'three'", r"schedule\.epochs: Input should be a valid number, not 'three'"),
        ("[schedule]\nepochs = inf", r"schedule\.epochs: .*, not inf"),
        ("[schedule]\nepochs = -1", r"schedule\.epochs: Input should be greater than 0, not -1"),
        ("[schedule]\nlr = nan", r"schedule\.lr: .*, not nan"),
        ("[schedule]\nbatch_size = true", r"schedule\.batch_size: Input should be a valid integer, not True"),
        ("[schedule]\nbatch_size = 0", r"schedule\.batch_size: Input should be greater than 0, not 0"),
        ("[schedule]\nprecision = 'float8'", "schedule.precision: Input should be 'float32' or 'bfloat16'"),
        ("[schedule]\nlr_milestones = [3, 'four']", r"schedule\.lr_milestones: .*, not 'four'"),
        ("[augmentation]\nenabled = 1", r"augmentation\.enabled: Input should be a valid boolean, not 1"),
        ("[objectives]\nnegative_images = 0", "itm and itm_sigmoid need negative_images or negative_texts"),
        ("[schedule]\ngradient_accumulation_steps = 3", "batch_size is no multiple of"),
        ("[schedule]\nbatch_size = 8\nhard_negative_group_size = 9", "group_size is larger than schedule.batch_size"),
        ("[schedule]\ntrain_fraction = 0.0", r"schedule\.train_fraction: Input should be greater than 0"),
        ("[schedule]\nfrozen_trunk = true\n[objectives]\nmlm = 0", "the joint pass learns nothing"),
        ("[processor]\naspect = 'keep'", "augmentation needs aspect = 'squash'"),
        (
            "[processor]\naspect = 'keep'\n[augmentation]\nenabled = false\n[cnn]\nfrozen_stages = 1",
            "set views = 0",
        ),
        ("schedule = 3", "schedule: Input should be a valid dictionary"),
        ("[schedule", "recipe.toml"),
        ("a = " + "[" * 100_000, "recipe.toml"),
        ("name = '\xff'".encode("latin-1"), "recipe.toml"),
    ],
)
def test_a_wrong_recipe_says_what_is_wrong(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(RecipeError, match=message) as refused:
        load_recipe(path)
    assert str(refused.value).startswith(f"{path}: ")


@pytest.mark.parametrize("task", ["vqa", "statements", "pairs"])
@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("schedule", "gradient_accumulation_steps", 8),
        ("schedule", "train_fraction", 0.1),
        ("schedule", "ema", 0.9),
        ("schedule", "start_share", 0.5),
        ("schedule", "frozen_trunk", True),
        ("schedule", "hard_negative_group_size", 4),
        ("schedule", "sampling_end", 0.8),
        ("schedule", "compile", True),
        ("start", "trunk", "all-MiniLM-L6-v2"),
        ("cnn", "frozen_stages", 2),
        ("processor", "image_size", 384),
        ("augmentation", "flip", False),
        ("objectives", "mlm", 0.0),
        ("model", "hidden_dropout_prob", 0.2),
        ("dev", "photos", 60),
    ],
)
def test_a_key_that_a_task_does_not_read_is_refused_unless_it_has_its_default(
    task: str, table: str, key: str, value: object
) -> None:
    fine_tuning = overridden(load_recipe("vqa"), {"task": task}, "test")
    with pytest.raises(RecipeError, match=f"test: {table}.{key} counts for nothing where the task is {task}: leave it"):
        overridden(fine_tuning, {f"{table}.{key}": value}, "test")
    default = fine_tuning.model_dump()[table][key]
    assert overridden(fine_tuning, {f"{table}.{key}": default}, "test") == fine_tuning


def test_a_task_reads_its_rates_and_the_length_of_its_schedule() -> None:
    read = {
        "seed": 3,
        "schedule.epochs": 2.0,
        "schedule.batch_size": 4,
        "schedule.lr_milestones": [1.0],
        "schedule.clip_norm": 2.0,
        "schedule.precision": "bfloat16",
        "cnn.optimizer": "sgd",
    }
    assert overridden(load_recipe("vqa"), read, "test").schedule.lr_milestones == [1.0]


@pytest.mark.parametrize(("old", "new"), RENAMED_KEYS.items())
def test_the_name_of_a_key_in_older_recipes_is_refused_with_its_new_name(tmp_path: Path, old: str, new: str) -> None:
    section, key = old.split(".")
    (tmp_path / "recipe.toml").write_text(f"[{section}]\n{key} = 1")
    with pytest.raises(RecipeError, match=rf"unknown key {re.escape(old)}\. It is now called {re.escape(new)}\."):
        load_recipe(tmp_path / "recipe.toml")
    section, key = new.split(".")
    assert key in load_recipe("tiny").model_dump()[section]


def test_a_recipe_is_the_same_but_for_the_keys_that_are_overridden() -> None:
    tiny = load_recipe("tiny")
    changed = overridden(tiny, {"objectives.mlm": 0, "model.pixel_sampling": None, "seed": 3}, "row")
    before, after = tiny.model_dump(), changed.model_dump()
    assert (after["objectives"].pop("mlm"), before["objectives"].pop("mlm")) == (0.0, 0.25)
    assert (after.pop("seed"), before.pop("seed")) == (3, 0)
    assert (after["model"].pop("pixel_sampling"), before["model"].pop("pixel_sampling")) == (None, 0.8)
    assert after == before
    assert "pixel_sampling" not in changed.config_fields


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives.mml": 0.0}, "row: unknown key objectives.mml"),
        ({"seeds.first": 3}, "row: unknown key seeds"),
        ({"seed.first": 3}, "row: unknown key seed.first"),
        ({"schedule.epochs": "many"}, "row: schedule.epochs: Input should be a valid number"),
        ({"objectives.negative_images": 0, "objectives.negative_texts": 0}, "row: itm and itm_sigmoid need"),
    ],
)
def test_a_wrong_override_says_where_it_comes_from(changes: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        overridden(load_recipe("tiny"), changes, "row")


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(RecipeError, match="tiny"):
        load_recipe("huge")


def test_shards_are_read_back(tmp_path: Path) -> None:
    made = photos(3, "train", 0) + photos(2, "dev", 1)
    write_shard(tmp_path / "a.tar", made)
    assert read_shards([tmp_path / "a.tar"]) == made
    assert read_shards([tmp_path / "a.tar"], "dev") == made[3:]


def test_the_same_photo_twice_is_refused(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", photos(3, "train", 0))
    with pytest.raises(ShardError, match="occurs twice"):
        read_shards([tmp_path / "a.tar", tmp_path / "a.tar"])


def test_a_truncated_shard_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    write_shard(path, photos(3, "train", 0))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ShardError, match=r"a\.tar"):
        read_shards([path])


def test_a_record_without_its_photo_is_named(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", photos(1, "train", 0))
    with tarfile.open(tmp_path / "a.tar") as whole, tarfile.open(tmp_path / "b.tar", "w") as part:
        member = whole.getmember("train-00000.json")
        part.addfile(member, whole.extractfile(member))
    with pytest.raises(ShardError, match="no photo beside it"):
        read_shards([tmp_path / "b.tar"])
