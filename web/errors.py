"""Errors: a page for people, and problem+json (RFC 9457) for programs."""

from __future__ import annotations

import logging
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import urlencode

from flask import Response, g, jsonify, make_response, render_template, request, url_for
from pydantic import ValidationError
from werkzeug.exceptions import BadHost, HTTPException, NotFound, RequestEntityTooLarge, SecurityError

from engine.errors import QueryError
from indexer.library.errors import (
    AnnotationRefused,
    PhotoMissing,
    SavedSearchMissing,
    SavedSearchRefused,
    TaughtWordMissing,
    TaughtWordRefused,
)
from indexer.originals import OriginalMissing
from model.errors import PixelseekError
from web.disconnection import ClientDisconnected
from web.explanations import MapMissing
from web.indexing import AlreadyIndexing, FolderNotAllowed
from web.searches import Busy, CursorUnknown
from web.thumbnails import PhotoUnreadable
from web.uploads import MAX_UPLOAD_BYTES, UploadForgotten

_SENTENCES = ("question", "words", "q")
"""Parameters of pages that hold a sentence."""
_TITLES = {
    HTTPStatus.UNAUTHORIZED: "The password is needed",
    HTTPStatus.FORBIDDEN: "This is not allowed",
    HTTPStatus.NOT_FOUND: "There is no such page",
    HTTPStatus.CONFLICT: "That is going on already",
    HTTPStatus.GONE: "These results are no longer kept",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The file is too large",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many wrong passwords",
    HTTPStatus.SERVICE_UNAVAILABLE: "Pixelseek cannot do this now",
}
_HTTP_MESSAGES = {
    HTTPStatus.BAD_REQUEST: "the address or the form is not complete. Go back and try it again.",
    HTTPStatus.METHOD_NOT_ALLOWED: "this address is for a button of a page. Open the page and press the button there.",
    HTTPStatus.REQUEST_URI_TOO_LONG: "the address is too long. Search with a shorter sentence.",
}
"""What a page says in place of the standard text of HTTP."""
_log = logging.getLogger("pixelseek.web")


def respond(error: Exception) -> Response:
    """The response to a request that failed with `error`."""
    status, detail = _explain(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("%s failed", request.endpoint, exc_info=error)
    elif status == HTTPStatus.SERVICE_UNAVAILABLE and not isinstance(error, ClientDisconnected):
        _log.warning("%s could not be answered: %s", request.endpoint, detail)
    if request.path.startswith("/api/v1/"):
        response = _problem(error, status, detail)
    elif isinstance(error, BadHost | SecurityError):
        # Under an invalid or untrusted host name there are no addresses to link to.
        response = make_response(render_template("wrong_host.html", message=detail))
    else:
        response = make_response(_page(error, status, detail))
    response.status_code = status
    if isinstance(error, HTTPException):
        headers = ("allow", "retry-after", "www-authenticate")
        response.headers.extend(header for header in error.get_headers() if header[0].lower() in headers)
    if isinstance(error, Busy):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _problem(error: Exception, status: HTTPStatus, detail: str) -> Response:
    """The error for a program."""
    members: dict[str, object] = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
    if isinstance(error, QueryError) and error.wrong is not None:
        members |= {"wrong": error.wrong.part, "queries": list(error.wrong.fixes)}
    response = jsonify(members)
    response.mimetype = "application/problem+json"
    return response


def _page(error: Exception, status: HTTPStatus, detail: str) -> str:
    """The error for a person: what is wrong in words, the part of the sentence that is to blame, and a next step."""
    if isinstance(error, HTTPException) and error.description == type(error).description:
        detail = _HTTP_MESSAGES.get(status, detail)
    wrong = error.wrong if isinstance(error, QueryError) else None
    parameter, query = _typed_sentence()
    return render_template(
        "error.html",
        title=_title(error, status),
        message=detail,
        query=query,
        wrong=wrong,
        fixes=[(fix, _address_with(parameter, fix)) for fix in wrong.fixes] if wrong else [],
        again=request.full_path.removesuffix("?") if status >= 500 and request.method == "GET" else None,
    )


def _title(error: Exception, status: HTTPStatus) -> str:
    """What has happened, in words that a person understands."""
    match error:
        case QueryError():
            return "This cannot be searched for"
        case SavedSearchMissing():
            return "This search is not saved"
        case SavedSearchRefused():
            return "The search cannot be saved so"
        case TaughtWordMissing():
            return "This word is not taught"
        case TaughtWordRefused():
            return "The word cannot be taught so"
        case PhotoMissing():
            return "This photo is not in the library"
        case PhotoUnreadable():
            return "This photo cannot be shown"
        case MapMissing():
            return "There is nothing to show of this word"
        case Busy():
            return "Too many searches at once"
    return _TITLES.get(status, "Something went wrong in Pixelseek" if status >= 500 else "This does not work")


def _typed_sentence() -> tuple[str, str | None]:
    """The sentence of the request, for the search box: nobody has to type it again; and the parameter it came in.

    The form of a client without the password is not read.
    """
    for parameter in _SENTENCES:
        if sentence := request.args.get(parameter):
            return parameter, sentence
    if request.method == "POST" and g.get("is_known"):
        with suppress(HTTPException):  # too large, or no form
            return "", request.form.get("words")
    return "", None


def _address_with(parameter: str, sentence: str) -> str:
    """The address of this page with another sentence in that parameter; of the search where there is none."""
    if not parameter or request.endpoint is None:
        return url_for("pages.search", q=sentence)
    values = {**request.args.to_dict(flat=False), parameter: [sentence]}
    values.pop("cursor", None)
    # The client chose the names: as arguments, `endpoint` or `_scheme` would mean something to `url_for`.
    return f"{url_for(request.endpoint, **(request.view_args or {}))}?{urlencode(values, doseq=True)}"


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
        case QueryError() | AnnotationRefused() | SavedSearchRefused() | TaughtWordRefused():
            return HTTPStatus.BAD_REQUEST, str(error)
        case PhotoMissing() | PhotoUnreadable() | OriginalMissing() | MapMissing():
            return HTTPStatus.NOT_FOUND, str(error)
        case SavedSearchMissing() | TaughtWordMissing():
            return HTTPStatus.NOT_FOUND, str(error)
        case CursorUnknown() | UploadForgotten():
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
