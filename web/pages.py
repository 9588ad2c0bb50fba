"""The pages. Each works without JavaScript; the scripts in `static` only make it smoother."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, redirect, render_template, request, stream_with_context, url_for
from markupsafe import Markup, escape
from werkzeug.wrappers import Response as AnyResponse

from engine.answers import Answers
from engine.duplicates import duplicates_of
from engine.errors import EngineError, QueryError
from engine.explain import WordEvidence
from engine.query import Query, parse
from engine.results import Hint, Hit
from engine.sentences import MAX_CHARACTERS
from engine.validation import Sort
from indexer.library.errors import LibraryMissing
from indexer.library.photo import PhotoRecord
from indexer.metadata.dates import clock_time
from model.errors import PixelseekError
from model.weights import WeightsError
from web.disconnection import ClientDisconnected
from web.explanations import MapMissing, map_of, strongest_at
from web.filtering import active, with_period
from web.folder_choice import folder_to_index, may_list_folders
from web.folder_keys import path_of
from web.folders import welcome
from web.openapi import document
from web.schema import MAX_PHOTO_ID
from web.searches import CursorUnknown, Page, Position, ResultSnapshot
from web.service import current_service
from web.shapes import ratio_class, ratio_styles
from web.stacks import stacks
from web.start_page import start_page

PHOTOS_A_PAGE = 48
_SIMILAR = 12
_MORE_SIMILAR = 60
_RERANKED_PLACEHOLDER = "<!-- reranked -->"
_MAX_ANSWERS = 3
_DAY_S = 86400
_DATE_GUESSES = {"name": "by its file name", "file": "when its file was written"}
"""How a date was guessed, by its source."""

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def search() -> AnyResponse | str:
    """The search box, and the photos that fit the query `q` where there is one."""
    query = request.args.get("q", "").strip()
    service = current_service()
    photos = service.photo_count()
    try:
        service.engine()
    except WeightsError:
        if query or not photos:
            raise
    except (EngineError, LibraryMissing) as error:
        return welcome(str(error), query)
    if changed := _with_form(query):
        return redirect(_address(changed, request.args.get("sort")))
    if not query:
        return start_page(photos)
    parsed = parse(query)
    sort: Sort = "date" if request.args.get("sort") == "date" else "match"
    if cursor := request.args.get("cursor"):
        return _later_page(parsed, sort, cursor)
    return _first_page(parsed, sort)


def _with_form(query: str) -> str | None:
    """The query with what a form of the filters adds: a period, or what the photos must not show; None without one."""
    if "from" in request.args or "until" in request.args:
        return with_period(parse(query), *(request.args.get(name, "").strip() for name in ("from", "until")))
    excluded = request.args.get("exclude", "").replace('"', "").strip()
    return f'{query} -"{excluded}"'.strip() if excluded else None


def _first_page(query: Query, sort: Sort) -> Response:
    """The shortlist at once, then the reranked photos, which replace it.

    Both are streamed in one response: nothing is computed twice, and no script is needed.
    """
    service = current_service()
    shortlist = service.searches.shortlist(query)
    hints: list[Hint] = []
    if not shortlist.hits:
        hints = service.searches.rerank(shortlist, PHOTOS_A_PAGE, sort=sort).snapshot.result.hints
    page = render_template(
        "results.html",
        query=query.text,
        sort=sort,
        filters=active(query),
        shortlist=shortlist.hits[:PHOTOS_A_PAGE],
        awaited=bool(shortlist.hits),
        hints=hints,
    )
    before, _, after = page.partition(_RERANKED_PLACEHOLDER)

    def stream() -> Iterator[str]:
        yield before
        if shortlist.hits:
            try:
                snapshot = service.searches.rerank(shortlist, PHOTOS_A_PAGE, sort=sort).snapshot
            except ClientDisconnected:
                return
            except PixelseekError as error:
                yield render_template("not_reranked.html", reason=str(error))
            else:
                service.metrics.searched(snapshot.result.timings_ms)
                yield render_template("reranked.html", **_first_page_context(snapshot))
        yield after

    return Response(stream_with_context(stream()), mimetype="text/html")


def _later_page(query: Query, sort: Sort, cursor: str) -> AnyResponse | str:
    try:
        page = current_service().searches.page(query, cursor, PHOTOS_A_PAGE)
    except CursorUnknown:
        return redirect(_address(query.text, sort))
    if not page.start:
        context = _first_page_context(page.snapshot)
        return render_template("results.html", awaited=False, filters=active(query), **context)
    return render_template("more.html", query=query.text, page=page, first=page.snapshot.cursor(0))


def _first_page_size(snapshot: ResultSnapshot) -> int:
    """How many photos the first page of a snapshot shows: all that were reranked, as one block."""
    return snapshot.result.reranked or PHOTOS_A_PAGE


def _first_page_context(snapshot: ResultSnapshot) -> dict[str, Any]:
    """The variables of the first page's template."""
    result = snapshot.result
    page = Page(snapshot, 0, result.hits[: _first_page_size(snapshot)])
    seen = current_service().engine().seen_words([hit.photo_id for hit in page.hits])
    return {"query": snapshot.query.text, "page": page, "result": result, "sort": snapshot.sort, "seen": seen}


