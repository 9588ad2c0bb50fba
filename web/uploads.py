"""A photo that somebody sends to search with: limited in bytes, read in a process of its own, never kept."""

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

MOST_BYTES = 32 * 1024**2
_FIELD = "photo"
_AT_ONCE = BoundedSemaphore(2)  # each is decoded in a process of its own


def similar_to_upload(query: Query, limit: int) -> list[Hit]:
    """The photos most similar to the one in the request's form field `photo`, and to `query` where it has words.

    Raises BadRequest when there is none, QueryError when it cannot be read as a photo, and what `Searches.similar`
    raises.
    """
    sent = request.files.get(_FIELD)
    if sent is None:
        raise BadRequest(f"send a photo in the form field {_FIELD}")
    service = current_service()
    return service.searches.similar(_read(service.engine(), sent), query, limit)


def _read(engine: SearchEngine, sent: FileStorage) -> PhotoFile:
    """The photo that was sent; only as long as it takes to read it does it lie in a file."""
    if not _AT_ONCE.acquire(blocking=False):
        raise Busy("other photos are being looked at. Try again in a few seconds.")
    handle, name = tempfile.mkstemp(prefix="pixelseek-")
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            sent.save(file)
        return engine.read_photo(path)
    except QueryError as error:
        raise QueryError(str(error).replace(name, "the photo")) from error
    finally:
        path.unlink(missing_ok=True)
        _AT_ONCE.release()
