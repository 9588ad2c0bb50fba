"""Recipes: all settings of a training run in one TOML file, validated before anything starts."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from inspect import get_annotations
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from huggingface_hub.errors import StrictDataclassError
from pydantic import (
    AllowInfNan,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    create_model,
    model_validator,
)

from model.errors import PixelseekError
from model.network.configuration import PixelBertConfig

RECIPES = Path(__file__).parents[1] / "recipes"
RENAMED_KEYS = {
    "objectives.hardest": "objectives.num_hardest_negatives",
    "objectives.hard_until": "objectives.hardness_ramp_end",
    "schedule.parts": "schedule.gradient_accumulation_steps",
    "schedule.photos": "schedule.train_fraction",
    "schedule.alike": "schedule.hard_negative_group_size",
    "schedule.drops": "schedule.lr_milestones",
    "schedule.all_pixels_from": "schedule.sampling_end",
}
"""Keys of older recipes, and their names now."""
TASK_KEYS = {
    "name",
    "task",
    "seed",
    "start.weights",
    *(f"cnn.{name}" for name in ("optimizer", "lr", "weight_decay")),
    *(f"schedule.{name}" for name in ("epochs", "batch_size", "precision", "clip_norm")),
    *(f"schedule.{name}" for name in ("lr", "weight_decay", "warmup", "lr_milestones")),
}
"""What `model.tasks.fine_tuning` reads of a recipe."""

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class RecipeError(PixelseekError):
    """A recipe that cannot be used; the message names the file and the key."""


class _Table(BaseModel):
    """A table of a recipe: no unknown keys, no conversion between types except from whole numbers to fractions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_MODEL_FIELDS: dict[str, Any] = {
    name: (kind | None, None) for name, kind in get_annotations(PixelBertConfig, eval_str=True).items()
}
_Model: Any = create_model("_Model", __base__=_Table, **_MODEL_FIELDS)


class Start(_Table):
    """Where the weights start: sources as `model.network.pretrained` knows them; empty means random weights."""

    backbone: str = ""
    trunk: str = ""
    weights: str = ""  # a whole Pixel-BERT to continue from
    vocab_size: PositiveInt = 1000  # of the tokenizer learned from the captions where there is no trunk


class Processor(_Table):
    """The input of the network, as in `PixelBertProcessor`."""

    image_size: PositiveInt = 256
    aspect: Literal["squash", "keep"] = "squash"
    image_mean: list[float] = [127.0, 127.0, 127.0]
    image_std: list[float] = [128.0, 128.0, 128.0]
    max_tokens: PositiveInt = 64


class Augmentation(_Table):
    """Random views of the photos, as in `random_views`."""

    enabled: bool = True
    crop: Annotated[float, Field(gt=0.0, le=1.0)] = 0.6
    colour: NonNegativeFloat = 0.2
    flip: bool = True


class Cnn(_Table):
    """How the CNN is trained.

    Its first `frozen_stages` (all of it where it has fewer) keep their weights and batch statistics. Their output for
    `views` of each photo is computed once and kept; with 0 views it is computed anew in each step.
    """

    frozen_stages: NonNegativeInt = 0
    views: NonNegativeInt = 4
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: NonNegativeFloat = 2e-4
    weight_decay: NonNegativeFloat = 0.05


class Objectives(_Table):
    """Weights of the losses, and how ITM finds its negatives."""

    itc: NonNegativeFloat = 1.0
    itc_captions: PositiveInt = 1  # of each photo in a step, all of them its positives
    words: NonNegativeFloat = 0.0  # the words of the captions, predicted from the CNN as word detectors do
    mlm: NonNegativeFloat = 1.0
    itm: NonNegativeFloat = 1.0  # listwise
    itm_sigmoid: NonNegativeFloat = 0.5
    itm_balanced: NonNegativeFloat = 0.0  # the paper's: as many true pairs as random ones
    itm_start: Fraction = 0.0  # the part of the run in which only ITC learns
    negative_images: NonNegativeInt = 4
    negative_texts: NonNegativeInt = 0
    num_hardest_negatives: NonNegativeInt = 0  # of each list, only those with the highest scores; 0: all
    hardness_ramp_end: PositiveFloat = 0.7  # part of the run after which negatives are hard; inf: always uniform


class Schedule(_Table):
    """Length and learning rate of the run.

    `batch_size` photos a step go through the network in `gradient_accumulation_steps` smaller batches, on one GPU or
    several.
    """

    epochs: Annotated[PositiveFloat, AllowInfNan(False)] = 10.0
    frozen_trunk: bool = False  # transformer layers and word embeddings keep their weights: captions are embedded once
    train_fraction: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0  # of the train photos, in as many steps as with all
    batch_size: PositiveInt = 256
    gradient_accumulation_steps: PositiveInt = 1
    hard_negative_group_size: PositiveInt = 1  # photos with similar captions that share a batch; 1: random photos
    lr: NonNegativeFloat = 2e-4
    weight_decay: NonNegativeFloat = 0.05
    warmup: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.05  # part of the run
    lr_milestones: list[float] = []  # epochs after each of which the rate falls to a tenth; none: a cosine
    sampling_end: Fraction = 1.0  # the part of the run after which the network sees all pixels
    ema: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.999
    start_share: Fraction = 0.0  # of the weights it starts from in those that it leaves (WiSE-FT, arXiv 2109.01903)
    clip_norm: PositiveFloat = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False  # the transformer's layers, by torch.compile


class Dev(_Table):
    """What is measured while training: on at most `photos` dev photos of each dataset, a gallery for each."""

    photos: PositiveInt = 500
    captions: PositiveInt = 1
    shortlist: PositiveInt = 16
    every_epochs: PositiveFloat = 1.0


