"""Applications over libraries, and what tests ask of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from tests.engine.libraries import SENTENCE
from web import close_app, create_app


@contextmanager
def opened(library: Path, weights: Path, **config: Any) -> Iterator[Flask]:
    """The application over `library`, closed in the end."""
    app = create_app({"LIBRARY": library, "WEIGHTS": weights, **config})
    try:
        yield app
    finally:
        close_app(app)


def hits(client: FlaskClient, **question: Any) -> list[dict[str, Any]]:
    """What the API finds."""
    result = client.get("/api/v1/search", query_string={"q": SENTENCE, **question}).json
    assert result is not None
    found: list[dict[str, Any]] = result["hits"]
    return found


def photo(client: FlaskClient) -> str:
    """The address of the first photo found."""
    return f"/api/v1/photos/{hits(client)[0]['photo_id']}"
