"""The Flask application: one service, its blueprints, and the headers of every response."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask, Response, g, request

from engine.errors import EngineError
from indexer.library.errors import LibraryMissing
from model.weights import WeightsError
from web import (
    api,
    copy_pages,
    errors,
    filter_pages,
    folders,
    monitoring,
    photo_pages,
    saved_searches,
    search_by_photo,
    selection,
    teaching_pages,
)
from web.access import Guard, password_hash
from web.forms import FormTokens
from web.found_text import text_over
from web.hosts import check_host
from web.service import Service, attach, current_service, service_of
from web.uploads import MAX_UPLOAD_BYTES

_HEADERS = {
    # Only our own style sheets, scripts and photos: no other site, nothing inline, no frame around.
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_BLUEPRINTS = (
    photo_pages.blueprint,  # it is the blueprint of pages
    filter_pages.blueprint,
    copy_pages.pages,
    folders.pages,
    search_by_photo.blueprint,
    saved_searches.pages,
    selection.pages,
    teaching_pages.blueprint,
    api.blueprint,
    monitoring.blueprint,
)
_log = logging.getLogger("pixelseek.web")


def create_app(config: Mapping[str, Any]) -> Flask:
    """The web application over the library in folder `LIBRARY`.

    `config` holds this and any setting of Flask. It is searched with `WEIGHTS` (a name or a folder), by default those
    that encoded it. Folders inside `ROOTS` may be added to it. Where `HOSTS` is given, requests with any other host
    name are refused. Where a password is set (`web.access`), every request needs it.

    A library that is missing or empty may be made later. Where default weights are missing, everything works but the
    search. Otherwise raises what `SearchEngine.open` raises. Call `close_app` at the end.
    """
    app = Flask(__name__)
    app.config.from_mapping(WEIGHTS=None, DEVICE=None, ROOTS=(), HOSTS=(), MAX_CONTENT_LENGTH=MAX_UPLOAD_BYTES)
    app.config.from_mapping(config)
    service = Service(Path(app.config["LIBRARY"]), app.config["WEIGHTS"], app.config["ROOTS"], app.config["DEVICE"])
    try:
        service.engine()
    except (EngineError, LibraryMissing):
        pass
    except WeightsError as error:
        if not service.photo_count():
            raise
        _log.warning("photos can be viewed, but not searched: %s", error)
    attach(app, service)
    password = password_hash(service.library)
    guard, tokens = Guard(password), FormTokens(service.library, password)
    app.add_template_global(tokens.token, "form_token")
    app.add_template_global(tokens.field, "token_field")
    app.add_template_global(text_over)
    for blueprint in _BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.register_error_handler(Exception, errors.respond)
    app.before_request(_start_clock)
    if app.config["HOSTS"]:
        app.before_request(lambda: check_host(app.config["HOSTS"]))
    app.before_request(guard.check)
    app.before_request(tokens.check)
    app.after_request(_with_headers)
    return app


def close_app(app: Flask) -> None:
    """Cancel indexing, and close the library."""
    service_of(app).close()


def _start_clock() -> None:
    g.started = time.perf_counter()


def _with_headers(response: Response) -> Response:
    response.headers.update(_HEADERS)
    started = g.get("started")
    if started is not None:
        endpoint, seconds = request.endpoint or "none", time.perf_counter() - started
        current_service().metrics.answered(endpoint, response.status_code, seconds)
        address, path = request.remote_addr, request.full_path.removesuffix("?")
        _log.debug("%s %s %s: %d in %.0f ms", address, request.method, path, response.status_code, 1000 * seconds)
    return response
