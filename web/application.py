"""The Flask application: one engine, two blueprints, and the headers every answer carries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask, Response

from engine.search import SearchEngine
from model.weights import DEFAULT
from web import api, errors, pages
from web.engine import attach

_HEADERS = {
    # Nothing but our own style sheet and our own photos: no scripts, no other site, not inside a frame.
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def create_app(config: Mapping[str, Any]) -> Flask:
    """The web application over the library in folder `LIBRARY`, searched with `WEIGHTS` (a name or a folder).

    `config` holds these two and any setting of Flask's own. Raises what `SearchEngine.open` raises.
    """
    app = Flask(__name__)
    app.config.from_mapping(WEIGHTS=DEFAULT)
    app.config.from_mapping(config)
    attach(app, SearchEngine.open(Path(app.config["LIBRARY"]), weights=app.config["WEIGHTS"]))
    app.register_blueprint(pages.blueprint)
    app.register_blueprint(api.blueprint)
    app.register_error_handler(Exception, errors.answer)
    app.add_template_filter(pages.readable)
    app.after_request(_with_headers)
    return app


def _with_headers(response: Response) -> Response:
    response.headers.update(_HEADERS)
    return response
