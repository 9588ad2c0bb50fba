"""Recipes: everything that decides a training run, in one TOML file, validated before anything starts."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

RECIPES = Path(__file__).parent / "recipes"


class RecipeError(Exception):
    """A recipe that cannot be used; the message names the file and the key."""


@dataclass(frozen=True)
class Start:
    """Where the weights start: sources as `model.pretrained` knows them; empty means from nothing."""

    backbone: str = ""
    trunk: str = ""
    weights: str = ""  # a whole Pixel-BERT to go on from
    vocab_size: int = 1000  # of the tokenizer learned from the captions where there is no trunk


@dataclass(frozen=True)
class Processor:
    """What the network sees, as in `PixelBertProcessor`."""

    image_size: int = 256
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
    """The CNN: trained along, or frozen with the features of a few views of each photo computed once."""

    frozen: bool = False
    views: int = 4
    lr: float = 2e-4


@dataclass(frozen=True)
class Objectives:
    """Weights of the losses, and how ITM finds its negatives."""

    itc: float = 1.0
    mlm: float = 1.0
    itm: float = 1.0
    itm_sigmoid: float = 0.5
    itm_start: float = 0.0  # the part of the run that ITC has for itself
    negative_images: int = 4
    negative_texts: int = 0
    hard_until: float = 0.7  # the part of the run over which negatives go from uniform to hard


@dataclass(frozen=True)
class Schedule:
    """How long, how fast."""

    epochs: float = 10.0
    batch_size: int = 256
    lr: float = 2e-4
    weight_decay: float = 0.05
    warmup: float = 0.05  # part of the run
    all_pixels_from: float = 1.0  # the part of the run after which nothing is sampled any more
    ema: float = 0.999
    clip_norm: float = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"


@dataclass(frozen=True)
class Dev:
    """What is measured while training, on the dev photos of the data."""

    photos: int = 500
    captions: int = 1
    shortlist: int = 16
    every_epochs: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """One training run. `model` holds fields of `PixelBertConfig`."""

    name: str
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
    return recipe


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
    if isinstance(expected, types.UnionType) or not isinstance(value, expected) or type(value) is bool is not expected:
        raise RecipeError(f"{where} is of type {getattr(hint, '__name__', hint)}, not {value!r}")
    return value
