"""Recipes: everything that decides a training run, in one TOML file, validated before anything starts."""

from __future__ import annotations

import dataclasses
import json
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from model.errors import PixelseekError

RECIPES = Path(__file__).parents[1] / "recipes"


class RecipeError(PixelseekError):
    """A recipe that cannot be used; the message names the file and the key."""


@dataclass(frozen=True)
class Start:
    """Where the weights start: sources as `model.network.pretrained` knows them; empty means from nothing."""

    backbone: str = ""
    trunk: str = ""
    weights: str = ""  # a whole Pixel-BERT to go on from
    vocab_size: int = 1000  # of the tokenizer learned from the captions where there is no trunk


@dataclass(frozen=True)
class Processor:
    """What the network sees, as in `PixelBertProcessor`."""

    image_size: int = 256
    aspect: Literal["squash", "keep"] = "squash"
    image_mean: list[float] = field(default_factory=lambda: [127.0, 127.0, 127.0])
    image_std: list[float] = field(default_factory=lambda: [128.0, 128.0, 128.0])
    max_tokens: int = 64


@dataclass(frozen=True)
class Augmentation:
    """Random views of the photos, as in `random_views`."""

    enabled: bool = True
    crop: float = 0.6
    colour: float = 0.2
    flip: bool = True


@dataclass(frozen=True)
class Cnn:
    """How the CNN is trained.

    Its first `frozen_stages` (more than it has: all of it) stay as they came, and so do its batch statistics.
    What they give for `views` of each photo is computed once and kept; 0 views: it is computed anew each step.
    """

    frozen_stages: int = 0
    views: int = 4
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: float = 2e-4
    weight_decay: float = 0.05


@dataclass(frozen=True)
class Objectives:
    """Weights of the losses, and how ITM finds its negatives."""

    itc: float = 1.0
    itc_captions: int = 1  # of each photo in a step, all of them its positives
    words: float = 0.0  # those that captions use, read from the CNN as word detectors read it
    mlm: float = 1.0
    itm: float = 1.0  # listwise
    itm_sigmoid: float = 0.5
    itm_balanced: float = 0.0  # the paper's: as many true pairs as random ones
    itm_start: float = 0.0  # the part of the run that ITC has for itself
    negative_images: int = 4
    negative_texts: int = 0
    hardest: int = 0  # learn from so many of each list of negatives, those that score highest; 0: from all
    hard_until: float = 0.7  # the part of the run over which negatives go from uniform to hard; inf: uniform


@dataclass(frozen=True)
class Schedule:
    """How long, how fast. `batch_size` photos a step go through the network in `parts`, on one GPU or several."""

    epochs: float = 10.0
    frozen_trunk: bool = False  # its layers and the words' side stay as they came: captions are embedded once
    photos: float = 1.0  # the part of the train photos that is learned from, in as many steps as all of them take
    batch_size: int = 256
    parts: int = 1
    alike: int = 1  # a batch is made of groups of so many photos with captions alike; 1: as they come
    lr: float = 2e-4
    weight_decay: float = 0.05
    warmup: float = 0.05  # part of the run
    drops: list[float] = field(default_factory=list)  # epochs after which the rate is a tenth; none: a cosine
    all_pixels_from: float = 1.0  # the part of the run after which nothing is sampled any more
    ema: float = 0.999
    clip_norm: float = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False  # the transformer's layers, by torch.compile


@dataclass(frozen=True)
class Dev:
    """What is measured while training: on at most so many dev photos of each dataset, each in a gallery of its own."""

    photos: int = 500
    captions: int = 1
    shortlist: int = 16
    every_epochs: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """One training run. `model` holds fields of `PixelBertConfig`.

    Where the `task` is not retrieval, `start.weights`, `schedule` and the CNN's rates count, and nothing else does.
    """

    name: str
    task: Literal["retrieval", "vqa", "statements", "pairs"] = "retrieval"
    seed: int = 0
    model: dict[str, Any] = field(default_factory=dict)
    start: Start = field(default_factory=Start)
    processor: Processor = field(default_factory=Processor)
    augmentation: Augmentation = field(default_factory=Augmentation)
    cnn: Cnn = field(default_factory=Cnn)
    objectives: Objectives = field(default_factory=Objectives)
    schedule: Schedule = field(default_factory=Schedule)
    dev: Dev = field(default_factory=Dev)


def load_recipe(name_or_path: str | Path) -> Recipe:
    """The recipe of that name in `model/recipes/`, or in that TOML file.

    Raises RecipeError when there is none, a key is unknown or a value is of the wrong type.
    """
    path = Path(name_or_path)
    if not path.is_file():
        path = RECIPES / f"{name_or_path}.toml"
    if not path.is_file():
        known = ", ".join(sorted(recipe.stem for recipe in RECIPES.glob("*.toml")))
        raise RecipeError(f"no recipe called {name_or_path} (known: {known})")
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: {error}") from error
    table.setdefault("name", path.stem)
    recipe: Recipe = _build(Recipe, table, str(path))
    _check(recipe, str(path))
    return recipe


