"""What stops a training run."""

from __future__ import annotations

from model.errors import PixelseekError


class TrainingError(PixelseekError):
    """A run that cannot start or continue; the message says why and what to do."""
