"""Checkpoints: written atomically, read without pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from model.atomic import remove_leftovers, replacing


def save(path: Path, state: dict[str, Any]) -> None:
    """Write `state` so that a crash leaves either the old checkpoint or the new one."""
    remove_leftovers(path)
    with replacing(path) as new:
        torch.save(state, new)


def load(path: Path) -> dict[str, Any]:
    """Read what `save` wrote."""
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
