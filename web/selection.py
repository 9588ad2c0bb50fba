"""Many photos at once: a zip archive of their files, a list of their paths, tags and favourites."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from itertools import chain
from threading import BoundedSemaphore

from flask import Blueprint, Response, render_template, request
from werkzeug.exceptions import BadRequest

from indexer.library.annotations import Annotation
from indexer.library.database import Database
from indexer.originals import Original, OriginalMissing, open_original
from web.archive import zip_chunks
from web.openapi import operation
from web.responses import answer
from web.schema.base import MAX_PHOTO_ID, MAX_SELECTED
from web.schema.photos import AnnotationsRequest, ChangedAnswer, ZipRequest
from web.searches import Busy
from web.service import current_service

_ZIP = "application/zip"
_ARCHIVES = BoundedSemaphore(2)
"""Each archive occupies a thread of the server while it is sent."""
_MAX_DIGITS = len(str(MAX_PHOTO_ID))

pages = Blueprint("selection", __name__, url_prefix="/selection")
api = Blueprint("selection", __name__)


@pages.post("/zip")
def download() -> Response:
    """The files of the photos that are chosen in a form, as a zip archive."""
    return _archive(chosen_photos())


@pages.post("/paths")
def paths() -> Response:
    """The paths of the photos that are chosen in a form, a line each."""
    lines = [photo.path for photo in current_service().view().photos(chosen_photos())]
    return Response(os.fsencode("".join(f"{line}\n" for line in lines)), mimetype="text/plain")


@pages.post("/tag")
def tag() -> str:
    """Add the tag of the form to the photos that are chosen in it."""
    name = request.form.get("tag", "").strip()
    if not name:
        raise BadRequest("write a tag first")
    return _edited(functools.partial(Annotation.edited, tag=[name]), f"tagged {name}")


@pages.post("/favourite")
def favourite() -> str:
    """Make the photos that are chosen in a form favourites."""
    return _edited(functools.partial(Annotation.edited, favourite=True), "favourites")


@api.post("/photos/zip")
@operation(request_model=ZipRequest, response_model=_ZIP, errors=(HTTPStatus.NOT_FOUND,))
def zip_archive(params: ZipRequest) -> Response:
    """The files of photos as a zip archive

    It is made while it is sent. What cannot be read is named in `Not included.txt` in it.
    """
    return _archive(params.photo_ids)


@api.patch("/photos/annotations")
@operation(request_model=AnnotationsRequest, response_model=ChangedAnswer)
def annotate_many(params: AnnotationsRequest) -> Response:
    """Add tags to many photos, remove tags, make them favourites or not

    All or none are changed. Photos that are not in the library are left out.
    """
    changed = (
        current_service()
        .view()
        .edit_annotations(
            params.photo_ids,
            functools.partial(Annotation.edited, tag=params.tag, untag=params.untag, favourite=params.favourite),
        )
    )
    return answer(ChangedAnswer(changed=changed))


def chosen_photos() -> list[int]:
    """The ids of the photos that are chosen in the form. Raises BadRequest where none is."""
    values = request.form.getlist("photo")
    if not values:
        raise BadRequest("choose some photos first")
    return photo_numbers(values)


def photo_numbers(values: Sequence[str]) -> list[int]:
    """The ids of photos in fields of a form, each once. Raises BadRequest."""
    if len(values) > MAX_SELECTED:
        raise BadRequest(f"choose at most {MAX_SELECTED:,} photos")
    # Python reads no number of very many digits.
    are_short = all(value.isascii() and value.isdecimal() and len(value) <= _MAX_DIGITS for value in values)
    if not are_short or any(int(value) > MAX_PHOTO_ID for value in values):
        raise BadRequest("photo is not a number of a photo")
    return list(dict.fromkeys(map(int, values)))


def _edited(edit: functools.partial[Annotation], what: str) -> str:
    photo_ids = chosen_photos()
    changed = current_service().view().edit_annotations(photo_ids, edit)
    return render_template(
        "selected.html", what=what, changed=len(changed), unchanged=len(photo_ids) - len(changed), back=_back()
    )


def _back() -> str:
    """The page that the form was on; never an address of another site."""
    back = request.form.get("back", "")
    return back if back.startswith("/") and not back.startswith(("//", "/\\")) else "/"


def _archive(photo_ids: Sequence[int]) -> Response:
    """The archive. Raises OriginalMissing where there is no file to send, and Busy where others are being sent."""
    archive = _sent(current_service().view().catalog, photo_ids)
    next(archive)  # takes a place and opens the first file
    response = Response(archive, mimetype=_ZIP)
    name = f"pixelseek-{len(photo_ids)}-photo{'s' if len(photo_ids) > 1 else ''}.zip"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.headers["Cache-Control"] = "no-store"
    return response


def _sent(catalog: Database, photo_ids: Sequence[int]) -> Iterator[bytes]:
    """Nothing, once a file is open, and then the archive. Raises what `_archive` raises.

    It takes its place among the archives itself, so that it gives it back however it ends, sent or not.
    """
    if not _ARCHIVES.acquire(blocking=False):
        raise Busy("other archives are being sent. Try again when they are done.")
    first: list[Original | OriginalMissing] = []
    originals = _originals(catalog, photo_ids)
    try:
        for original in originals:
            first.append(original)
            if isinstance(original, Original):
                break
        else:
            raise OriginalMissing(str(first[0]))
        yield b""
        yield from zip_chunks(chain(first, originals))
    finally:
        for original in first:
            if isinstance(original, Original):
                original.file.close()
        _ARCHIVES.release()


def _originals(catalog: Database, photo_ids: Sequence[int]) -> Iterator[Original | OriginalMissing]:
    """The opened file of each photo, or why there is none."""
    for photo_id in photo_ids:
        try:
            yield open_original(catalog, photo_id)
        except OriginalMissing as error:
            yield error
