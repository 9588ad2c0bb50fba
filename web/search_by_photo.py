"""The pages of a search by a photo that is uploaded. The address of the results names it, so they can be reloaded."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from engine.query import parse
from web.service import current_service
from web.uploads import UploadForgotten, preview_webp, read_upload

MAX_HITS = 60

blueprint = Blueprint("by_photo", __name__, url_prefix="/similar")


@blueprint.get("")
def search() -> str | tuple[str, HTTPStatus]:
    """A form to upload a photo, or the photos most similar to the one that was uploaded."""
    service = current_service()
    key, words = request.args.get("upload", ""), request.args.get("words", "")
    if not key:
        return render_template("similar.html", hits=None, words=words)
    try:
        photo = service.uploads.find(key, service.engine().generation)
    except UploadForgotten as error:
        return render_template("similar.html", hits=None, words=words, reason=str(error)), HTTPStatus.GONE
    hits = service.searches.similar(photo, parse(words), MAX_HITS)
    return render_template("similar.html", hits=hits, words=words, upload=key)


@blueprint.post("")
def upload() -> AnyResponse:
    """Read the photo of the form, and lead to its results."""
    service = current_service()
    words = request.form.get("words", "")
    parse(words)  # a filter that makes no sense is told before the photo is read
    engine = service.engine()
    key = service.uploads.keep(read_upload(engine), engine.generation)
    return redirect(url_for("by_photo.search", upload=key, words=words or None), HTTPStatus.SEE_OTHER)


@blueprint.get("/<key>/preview")
def preview(key: str) -> Response:
    """A small picture of an upload."""
    response = Response(preview_webp(current_service().uploads.find(key)), mimetype="image/webp")
    response.cache_control.private = True
    response.cache_control.max_age = 3600
    return response
