"""The fixtures of the public package's tests."""

from tests.engine.libraries import indexed, library, photos, weights

__all__ = ["indexed", "library", "photos", "weights"]
