"""The page of one photo: large, with what is known and written of it, and its place in the results."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from flask import Response, make_response, render_template, request, url_for
from werkzeug.exceptions import BadRequest

from engine.answers import Answers
from engine.camera_names import camera_name
from engine.duplicates import duplicates_of
from engine.errors import EngineError, QueryError
from engine.explain import WordEvidence
from engine.query import Query, parse, write_filter
from engine.results import Hit
from engine.validation import Sort
from indexer.library.annotations import Annotation
from indexer.library.errors import AnnotationRefused, TaughtWordRefused
from indexer.library.photo import PhotoRecord
from indexer.metadata.dates import clock_time
from indexer.originals import missing_in_words
from indexer.photo_files import PhotoFile, files_of
from model.errors import PixelseekError
from model.weights import WeightsError
from web import pages
from web.explanations import MapMissing, map_of, strongest_at
from web.file_manager import can_show_files
from web.media_types import FIRST_BYTES, SHOWN_BY_BROWSERS, media_type
from web.openapi import PHOTO
from web.pages import blueprint, search_address
from web.same_machine import is_from_this_machine
from web.searches import Position
from web.service import current_service
from web.taught_words import ANSWERS, said_of_photo
from web.thumbnails import LARGE, SMALL, PhotoUnreadable, Thumbnails

__all__ = ["blueprint"]

_SIMILAR = 12
_MAX_ANSWERS = 3
_DATE_GUESSES = {"name": "by its file name", "file": "when its file was written"}
"""How a date was guessed, by its source."""
_MAX_ZOOMED_PIXELS = 64_000_000
"""A larger original is not loaded to zoom in: a phone has no memory for it."""


@dataclass(frozen=True)
class _Files:
    """What is left of the files of a photo."""

    path: str
    """A file that can be opened, else the one that is known."""
    is_here: bool
    missing: str | None
    """Why there is no file, and what helps; None where there is one."""
    picture: Literal["image", "thumbnail"] | None
    """What can be shown of the photo; None for nothing."""
    zoomed: bool
    """Whether a browser can show the file itself, for a closer look."""


@blueprint.get(PHOTO)
def photo(photo_id: int) -> str:
    """A large photo with its record, and links to its neighbours in the search where it was found."""
    return _page(photo_id)


@blueprint.post(PHOTO)
def write_about(photo_id: int) -> Response:
    """Write a caption or a tag, mark a favourite, or say whether the photo shows a taught word.

    The page that is shown then has a way to undo that.

    For the script of the page, which sends `part`, the answer is the part of the page that has changed.
    """
    form = request.form
    favourite = {"yes": True, "no": False}.get(form.get("favourite", ""))
    undo: dict[str, Any] = {}

    def edit(before: Annotation) -> Annotation:
        after = before.edited(
            caption=form.get("caption"), tag=form.getlist("tag"), untag=form.getlist("untag"), favourite=favourite
        )
        undo.update(_undo(before, after))
        return after

    refused = None
    try:
        if "word" in form:
            undo.update(_say(photo_id, form.get("word", type=int), form.get("said", "")))
        else:
            current_service().view().edit_annotation(photo_id, edit)
    except (AnnotationRefused, TaughtWordRefused) as error:
        refused = str(error)
        undo.clear()
    typed = {"caption": form.get("caption"), "tag": form.get("tag")} if refused else {}
    shown = {"undo": undo, "refused": refused, "typed": typed, "saved": refused is None}
    if form.get("part"):
        record = current_service().view().photo(photo_id)
        response = make_response(
            render_template("written.html", photo=record, title=_title(record), **_context(photo_id), **shown)
        )
    else:
        response = make_response(_page(photo_id, **shown))
    response.status_code = HTTPStatus.OK if refused is None else HTTPStatus.BAD_REQUEST
    return response


def _undo(before: Annotation, after: Annotation) -> dict[str, Any]:
    """The fields of a form that undoes what was written; empty where nothing has changed."""
    fields: dict[str, Any] = {}
    if (before.caption or "") != (after.caption or "").strip():
        fields["caption"] = [before.caption or ""]
    if removed := [tag for tag in before.tags if tag not in after.tags]:
        fields["tag"] = removed
    if added := [tag for tag in after.tags if tag.strip() and tag not in before.tags]:
        fields["untag"] = added
    if before.favourite != after.favourite:
        fields["favourite"] = ["yes" if before.favourite else "no"]
    return fields


def _say(photo_id: int, word_id: int | None, said: str) -> dict[str, Any]:
    """Say whether the photo shows a taught word; returns the fields of a form that undoes that."""
    if word_id is None or said not in ANSWERS:
        raise BadRequest("the form names no taught word, or no answer")
    before = current_service().view().answer(word_id, [photo_id], ANSWERS[said])
    earlier = {shown: name for name, shown in ANSWERS.items()}
    return {"word": [word_id], "said": [earlier[before[photo_id]]]} if before else {}


def _page(photo_id: int, **written: Any) -> str:
    service = current_service()
    query, cursor = _parse_or_empty(request.args.get("q", "")), request.args.get("cursor", "")
    question, word = request.args.get("question", "").strip(), request.args.get("word", type=int)
    record = service.view().photo(photo_id)
    files = _files(record, files_of(service.view().catalog, [photo_id]).get(photo_id, []), service.thumbnails)
    copies = duplicates_of(service.view(), photo_id)
    copy_ids = {copy.photo_id for copy in copies}
    neighbours: list[Hit] = []
    evidence: list[WordEvidence] = []
    can_answer = False
    with suppress(EngineError, WeightsError):  # the record of a photo is shown without a model too
        neighbours = service.searches.similar(photo_id, parse(""), _SIMILAR + len(copy_ids))
        can_answer = service.engine().can_answer()
        if query.words:
            evidence = service.searches.run(lambda engine: engine.word_evidence(photo_id, query))
    sort: Sort = "date" if request.args.get("sort") == "date" else "match"
    position = None
    with suppress(PixelseekError):  # a photo is shown without its neighbours too
        position = service.searches.locate(query, photo_id, sort, cursor) if query.text else None
    return render_template(
        "photo.html",
        photo=record,
        files=files,
        title=_title(record),
        taken=_taken(record),
        camera=camera_name(record.camera or ""),
        query=query.text,
        cursor=cursor,
        sort=sort,
        match=position.hit.match if position else None,
        evidence=evidence,
        word=_shown_word(photo_id, query, word, evidence),
        navigation=_navigation(query, position, photo_id),
        in_results=_in_results(position),
        can_answer=can_answer,
        can_show=is_from_this_machine() and can_show_files(),
        question=question,
        answers=_answers(photo_id, question),
        copies=[copy for copy in copies if files.path not in (copy.path, *copy.links)],
        similar=[hit for hit in neighbours if hit.photo_id not in copy_ids][:_SIMILAR],
        **_context(photo_id),
        **written,
    )


def _context(photo_id: int) -> dict[str, Any]:
    """What the part about captions and tags needs: taught words, where its forms go, how a tag is searched for."""
    query = _parse_or_empty(request.args.get("q", ""))
    return {
        "here": request.full_path.removesuffix("?"),
        "taught": said_of_photo(photo_id, query),
        "write_filter": write_filter,
    }


def _files(record: PhotoRecord, files: list[PhotoFile], thumbnails: Thumbnails) -> _Files:
    here = next((file.path for file in files if file.state == "here"), None)
    if here is not None:
        return _Files(here, True, None, "image", _can_be_zoomed(here, record))
    picture: Literal["image", "thumbnail"] | None = None
    for name, side in (("image", LARGE), ("thumbnail", SMALL)):
        with suppress(PhotoUnreadable):
            thumbnails.read(record, side)
            picture = "image" if name == "image" else "thumbnail"
            break
    return _Files(record.path, False, missing_in_words(files), picture, False)


def _can_be_zoomed(path: str, record: PhotoRecord) -> bool:
    """Whether the file holds more pixels than the picture on the page, and a browser can show it."""
    pixels = record.width * record.height
    if max(record.width, record.height) <= LARGE or pixels > _MAX_ZOOMED_PIXELS:
        return False
    try:
        with open(path, "rb") as file:  # noqa: PTH123  (keeps paths that are not valid text)
            return media_type(path, file.read(FIRST_BYTES)) in SHOWN_BY_BROWSERS
    except OSError:
        return False


def _title(record: PhotoRecord) -> str:
    """The caption or title of a photo, else when and where it was taken, else the name of its file."""
    if text := record.caption or record.title:
        return text
    taken = _taken(record)
    # When a file was written says nothing of a photo that was copied.
    date = taken["date"] if taken is not None and record.taken_source != "file" else None
    return ", ".join(filter(None, (date, record.place))) or pages.file_name(record.path)


def _taken(record: PhotoRecord) -> dict[str, str | None] | None:
    """When a photo was taken, as text and in ISO 8601, and how that was guessed if it was."""
    if record.taken_at is None:
        return None
    moment = clock_time(record.taken_at, record.taken_offset)
    forms = {"year": f"{moment:%Y}", "month": f"{moment:%B %Y}"}
    date = forms.get(record.taken_precision or "", f"{moment.day} {moment:%B %Y}")
    text = date if record.taken_precision in ("year", "month", "day") else f"{date}, {moment:%H:%M}"
    guess = _DATE_GUESSES.get(record.taken_source or "")
    return {"iso": record.taken_iso(), "text": text, "date": date, "guess": guess}


def _parse_or_empty(text: str) -> Query:
    """The query; one without words where it makes no sense, so that the photo is shown anyway."""
    try:
        return parse(text)
    except QueryError:
        return Query("", text=text)


def _answers(photo_id: int, question: str) -> Answers | None:
    """The answers to a question about the photo; None without a question."""
    return current_service().searches.ask(photo_id, question, _MAX_ANSWERS) if question else None


def _shown_word(photo_id: int, query: Query, index: int | None, evidence: list[WordEvidence]) -> dict[str, Any] | None:
    """The word of that index, to be shown on the photo, and where it is; None where it has no map."""
    if index is None or not (0 <= index < len(evidence) and evidence[index].can_be_shown):
        return None
    with suppress(MapMissing):
        strength = map_of(current_service().explanations.find(photo_id, query), index)
        return {"index": index, "text": evidence[index].word, "where": strongest_at(strength)}
    return None


def _in_results(position: Position | None) -> str | None:
    """The place of the photo in the results, as text: `3 of 64`; None without results.

    The photos that were reranked are counted for themselves: the others follow without end.
    """
    if position is None:
        return None
    snapshot, number = position.snapshot, position.index + 1
    if number <= snapshot.result.reranked:
        return f"{number} of {snapshot.result.reranked}"
    return f"{number} of {len(snapshot.result.hits)}" if snapshot.is_complete else f"Photo {number}"


def _navigation(query: Query, position: Position | None, photo_id: int) -> dict[str, Any]:
    """Addresses of the results (`back`), and the photos before and after this one, each with its address."""
    if not query.text:
        return {}
    anchor = f"photo-{photo_id}"
    if position is None:
        return {"back": search_address(query.text, anchor=anchor)}
    snapshot, index = position.snapshot, position.index
    first = pages.first_page_size(snapshot)
    page_start = 0 if index < first else index - (index - first) % pages.PHOTOS_A_PAGE
    links: dict[str, Any] = {"back": search_address(query.text, snapshot.sort, snapshot.cursor(page_start), anchor)}
    for name, hit, neighbour in (("prev", position.before, index - 1), ("next", position.after, index + 1)):
        if hit is not None:
            address = url_for(
                "pages.photo",
                photo_id=hit.photo_id,
                q=query.text,
                cursor=snapshot.cursor(neighbour),
                sort="date" if snapshot.sort == "date" else None,
            )
            links[name] = {"address": address, "hit": hit}
    return links
