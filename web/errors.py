"""Errors: a page for people, and problem+json (RFC 9457) for programs."""

from __future__ import annotations

import logging
from contextlib import suppress
from http import HTTPStatus

from flask import Response, g, jsonify, make_response, render_template, request
from pydantic import ValidationError
from werkzeug.exceptions import BadHost, HTTPException, NotFound, RequestEntityTooLarge, SecurityError

from engine.errors import QueryError
from indexer.library.errors import PhotoMissing
from model.errors import PixelseekError
from web.disconnection import ClientDisconnected
from web.explanations import MapMissing
from web.indexing import AlreadyIndexing, FolderNotAllowed
from web.searches import Busy, CursorUnknown
from web.thumbnails import PhotoUnreadable
from web.uploads import MAX_UPLOAD_BYTES

_RETRY_AFTER_S = 5
_log = logging.getLogger("pixelseek.web")


def respond(error: Exception) -> Response:
    """The response to a request that failed with `error`."""
    status, detail = _explain(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("%s failed", request.endpoint, exc_info=error)
    elif status == HTTPStatus.SERVICE_UNAVAILABLE and not isinstance(error, ClientDisconnected):
        _log.warning("%s could not be answered: %s", request.endpoint, detail)
    # A page needs addresses to link to, and there are none under an invalid or untrusted host name.
    if request.path.startswith("/api/v1/") or isinstance(error, BadHost | SecurityError):
        response = jsonify({"type": "about:blank", "title": status.phrase, "status": status, "detail": detail})
        response.mimetype = "application/problem+json"
    else:
        response = make_response(
            render_template("error.html", title=status.phrase, message=detail, query=_typed_sentence())
        )
    response.status_code = status
    if isinstance(error, HTTPException):
        headers = ("allow", "retry-after", "www-authenticate")
        response.headers.extend(header for header in error.get_headers() if header[0].lower() in headers)
    if isinstance(error, Busy):
        response.headers["Retry-After"] = str(_RETRY_AFTER_S)
    return response


def _typed_sentence() -> str | None:
    """The sentence of the request, for the search box: nobody has to type it again.

    The form of a client without the password is not read.
    """
    for sentence in (request.args.get(name) for name in ("question", "words", "q")):
        if sentence:
            return sentence
    if request.method == "POST" and g.get("is_known"):
        with suppress(HTTPException):  # too large, or no form
            return request.form.get("words")
    return None


def _explain(error: Exception) -> tuple[HTTPStatus, str]:
    match error:
        case NotFound():
            return HTTPStatus.NOT_FOUND, "there is nothing at this address"
        case RequestEntityTooLarge():
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the upload is larger than {MAX_UPLOAD_BYTES // 1024**2} MiB"
        case HTTPException(code=int(code)):
            return HTTPStatus(code), error.description or ""
        case ValidationError():
            return HTTPStatus.BAD_REQUEST, _first_error(error)
        case QueryError():
            return HTTPStatus.BAD_REQUEST, str(error)
        case PhotoMissing() | PhotoUnreadable() | MapMissing():
            return HTTPStatus.NOT_FOUND, str(error)
        case CursorUnknown():
            return HTTPStatus.GONE, str(error)
        case AlreadyIndexing():
            return HTTPStatus.CONFLICT, str(error)
        case FolderNotAllowed():
            return HTTPStatus.FORBIDDEN, str(error)
        case PixelseekError():
            return HTTPStatus.SERVICE_UNAVAILABLE, str(error)
        case _:
            return HTTPStatus.INTERNAL_SERVER_ERROR, "this is a fault of the server; its log says more"


def _first_error(error: ValidationError) -> str:
    """The first parameter of the request that is invalid, and why."""
    first = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(map(str, first["loc"]))
    return f"{name}: {first['msg']}" if name else first["msg"]
