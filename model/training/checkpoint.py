"""Checkpoints: written atomically, read without pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from model.atomic import remove_leftovers, replacing
from model.training.errors import TrainingError

FILE = "checkpoint.pt"
_FORMAT = 3


def save(path: Path, state: dict[str, Any]) -> None:
    """Write `state` so that a crash leaves either the old checkpoint or the new one."""
    remove_leftovers(path)
    with replacing(path) as new:
        torch.save({"format": _FORMAT, **state}, new)


def load(path: Path) -> dict[str, Any]:
    """What `save` wrote. Raises TrainingError for a damaged file and for one of another version of Pixelseek."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds, which all mean that the file is damaged
        reason = str(error).split("\n")[0]
        raise TrainingError(f"{path} cannot be read ({reason}): start again with another --output") from error
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise TrainingError(f"{path} was written by another version of Pixelseek: start again with another --output")
    return dict(state)
