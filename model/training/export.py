"""The folder of weights that a run leaves, with its model card."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

from model.atomic import replacing_folder
from model.network.pixelbert import PixelBertForPreTraining
from model.processor import PixelBertProcessor
from model.scoring.parameters import ScoringParameters
from model.scoring.word_detectors import WordDetectors
from model.training.dev_evaluation import DevResult
from model.training.recipe import Recipe, as_toml
from model.weights import generation


@dataclass(frozen=True)
class RunSummary:
    """What the model card says about a run."""

    photos: int
    captions: int
    steps: int
    seconds: float
    device: str
    dev_photos: int


def save_weights(
    folder: Path,
    model: PixelBertForPreTraining,
    processor: PixelBertProcessor,
    detectors: WordDetectors,
    recipe: Recipe,
    summary: RunSummary,
    result: DevResult | None,
) -> None:
    """Replace the whole `folder` by these weights in float16, with processor, scoring, recipe and model card.

    `result` is None without dev photos: then the scoring is neutral.
    """
    exported = copy.deepcopy(model).half()
    exported.word_head = None  # saved as word detectors
    exported.config.pixel_sampling = recipe.config_fields.get("pixel_sampling")
    parameters = ScoringParameters(detectors=detectors) if result is None else result.parameters
    with replacing_folder(folder) as new:
        exported.save_pretrained(new)
        processor.save_pretrained(new)
        (new / "recipe.toml").write_text(as_toml(recipe), encoding="utf-8")
        parameters.save(new, generation(new))
        (new / "README.md").write_text(_card(recipe, summary, result), encoding="utf-8")


def _card(recipe: Recipe, summary: RunSummary, result: DevResult | None) -> str:
    """The model card: training data, recipe and dev recall."""
    rows = [
        f"| {dataset} | {ranking} | " + " | ".join(f"{value:.1f}" for value in recalls.values()) + " |"
        for dataset, rankings in (result.figures if result is not None else {}).items()
        for ranking, recalls in rankings.items()
    ]
    heading = ["| | | R@1 | R@5 | R@10 | median rank |", "|---|---|---|---|---|---|"]
    table = "\n".join(heading + rows) if rows else "No dev photos were given."
    if recipe.start.weights:
        start = f"Continued from `{recipe.start.weights}`"
    else:
        start = f"CNN from `{recipe.start.backbone or 'nothing'}`, transformer from `{recipe.start.trunk or 'nothing'}`"
    frozen = f"; the CNN's first {recipe.cnn.frozen_stages} stages frozen" if recipe.cnn.frozen_stages else ""
    return f"""# {recipe.name}

A Pixel-BERT (arXiv 2004.00849) for text-to-image retrieval, trained by Pixelseek's recipe `{recipe.name}`.

- Trained on {summary.photos:,} photos with {summary.captions:,} captions: {summary.steps:,} steps in \
{summary.seconds / 60:.0f} minutes on {summary.device}.
- {start}{frozen}.

Text to image on {summary.dev_photos} dev photos, a gallery for each dataset, in percent (the best step was chosen on
them):

{table}

## Recipe

```toml
{as_toml(recipe).strip()}
```
"""
