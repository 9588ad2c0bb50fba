"""Uploaded photos to search with: limited in bytes, decoded in a process of their own, never kept."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from threading import BoundedSemaphore

from flask import request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import BadRequest

from engine.errors import QueryError
from engine.files import PhotoFile
from engine.query import Query
from engine.results import Hit
from engine.search import SearchEngine
from web.searches import Busy
from web.service import current_service

MAX_UPLOAD_BYTES = 32 * 1024**2
_FIELD = "photo"
_DECODING = BoundedSemaphore(2)


def similar_to_upload(query: Query, limit: int) -> list[Hit]:
    """The photos most similar to the one in the request's form field `photo`, and to `query` where it has words.

    Raises BadRequest where there is no photo, QueryError where it cannot be read as one, and what `Searches.similar`
    raises.
    """
    upload = request.files.get(_FIELD)
    if upload is None:
        raise BadRequest(f"send a photo in the form field {_FIELD}")
    service = current_service()
    return service.searches.similar(_read(service.engine(), upload), query, limit)


def _read(engine: SearchEngine, upload: FileStorage) -> PhotoFile:
    """Read the uploaded photo. It is in a temporary file meanwhile."""
    if not _DECODING.acquire(blocking=False):
        raise Busy("other uploads are being read. Try again in a few seconds.")
    handle, name = tempfile.mkstemp(prefix="pixelseek-")
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            upload.save(file)
        return engine.read_photo(path)
    except QueryError as error:
        raise QueryError(str(error).replace(name, "the photo")) from error
    finally:
        path.unlink(missing_ok=True)
        _DECODING.release()