@blueprint.app_template_global("search_address")
def _address(query: str, sort: str | None = None, cursor: str | None = None, anchor: str | None = None) -> str:
    """The address of a search, from a position in its results on if there is a cursor."""
    return url_for("pages.search", q=query, sort="date" if sort == "date" else None, cursor=cursor, _anchor=anchor)


@blueprint.get(f"/photos/<int(max={MAX_PHOTO_ID}):photo_id>")
def photo(photo_id: int) -> str:
    """A large photo with its record, and links to its neighbours in the search where it was found."""
    service = current_service()
    query, cursor = _parse_or_empty(request.args.get("q", "")), request.args.get("cursor", "")
    question, word = request.args.get("question", "").strip(), request.args.get("word", "")
    record = service.view().photo(photo_id)
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
    position = _position(query, cursor, photo_id)
    return render_template(
        "photo.html",
        photo=record,
        taken=_taken(record),
        query=query.text,
        cursor=cursor,
        match=position.hit.match if position else None,
        evidence=evidence,
        word=_shown_word(photo_id, query, word, evidence),
        navigation=_navigation(query, position, photo_id),
        can_answer=can_answer,
        question=question,
        answers=_answers(photo_id, question),
        copies=[copy for copy in copies if record.path not in (copy.path, *copy.links)],
        similar=[hit for hit in neighbours if hit.photo_id not in copy_ids][:_SIMILAR],
    )


@blueprint.get(f"/photos/<int(max={MAX_PHOTO_ID}):photo_id>/similar")
def similar_to_photo(photo_id: int) -> str:
    """Photos similar to one of the library, and to words if there are any."""
    service = current_service()
    words = request.args.get("words", "")
    hits = service.searches.similar(photo_id, parse(words), _MORE_SIMILAR)
    return render_template("similar.html", hits=hits, words=words, photo=service.view().photo(photo_id))


def _taken(photo: PhotoRecord) -> dict[str, str | None] | None:
    """When a photo was taken, as text and in ISO 8601, and how that was guessed if it was."""
    if photo.taken_at is None:
        return None
    moment = clock_time(photo.taken_at, photo.taken_offset)
    forms = {"year": f"{moment:%Y}", "month": f"{moment:%B %Y}", "day": f"{moment.day} {moment:%B %Y}"}
    text = forms.get(photo.taken_precision or "", f"{moment.day} {moment:%B %Y, %H:%M}")
    return {"iso": photo.taken_iso(), "text": text, "guess": _DATE_GUESSES.get(photo.taken_source or "")}


def _parse_or_empty(text: str) -> Query:
    """The query; one without words where it makes no sense, so that the photo is shown anyway."""
    try:
        return parse(text)
    except QueryError:
        return Query("", text=text)


def _answers(photo_id: int, question: str) -> Answers | None:
    """The answers to a question about the photo; None without a question."""
    return current_service().searches.ask(photo_id, question, _MAX_ANSWERS) if question else None


