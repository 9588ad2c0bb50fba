"""Training a Pixel-BERT by a recipe."""

from model.training.loop import TrainingError, train

__all__ = ["TrainingError", "train"]