class Recipe(_Table):
    """One training run. `model` holds fields of `PixelBertConfig`.

    Where the `task` is not retrieval, only `TASK_KEYS` may differ from their defaults: nothing reads the others.
    """

    name: str
    task: Literal["retrieval", "vqa", "statements", "pairs"] = "retrieval"
    seed: NonNegativeInt = 0
    model: _Model = _Model()
    start: Start = Start()
    processor: Processor = Processor()
    augmentation: Augmentation = Augmentation()
    cnn: Cnn = Cnn()
    objectives: Objectives = Objectives()
    schedule: Schedule = Schedule()
    dev: Dev = Dev()

    @model_validator(mode="after")
    def _check(self) -> Recipe:
        """Raise ValueError when the settings do not fit each other."""
        if self.task != "retrieval":
            default = _flat(Recipe(name=self.name))
            for key, value in _flat(self).items():
                if key not in TASK_KEYS and value != default.get(key):
                    raise ValueError(f"{key} counts for nothing where the task is {self.task}: leave it out")
        schedule, objectives = self.schedule, self.objectives
        if schedule.batch_size % schedule.gradient_accumulation_steps:
            raise ValueError("schedule.batch_size is no multiple of schedule.gradient_accumulation_steps")
        if schedule.hard_negative_group_size > schedule.batch_size:
            raise ValueError("schedule.hard_negative_group_size is larger than schedule.batch_size")
        if (objectives.itm or objectives.itm_sigmoid) and not (objectives.negative_images or objectives.negative_texts):
            raise ValueError("itm and itm_sigmoid need negative_images or negative_texts")
        if schedule.frozen_trunk and any(
            (objectives.itm, objectives.itm_sigmoid, objectives.itm_balanced, objectives.mlm)
        ):
            raise ValueError("with frozen_trunk the joint pass learns nothing: set itm, itm_sigmoid and mlm to 0")
        if self.processor.aspect == "keep" and self.augmentation.enabled:
            raise ValueError("augmentation needs aspect = 'squash'")
        if self.processor.aspect == "keep" and self.cnn.frozen_stages and self.cnn.views:
            raise ValueError("photos of many sizes cannot be kept as views: set views = 0, or aspect = 'squash'")
        if not self.start.weights:  # else the fields complete those of the weights
            try:
                PixelBertConfig(**self.config_fields)
            except StrictDataclassError as error:
                raise ValueError(f"model: {error.__cause__ or error}") from error
        return self

    @property
    def config_fields(self) -> dict[str, Any]:
        """The fields of `PixelBertConfig` that the recipe sets."""
        fields: dict[str, Any] = self.model.model_dump(exclude_none=True)
        return fields


def load_recipe(name_or_path: str | Path) -> Recipe:
    """The recipe with that name in `model/recipes/`, or in that TOML file.

    Raises RecipeError when there is none, a key is unknown or a value is of the wrong type.
    """
    path = Path(name_or_path)
    if not path.is_file():
        path = RECIPES / f"{name_or_path}.toml"
    if not path.is_file():
        known = ", ".join(sorted(recipe.stem for recipe in RECIPES.glob("*.toml")))
        raise RecipeError(f"no recipe called {name_or_path} (known: {known})")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, RecursionError, ValueError) as error:
        raise RecipeError(f"{path}: {error}") from error
    return _validated({"name": path.stem, **table}, str(path))


def overridden(recipe: Recipe, changes: Mapping[str, Any], where: str) -> Recipe:
    """The recipe with other values for some keys: `{"objectives.mlm": 0.0}`. None removes a key of `model`.

    Raises RecipeError as `load_recipe` does; it names `where` the changes come from.
    """
    table = recipe.model_dump()
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        values = table.setdefault(section, {}) if section else table
        if not isinstance(values, dict):
            raise RecipeError(f"{where}: unknown key {key}. {section} is no table.")
        values[name] = value
    return _validated(table, where)


def as_toml(recipe: Recipe) -> str:
    """The recipe as a TOML file that `load_recipe` reads back, every default written out."""
    return tomli_w.dumps(recipe.model_dump(exclude_none=True))


def difference(first: Recipe, second: Recipe) -> str | None:
    """The first key in which two recipes differ, with both values; None when they are the same."""
    before, after = _flat(first), _flat(second)
    for key in before | after:
        if before.get(key) != after.get(key):
            return f"{key}: {before.get(key, 'not set')}, now {after.get(key, 'not set')}"
    return None


def _flat(recipe: Recipe) -> dict[str, Any]:
    """The values of a recipe by key: `schedule.epochs`."""
    flat: dict[str, Any] = {}
    for key, value in recipe.model_dump(exclude_none=True).items():
        flat |= {f"{key}.{name}": inner for name, inner in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def _validated(table: dict[str, Any], where: str) -> Recipe:
    """The recipe in `table`. Raises RecipeError, which names `where` it comes from and the key."""
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
    key = ".".join(map(str, first["loc"][:2]))  # below a key come places in a list and kinds of a union
    if first["type"] == "extra_forbidden":
        raise RecipeError(f"{where}: unknown key {key}. {_remedy(key)}")
    message = first["msg"].removeprefix("Value error, ")
    given = f", not {first['input']!r}" if key else ""
    raise RecipeError(f"{where}: {key}{': ' if key else ''}{message}{given}")


def _remedy(key: str) -> str:
    """What to write instead of an unknown key."""
    if key in RENAMED_KEYS:
        return f"It is now called {RENAMED_KEYS[key]}."
    section, _, _ = key.rpartition(".")
    table = type(Recipe.model_fields[section].default) if section else Recipe
    known = [f"{section}.{name}" if section else name for name in table.model_fields]
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    return f"The nearest key is {near[0]}."
