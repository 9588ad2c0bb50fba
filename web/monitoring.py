"""Endpoints for monitoring."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from web.metrics import CONTENT_TYPE_LATEST
from web.service import current_service

blueprint = Blueprint("monitoring", __name__)


@blueprint.get("/healthz")
def health() -> Response:
    """Answer once the library can be read."""
    return jsonify({"status": "ok", "photos": current_service().photo_count()})


@blueprint.get("/metrics")
def metrics() -> Response:
    """The metrics of this server."""
    return Response(current_service().metrics.text(), content_type=CONTENT_TYPE_LATEST)