def overridden(recipe: Recipe, changes: Mapping[str, Any], where: str) -> Recipe:
    """The recipe with other values for some keys: `{"objectives.mlm": 0.0}`. None takes a key of `model` away.

    Raises RecipeError, which names `where` the changes come from, as `load_recipe` does.
    """
    table = dataclasses.asdict(recipe)
    for key, value in changes.items():
        *sections, name = key.split(".")
        section = table
        for part in sections:
            if not isinstance(section.get(part), dict):
                raise RecipeError(f"{where}: unknown key {key}")
            section = section[part]
        section[name] = value
    table["model"] = {name: value for name, value in table["model"].items() if value is not None}
    changed: Recipe = _build(Recipe, table, where)
    _check(changed, where)
    return changed


def as_toml(recipe: Recipe) -> str:
    """The recipe as a TOML file that `load_recipe` reads back, every default filled in."""
    table = dataclasses.asdict(recipe)
    lines = [f"{key} = {_toml(value)}" for key, value in table.items() if not isinstance(value, dict)]
    for name, section in table.items():
        if isinstance(section, dict):
            lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in section.items())]
    return "\n".join(lines) + "\n"


def difference(one: Recipe, other: Recipe) -> str | None:
    """The first key in which two recipes differ, with both values; None when they are the same."""
    ours, theirs = _flat(dataclasses.asdict(one)), _flat(dataclasses.asdict(other))
    for key in {**ours, **theirs}:
        if ours.get(key) != theirs.get(key):
            values = (_toml(table[key]) if key in table else "not set" for table in (ours, theirs))
            return f"{key}: {', now '.join(values)}"
    return None


def _flat(table: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{name}": inner for name, inner in _flat(value).items()}
        else:
            flat[key] = value
    return flat


def _toml(value: Any) -> str:
    if isinstance(value, float):
        return repr(value)  # TOML knows inf as well
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)  # its strings, whole numbers and truth values are TOML's


def _check(recipe: Recipe, where: str) -> None:
    """Raise RecipeError when the parts do not fit each other."""
    keeps_aspect = recipe.processor.aspect == "keep"
    if recipe.schedule.batch_size % max(1, recipe.schedule.parts) or recipe.schedule.parts < 1:
        raise RecipeError(f"{where}: batch_size is no multiple of parts")
    if not 0.0 < recipe.schedule.photos <= 1.0:
        raise RecipeError(f"{where}: photos is the part of the photos that is learned from, above 0 and at most 1")
    if not 1 <= recipe.schedule.alike <= recipe.schedule.batch_size:
        raise RecipeError(f"{where}: alike is a number of photos in a batch, from 1 to batch_size")
    objectives = recipe.objectives
    if (objectives.itm or objectives.itm_sigmoid) and not (objectives.negative_images or objectives.negative_texts):
        raise RecipeError(f"{where}: itm and itm_sigmoid need negative_images or negative_texts")
    joint = (objectives.itm, objectives.itm_sigmoid, objectives.itm_balanced, objectives.mlm)
    if recipe.schedule.frozen_trunk and any(joint):
        raise RecipeError(
            f"{where}: with frozen_trunk the joint pass learns nothing: set itm, itm_sigmoid and mlm to 0"
        )
    if keeps_aspect and recipe.augmentation.enabled:
        raise RecipeError(f"{where}: augmentation needs aspect = 'squash'")
    if keeps_aspect and recipe.cnn.frozen_stages and recipe.cnn.views:
        raise RecipeError(f"{where}: photos of many sizes are not kept as views: set views = 0, or aspect = 'squash'")


def _build(kind: Any, table: dict[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(table) - set(hints))
    if unknown:
        raise RecipeError(f"{where}: unknown key {unknown[0]} (known: {', '.join(hints)})")
    return kind(**{key: _value(hints[key], value, f"{where}: {key}") for key, value in table.items()})


def _value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise RecipeError(f"{where} is a table")
        return _build(hint, value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise RecipeError(f"{where} is one of {', '.join(map(repr, get_args(hint)))}, not {value!r}")
        return value
    expected = get_origin(hint) or hint
    if not isinstance(value, expected) or type(value) is bool is not expected:
        raise RecipeError(f"{where} is of type {getattr(hint, '__name__', hint)}, not {value!r}")
    if expected is list:
        (kind,) = get_args(hint)
        return [_value(kind, one, f"{where}[{index}]") for index, one in enumerate(value)]
    return value
