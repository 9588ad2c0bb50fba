"""The model that searches a library, as its settings say."""

from __future__ import annotations

from pathlib import Path

from indexer.library.defaults import recorded_weights
from indexer.library.settings import HERE, Settings
from model.bundle import TrainedModel
from model.weights import DEFAULT


def open_model(library: Path, weights: str | Path | None = None, device: str | None = None) -> TrainedModel:
    """The model for the library in that folder; it is loaded when it is first used.

    `weights` and `device` are those a caller names; None: the weights that encoded the library, at first the shipped
    ones, and the device of its settings. Raises WeightsError and SettingsError.
    """
    settings = Settings.load(library)
    name = weights or recorded_weights(library) or DEFAULT
    return TrainedModel(
        name,
        device=device or settings.device,
        threads=settings.threads,
        reranker=None if settings.reranker == HERE else settings.reranker,
    )
