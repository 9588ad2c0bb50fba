"""Responses of the API."""

from __future__ import annotations

import json

from flask import Response, request
from pydantic import BaseModel


def answer(model: BaseModel) -> Response:
    """The model as JSON."""
    # Not pydantic's JSON, which is UTF-8: a file name that is not valid Unicode needs the escapes of `json`.
    return Response(json.dumps(model.model_dump()), mimetype="application/json")


def revalidated(response: Response) -> Response:
    """The response, which a browser keeps and revalidates each time: without content where it has not changed."""
    response.cache_control.private = True
    response.cache_control.no_cache = True
    response.make_conditional(request)
    return response