def _shown_word(photo_id: int, query: Query, index: str, evidence: list[WordEvidence]) -> dict[str, Any] | None:
    """The word of that index, to be shown on the photo, and where it is; None where it has no map."""
    if not (index.isdecimal() and int(index) < len(evidence) and evidence[int(index)].can_be_shown):
        return None
    with suppress(MapMissing):
        strength = map_of(current_service().explanations.find(photo_id, query), int(index))
        return {"index": int(index), "text": evidence[int(index)].word, "where": strongest_at(strength)}
    return None


def _position(query: Query, cursor: str, photo_id: int) -> Position | None:
    """The place of the photo in the results of `query`; None where these are no longer kept."""
    try:
        position = current_service().searches.position(query, cursor) if query.text else None
    except CursorUnknown:
        return None
    return position if position is not None and position.hit.photo_id == photo_id else None


def _navigation(query: Query, position: Position | None, photo_id: int) -> dict[str, str]:
    """Addresses of the results (`back`) and of the photos before and after this one, where there are any."""
    if not query.text:
        return {}
    anchor = f"photo-{photo_id}"
    if position is None:
        return {"back": _address(query.text, anchor=anchor)}
    snapshot, index = position.snapshot, position.index
    first = _first_page_size(snapshot)
    page_start = 0 if index < first else index - (index - first) % PHOTOS_A_PAGE
    addresses = {"back": _address(query.text, snapshot.sort, snapshot.cursor(page_start), anchor)}
    for name, hit, neighbour in (("prev", position.before, index - 1), ("next", position.after, index + 1)):
        if hit is not None:
            addresses[name] = url_for(
                "pages.photo", photo_id=hit.photo_id, q=query.text, cursor=snapshot.cursor(neighbour)
            )
    return addresses


@blueprint.get("/library")
def library() -> str:
    """The status of the library, and indexing."""
    service = current_service()
    try:
        status = service.status()
    except LibraryMissing:
        status = None
    return render_template(
        "library.html",
        status=status,
        job=service.indexing,
        outcome=service.indexing.outcome(),
        library=service.library,
        may_list_folders=may_list_folders(),
    )


@blueprint.post("/library/index")
def start_indexing() -> AnyResponse:
    """Start indexing a folder, or all known folders."""
    folder, chosen = request.form.get("folder", "").strip(), request.form.get("chosen")
    named: list[str | Path] = [path_of(chosen)] if chosen else [folder] if folder else []
    current_service().indexing.start([folder_to_index(path) for path in named])
    return redirect(url_for("pages.library"))


@blueprint.post("/library/cancel")
def cancel_indexing() -> AnyResponse:
    """Cancel indexing."""
    current_service().indexing.cancel()
    return redirect(url_for("pages.library"))


@blueprint.get("/api")
def api() -> str:
    """The documentation of the API."""
    return render_template("api.html", document=document(current_app))


@blueprint.get("/shapes.css")
def shapes() -> Response:
    """The CSS classes for aspect ratios: the security policy forbids inline styles."""
    response = Response(ratio_styles(), mimetype="text/css")
    response.cache_control.max_age = _DAY_S
    return response


@blueprint.app_context_processor
def _for_every_page() -> dict[str, object]:
    return {"max_characters": MAX_CHARACTERS}


@blueprint.app_template_filter()
def readable(path: str) -> str:
    """`path` as valid Unicode: other bytes are escaped."""
    return path.encode("utf-8", "backslashreplace").decode()


@blueprint.app_template_filter()
def sentence(message: str) -> Markup:
    """A message with a capital letter; text in backticks becomes code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(readable(message[:1].upper() + message[1:])))))


@blueprint.app_template_filter()
def file_name(path: str) -> str:
    """The readable file name of `path`."""
    return readable(Path(path).name)


@blueprint.app_template_filter()
def folder_name(path: str) -> str:
    """The readable folder of `path`."""
    return readable(str(Path(path).parent))


blueprint.add_app_template_filter(ratio_class)
blueprint.add_app_template_filter(stacks)
blueprint.add_app_template_filter(stacks)
