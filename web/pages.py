"""The pages. Each works without JavaScript; the scripts in `static` only make it smoother."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, redirect, render_template, request, stream_with_context, url_for
from markupsafe import Markup, escape
from werkzeug.wrappers import Response as AnyResponse

from engine.errors import EngineError
from engine.query import Query, parse
from engine.results import Hint
from engine.sentences import MAX_CHARACTERS
from engine.validation import Sort
from indexer.library.errors import LibraryMissing
from model.errors import PixelseekError
from model.weights import WeightsError
from web.disconnection import ClientDisconnected
from web.filtering import active, with_period
from web.folder_choice import folder_to_index, may_list_folders
from web.folder_keys import path_of
from web.folders import welcome
from web.openapi import PHOTO, document
from web.searches import CursorUnknown, Page, ResultSnapshot
from web.service import current_service
from web.shapes import ratio_class, ratio_styles
from web.stacks import stacks
from web.start_page import start_page
from web.taught_words import searched_for

PHOTOS_A_PAGE = 48
_MORE_SIMILAR = 60
_RERANKED_PLACEHOLDER = "<!-- reranked -->"
_DAY_S = 86400

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
        return redirect(search_address(changed, request.args.get("sort")))
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
        taught=searched_for(query),
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
        return redirect(search_address(query.text, sort))
    if not page.start:
        context = _first_page_context(page.snapshot)
        return render_template(
            "results.html", awaited=False, filters=active(query), taught=searched_for(query), **context
        )
    return render_template("more.html", query=query.text, page=page, first=page.snapshot.cursor(0))


def first_page_size(snapshot: ResultSnapshot) -> int:
    """How many photos the first page of a snapshot shows: all that were reranked, as one block."""
    return snapshot.result.reranked or PHOTOS_A_PAGE


def _first_page_context(snapshot: ResultSnapshot) -> dict[str, Any]:
    """The variables of the first page's template."""
    result = snapshot.result
    page = Page(snapshot, 0, result.hits[: first_page_size(snapshot)])
    seen = current_service().engine().seen_words([hit.photo_id for hit in page.hits])
    return {"query": snapshot.query.text, "page": page, "result": result, "sort": snapshot.sort, "seen": seen}


@blueprint.app_template_global("search_address")
def search_address(query: str, sort: str | None = None, cursor: str | None = None, anchor: str | None = None) -> str:
    """The address of a search, from a position in its results on if there is a cursor."""
    return url_for("pages.search", q=query, sort="date" if sort == "date" else None, cursor=cursor, _anchor=anchor)


@blueprint.get(f"{PHOTO}/similar")
def similar_to_photo(photo_id: int) -> str:
    """Photos similar to one of the library, and to words if there are any."""
    service = current_service()
    words = request.args.get("words", "")
    hits = service.searches.similar(photo_id, parse(words), _MORE_SIMILAR)
    return render_template("similar.html", hits=hits, words=words, photo=service.view().photo(photo_id))


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
