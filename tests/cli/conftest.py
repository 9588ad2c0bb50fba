"""The fixtures of the command line's tests."""

from tests.engine.libraries import indexed, library, other_weights, photos, quick_weights, weights, word_weights
from tests.indexer.conftest import server

__all__ = ["indexed", "library", "other_weights", "photos", "quick_weights", "server", "weights", "word_weights"]
