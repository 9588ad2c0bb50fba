"""What went wrong, told to people as a page and to programs as problem+json (RFC 9457)."""

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
from web.indexing import AlreadyIndexing, FolderNotAllowed
from web.searches import Busy, CursorUnknown
from web.thumbnails import PhotoUnreadable
from web.uploads import MOST_BYTES

_BUSY_S = 5
_log = logging.getLogger("pixelseek.web")


def answer(error: Exception) -> Response:
    """The answer to a request that failed with `error`."""
    status, detail = _explain(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("%s failed", request.endpoint, exc_info=error)
    elif status == HTTPStatus.SERVICE_UNAVAILABLE and not isinstance(error, ClientDisconnected):
        _log.warning("%s could not be answered: %s", request.endpoint, detail)
    # A request under an impossible or untrusted host name has no addresses that a page could link to.
    if request.path.startswith("/api/v1/") or isinstance(error, BadHost | SecurityError):
        response = jsonify({"type": "about:blank", "title": status.phrase, "status": status, "detail": detail})
        response.mimetype = "application/problem+json"
    else:
        response = make_response(render_template("error.html", title=status.phrase, message=detail, query=_typed()))
    response.status_code = status
    if isinstance(error, HTTPException):
        kept = ("allow", "retry-after", "www-authenticate")
        response.headers.extend(header for header in error.get_headers() if header[0].lower() in kept)
    if isinstance(error, Busy):
        response.headers["Retry-After"] = str(_BUSY_S)
    return response


def _typed() -> str | None:
    """The sentence that came with the request, for the search box: nobody has to type it again.

    A form of a stranger's is not read.
    """
    for given in (request.args.get(name) for name in ("question", "words", "q")):
        if given:
            return given
    if request.method == "POST" and g.get("is_known"):
        with suppress(HTTPException):  # too large, or no form
            return request.form.get("words")
    return None


def _explain(error: Exception) -> tuple[HTTPStatus, str]:
    match error:
        case NotFound():
            return HTTPStatus.NOT_FOUND, "there is nothing at this address"
        case RequestEntityTooLarge():
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"that is more than {MOST_BYTES // 1024**2} MiB"
        case HTTPException(code=int(code)):
            return HTTPStatus(code), error.description or ""
        case ValidationError():
            return HTTPStatus.BAD_REQUEST, _first(error)
        case QueryError():
            return HTTPStatus.BAD_REQUEST, str(error)
        case PhotoMissing() | PhotoUnreadable():
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
            return HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong here; the server's log says what"


def _first(error: ValidationError) -> str:
    """The first thing that is wrong with what was asked."""
    found = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(map(str, found["loc"]))
    return f"{name}: {found['msg']}" if name else found["msg"]
