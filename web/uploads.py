"""Uploaded photos to search with: limited in bytes, decoded in a process of their own, never kept on disk."""

from __future__ import annotations

import io
import os
import secrets
import tempfile
from collections import OrderedDict
from pathlib import Path
from threading import BoundedSemaphore, Lock

from flask import request
from PIL import Image
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import BadRequest

from engine.errors import QueryError
from engine.files import PhotoFile
from engine.search import SearchEngine
from model.errors import PixelseekError
from web.searches import Busy

MAX_UPLOAD_BYTES = 32 * 1024**2
_FIELD = "photo"
_DECODING = BoundedSemaphore(2)
_MAX_KEPT = 32
_PREVIEW_SIDE = 320
_QUALITY = 80


class UploadForgotten(PixelseekError):  # noqa: N818
    """An upload that is no longer in memory."""


class Uploads:
    """The latest uploads as the model reads them, in memory, so that a page of their results can be loaded again.

    Threads may share one.
    """

    def __init__(self) -> None:
        self._photos: OrderedDict[str, tuple[str, PhotoFile]] = OrderedDict()
        self._lock = Lock()

    def keep(self, photo: PhotoFile, generation: str) -> str:
        """A key by which `find` has the photo, until many others came. It was read for this generation of weights."""
        key = secrets.token_urlsafe(12)
        with self._lock:
            self._photos[key] = generation, photo
            while len(self._photos) > _MAX_KEPT:
                self._photos.popitem(last=False)
        return key

    def find(self, key: str, generation: str | None = None) -> PhotoFile:
        """The photo. Raises UploadForgotten where it is no longer kept, or was read for another generation."""
        with self._lock:
            if key not in self._photos or generation not in (None, self._photos[key][0]):
                raise UploadForgotten("this photo is no longer in memory: choose it again.")
            self._photos.move_to_end(key)
            return self._photos[key][1]


def read_upload(engine: SearchEngine) -> PhotoFile:
    """The photo in the request's form field `photo`. It is in a temporary file meanwhile.

    Raises BadRequest where there is none, QueryError where it cannot be read as a photo, and Busy where others are
    being read.
    """
    upload = request.files.get(_FIELD)
    if upload is None:
        raise BadRequest(f"send a photo in the form field {_FIELD}")
    if not _DECODING.acquire(blocking=False):
        raise Busy("other uploads are being read. Try again in a few seconds.")
    try:
        return _read(engine, upload)
    finally:
        _DECODING.release()


def _read(engine: SearchEngine, upload: FileStorage) -> PhotoFile:
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


def preview_webp(photo: PhotoFile) -> bytes:
    """A small picture of the photo as WebP, made from the pixels that the model reads, in the shape of the photo."""
    picture = photo.picture
    scale = _PREVIEW_SIDE / max(picture.width, picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    file = io.BytesIO()
    Image.fromarray(picture.pixels).resize(size, Image.Resampling.BICUBIC).save(file, "WEBP", quality=_QUALITY)
    return file.getvalue()
