"""The fixtures of the command line's tests."""

from tests.engine.libraries import indexed, library, other_weights, photos, weights, word_weights

__all__ = ["indexed", "library", "other_weights", "photos", "weights", "word_weights"]
