"""What went wrong, told to people as a page and to programs as problem+json (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, current_app, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException, NotFound, SecurityError

from engine.errors import EngineError, QueryError
from indexer.library import LibraryError, PhotoMissing
from web.photos import PhotoUnreadable


def answer(error: Exception) -> Response:
    """The answer to a request that failed with `error`."""
    status, detail = _explain(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        current_app.logger.error("unexpected error", exc_info=error)
    # A request under an untrusted host name has no addresses that a page could link to.
    if request.blueprint == "api" or request.path.startswith("/api/") or isinstance(error, SecurityError):
        response = jsonify({"type": "about:blank", "title": status.phrase, "status": status, "detail": detail})
        response.mimetype = "application/problem+json"
    else:
        message = detail[:1].upper() + detail[1:]
        response = make_response(render_template("error.html", title=status.phrase, message=message))
    response.status_code = status
    return response


def _explain(error: Exception) -> tuple[HTTPStatus, str]:
    match error:
        case NotFound():
            return HTTPStatus.NOT_FOUND, "there is nothing at this address"
        case HTTPException(code=int(code)):
            return HTTPStatus(code), error.description or ""
        case QueryError():
            return HTTPStatus.BAD_REQUEST, str(error)
        case PhotoMissing() | PhotoUnreadable():
            return HTTPStatus.NOT_FOUND, str(error)
        case EngineError() | LibraryError():
            return HTTPStatus.SERVICE_UNAVAILABLE, str(error)
        case _:
            return HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong here; the server's log says what"
