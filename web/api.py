"""The interface for programs: JSON under `/api/v1`. Photos go by id, never by path."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import BadRequest

from web.engine import current_engine
from web.photos import small_webp, version

LARGEST_LIMIT = 200
_LARGEST_ID = 2**63 - 1

blueprint = Blueprint("api", __name__)


@blueprint.get("/api/v1/search")
def search() -> Response:
    """The photos that fit `q`, at most `limit` of them: what `pixelseek search --json` prints."""
    result = current_engine().search(request.args.get("q", ""), limit=_limit(request.args.get("limit", "20")))
    return jsonify(result.to_json())


@blueprint.get(f"/api/v1/photos/<int(max={_LARGEST_ID}):photo_id>/image")
def image(photo_id: int) -> Response:
    """One photo as WebP, small enough for a page. Browsers keep it and ask whether the file has changed."""
    path = current_engine().photo(photo_id).path
    response = Response(mimetype="image/webp")
    response.set_etag(version(path))
    response.cache_control.private = True
    response.cache_control.no_cache = True
    if response.make_conditional(request).status_code != HTTPStatus.NOT_MODIFIED:
        response.data = small_webp(path)
    return response


@blueprint.get("/healthz")
def health() -> Response:
    """That the library can be read, for whatever watches over the server."""
    return jsonify({"status": "ok", "photos": current_engine().photo_count()})


def _limit(text: str) -> int:
    try:
        limit = int(text)
    except ValueError:
        limit = 0
    if not 1 <= limit <= LARGEST_LIMIT:
        raise BadRequest(f"limit is a whole number, 1 to {LARGEST_LIMIT}")
    return limit
