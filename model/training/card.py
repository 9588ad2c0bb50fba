"""The model card that goes with weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from model.training.recipe import Recipe, as_toml


def write_card(
    folder: Path,
    *,
    recipe: Recipe,
    photos: int,
    captions: int,
    steps: int,
    seconds: float,
    device: str,
    dev_photos: int,
    figures: dict[str, Any],
) -> None:
    """Write `README.md` into the folder of weights: what they were trained on, how, and what they reach."""
    rows = [
        f"| {dataset} | {name} | " + " | ".join(f"{value:.1f}" for value in row.values()) + " |"
        for dataset, rankings in figures.items()
        for name, row in rankings.items()
    ]
    heading = ["| | | R@1 | R@5 | R@10 | median rank |", "|---|---|---|---|---|---|"]
    table = "\n".join(heading + rows) if rows else "No dev photos were given."
    if recipe.start.weights:
        began = f"Went on from `{recipe.start.weights}`"
    else:
        began = f"CNN from `{recipe.start.backbone or 'nothing'}`, trunk from `{recipe.start.trunk or 'nothing'}`"
    frozen = f"; the CNN's first {recipe.cnn.frozen_stages} stages frozen" if recipe.cnn.frozen_stages else ""
    text = f"""# {recipe.name}

A Pixel-BERT (arXiv 2004.00849) for text-to-image retrieval, trained by Pixelseek's recipe `{recipe.name}`.

- Trained on {photos:,} photos with {captions:,} captions: {steps:,} steps in {seconds / 60:.0f} minutes on {device}.
- {began}{frozen}.

Text to image on {dev_photos} dev photos, those of each dataset on their own, in percent (the best step was chosen on
them):

{table}

## Recipe

```toml
{as_toml(recipe).strip()}
```
"""
    (folder / "README.md").write_text(text, encoding="utf-8")
