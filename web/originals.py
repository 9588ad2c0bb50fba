"""The API for the files of photos: as they are, and in the file manager."""

from __future__ import annotations

import unicodedata
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import regex
from flask import Blueprint, Response, request
from werkzeug import exceptions
from werkzeug.wsgi import FileWrapper

from indexer.originals import Original, OriginalMissing, missing_in_words, open_original
from indexer.photo_files import files_of
from web.file_manager import show_file
from web.media_types import FIRST_BYTES, media_type
from web.openapi import PHOTO, operation
from web.responses import answer
from web.same_machine import is_from_this_machine
from web.schema.photos import ShownAnswer
from web.service import current_service

_UNSAFE = regex.compile(r'[\p{C}\p{Zl}\p{Zp}/\\:*?"<>|]+')
"""Characters that must not, or on some systems cannot, be in the name of a file."""
_ONE_PART = regex.compile(r"bytes=\s*(\d+-\d*|-\d+)\s*", regex.ASCII)

blueprint = Blueprint("originals", __name__)


@blueprint.get(f"{PHOTO}/original")
@operation(
    response_model="*/*",
    errors=(HTTPStatus.NOT_FOUND, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE),
)
def original(photo_id: int) -> Response:
    """The file of a photo as it is, to download

    A part of it where the request has the header `Range`. There is none (404) where the file is gone, cannot be reached
    now, or has changed since it was indexed.
    """
    view = current_service().view()
    view.photo(photo_id)  # raises PhotoMissing
    opened = open_original(view.catalog, photo_id)
    try:
        return _response(photo_id, opened)
    except BaseException:
        opened.file.close()
        raise


@blueprint.post(f"{PHOTO}/show")
@operation(
    response_model=ShownAnswer,
    errors=(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_IMPLEMENTED),
)
def show(photo_id: int) -> Response:
    """Show the file of a photo in the file manager

    Only for a browser or a program on the machine where Pixelseek runs (else 403), and where that has a desktop (else
    501).
    """
    if not is_from_this_machine():
        raise exceptions.Forbidden(
            "only a browser on the machine where Pixelseek runs can show a folder. Copy the path instead"
        )
    view = current_service().view()
    view.photo(photo_id)
    files = files_of(view.catalog, [photo_id]).get(photo_id, [])
    path = next((file.path for file in files if file.state in ("here", "changed")), None)
    if path is None:
        raise OriginalMissing(missing_in_words(files))
    if not show_file(path):
        raise exceptions.NotImplemented("no file manager can be started on this machine. Copy the path instead")
    return answer(ShownAnswer.model_construct(path=path))


def _response(photo_id: int, opened: Original) -> Response:
    start = opened.file.read(FIRST_BYTES)
    opened.file.seek(0)
    response = Response(FileWrapper(opened.file), mimetype=media_type(opened.path, start), direct_passthrough=True)
    response.call_on_close(opened.file.close)
    response.content_length = opened.size
    response.headers.set("Content-Disposition", "attachment", **_download_names(opened.path))
    response.set_etag(f"original-{photo_id}-{opened.mtime_ns:x}-{opened.size:x}")
    response.last_modified = opened.mtime_ns // 1_000_000_000  # type: ignore[assignment]
    response.cache_control.private = True
    response.cache_control.no_cache = True
    # Several parts, or parts in another unit, are answered with the whole file.
    is_one_part = _ONE_PART.fullmatch(request.headers.get("Range", "bytes=0-")) is not None
    response.make_conditional(request, accept_ranges=is_one_part, complete_length=opened.size)
    return response


def safe_name(path: str) -> str:
    """The name of the file at `path` as any system can save it."""
    readable = Path(path).name.encode("utf-8", "replace").decode()
    return _UNSAFE.sub("_", unicodedata.normalize("NFC", readable))


def _download_names(path: str) -> dict[str, str]:
    """The name under which the file is saved: in ASCII, and as Unicode (RFC 6266) where that differs."""
    name = Path(safe_name(path))
    stem, suffix = (
        unicodedata.normalize("NFKD", part).encode("ascii", "ignore").decode().strip()
        for part in (name.stem, name.suffix)
    )
    plain = _UNSAFE.sub("_", (stem or "photo") + suffix)
    if plain == str(name):
        return {"filename": plain}
    return {"filename": plain, "filename*": f"UTF-8''{quote(str(name), safe='')}"}
