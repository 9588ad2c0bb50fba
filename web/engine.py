"""The search engine of the application at work."""

from __future__ import annotations

from typing import cast

from flask import Flask, current_app

from engine.search import SearchEngine

_KEY = "pixelseek"


def attach(app: Flask, engine: SearchEngine) -> None:
    """Make `engine` the one that `app` searches with."""
    app.extensions[_KEY] = engine


def current_engine() -> SearchEngine:
    """The engine of the application that handles the request. Threads share it."""
    return cast(SearchEngine, current_app.extensions[_KEY])
