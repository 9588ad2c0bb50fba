"""What is read from disk: weights, recipes and shards, and what is said when they do not fit."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from model.data.shards import ShardError, read_shards, write_shard
from model.processor import PixelBertProcessor
from model.runtime.loading import load_runtime
from model.scoring.parameters import ScoringParameters
from model.training.recipe import RECIPES, RecipeError, as_toml, difference, load_recipe, overridden
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
    longer = replace(tiny, schedule=replace(tiny.schedule, epochs=13.0))
    assert difference(tiny, tiny) is None
    assert difference(tiny, longer) == "schedule.epochs: 12.0, now 13.0"
    deeper = replace(tiny, model={**tiny.model, "max_grid": 64})
    assert difference(tiny, deeper) == "model.max_grid: not set, now 64"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[schedule]\nepoch = 3", "unknown key epoch"),
        ("[schedule]\nepochs = 'three'", "epochs is of type float"),
        ("[schedule]\nbatch_size = true", "batch_size is of type int"),
        ("[schedule]\nprecision = 'float8'", "precision is one of 'float32', 'bfloat16'"),
        ("[schedule]\ndrops = [3, 'four']", r"drops\[1\] is of type float"),
        ("[objectives]\nnegative_images = 0", "itm and itm_sigmoid need negative_images or negative_texts"),
        ("[schedule]\nparts = 3", "batch_size is no multiple of parts"),
        ("[schedule]\nbatch_size = 8\nalike = 9", "alike is a number of photos in a batch"),
        ("[schedule]\nphotos = 0.0", "photos is the part of the photos that is learned from"),
        ("[schedule]\nfrozen_trunk = true\n[objectives]\nmlm = 0", "the joint pass learns nothing"),
        ("[processor]\naspect = 'keep'", "augmentation needs aspect = 'squash'"),
        (
            "[processor]\naspect = 'keep'\n[augmentation]\nenabled = false\n[cnn]\nfrozen_stages = 1",
            "set views = 0",
        ),
        ("schedule = 3", "schedule is a table"),
        ("[schedule", "recipe.toml"),
    ],
)
def test_a_wrong_recipe_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        load_recipe(path)


def test_a_recipe_is_the_same_but_for_the_keys_that_are_overridden() -> None:
    tiny = load_recipe("tiny")
    changed = overridden(tiny, {"objectives.mlm": 0, "model.pixel_sampling": None, "seed": 3}, "row")
    assert changed == replace(
        tiny,
        seed=3,
        objectives=replace(tiny.objectives, mlm=0.0),
        model={name: value for name, value in tiny.model.items() if name != "pixel_sampling"},
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives.mml": 0.0}, "row: .*unknown key mml"),
        ({"seeds.first": 3}, "row: unknown key seeds.first"),
        ({"schedule.epochs": "many"}, "row: .*epochs is of type float"),
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
