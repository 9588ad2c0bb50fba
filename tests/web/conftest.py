"""The fixtures of the web's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.engine.libraries import indexed, library, other_weights, photos, weights, word_weights
from tests.web.applications import opened

__all__ = ["indexed", "library", "other_weights", "photos", "weights", "word_weights"]


@pytest.fixture(scope="session")
def app(indexed: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The application over the library of twelve photos; tests share it."""
    with opened(indexed, weights, ROOTS=[tmp_path_factory.mktemp("root")]) as app:
        yield app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="session")
def word_app(indexed: Path, word_weights: Path) -> Iterator[Flask]:
    """The same with weights that have word detectors; tests share it."""
    with opened(indexed, word_weights) as app:
        yield app


@pytest.fixture(autouse=True)
def _only_real_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The untrained weights of the tests take most photos for copies: here only the same picture is one."""
    monkeypatch.setattr("engine.duplicates.MIN_AGREEMENT", 0.9999)
