"""The model card that goes with weights."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model.recipe import Recipe


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
        f"| {name} | " + " | ".join(f"{value:.1f}" for value in row.values()) + " |" for name, row in figures.items()
    ]
    heading = ["| | R@1 | R@5 | R@10 | median rank |", "|---|---|---|---|---|"]
    table = "\n".join(heading + rows) if rows else "No dev photos were given."
    text = f"""# {recipe.name}

A Pixel-BERT (arXiv 2004.00849) for text-to-image retrieval, trained by Pixelseek's recipe `{recipe.name}`.

- Trained on {photos:,} photos with {captions:,} captions: {steps:,} steps in {seconds / 60:.0f} minutes on {device}.
- CNN from `{recipe.start.backbone or "nothing"}`{", frozen" if recipe.cnn.frozen else ""}; \
trunk from `{recipe.start.trunk or "nothing"}`.

Text to image on {dev_photos} dev photos, in percent (the best step was chosen on them):

{table}

## Recipe

```json
{json.dumps(asdict(recipe), indent=2)}
```
"""
    (folder / "README.md").write_text(text, encoding="utf-8")
