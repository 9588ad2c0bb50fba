"""The interface for programs: JSON under `/api/v1`. Photos go by id, never by path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus

from flask import Blueprint, Response, current_app, jsonify, request
from pydantic import BaseModel

from engine.duplicates import duplicates_of
from engine.query import parse
from engine.results import Hit
from indexer.library.photo import PhotoRecord
from web.explanations import heat_webp, map_of
from web.indexing import Progress
from web.openapi import LARGEST_ID, document, operation
from web.schema import (
    AskAnswer,
    AskRequest,
    DuplicatesAnswer,
    ExplainAnswer,
    ExplainRequest,
    FacetsAnswer,
    FacetsRequest,
    HeatRequest,
    IndexRequest,
    JobAnswer,
    PhotoAnswer,
    SearchAnswer,
    SearchRequest,
    SimilarAnswer,
    SimilarRequest,
    StatusAnswer,
)
from web.service import current_service
from web.streams import EVENT_STREAM, events
from web.thumbnails import LARGE, SMALL
from web.uploads import similar_to_upload

_PHOTO = f"/photos/<int(max={LARGEST_ID}):photo_id>"
_WEBP = "image/webp"

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")


@blueprint.route("/search", methods=["GET", "POST"])
@operation(asks=SearchRequest, answers=SearchAnswer, problems=(HTTPStatus.GONE,))
def search(asked: SearchRequest) -> Response:
    """Find photos with a sentence

    What `pixelseek search --json` prints. Filters may stand in the sentence: `a beach taken:2021 -crowd`.
    """
    service, query = current_service(), parse(asked.q)
    if asked.cursor is None:
        page = service.searches.first(query, asked.limit, rerank=asked.rerank, sort=asked.sort)
        service.metrics.searched(page.snapshot.result.timings_ms)
    else:
        page = service.searches.page(query, asked.cursor, asked.limit)
    return jsonify(page.snapshot.result.to_json() | {"hits": _as_json(page.hits), "next": page.next})


@blueprint.get(_PHOTO)
@operation(answers=PhotoAnswer, problems=(HTTPStatus.NOT_FOUND,))
def photo(photo_id: int) -> Response:
    """What is known of a photo"""
    return _answer(PhotoAnswer.of(_known(photo_id)))


@blueprint.get(f"{_PHOTO}/thumbnail")
@operation(answers=_WEBP, problems=(HTTPStatus.NOT_FOUND,))
def thumbnail(photo_id: int) -> Response:
    """A photo as WebP for a grid, its longest side at most 640 pixels"""
    return _webp(photo_id, SMALL)


@blueprint.get(f"{_PHOTO}/image")
@operation(answers=_WEBP, problems=(HTTPStatus.NOT_FOUND,))
def image(photo_id: int) -> Response:
    """A photo as WebP for a screen, its longest side at most 2048 pixels"""
    return _webp(photo_id, LARGE)


@blueprint.get(f"{_PHOTO}/similar")
@operation(asks=SimilarRequest, answers=SimilarAnswer, problems=(HTTPStatus.NOT_FOUND,))
def similar(asked: SimilarRequest, photo_id: int) -> Response:
    """Photos similar to one of the library

    With words in `q`, to photo and words together.
    """
    hits = current_service().searches.similar(photo_id, parse(asked.q), asked.limit)
    return jsonify({"hits": _as_json(hits)})


@blueprint.get(f"{_PHOTO}/duplicates")
@operation(answers=DuplicatesAnswer, problems=(HTTPStatus.NOT_FOUND,))
def duplicates(photo_id: int) -> Response:
    """The files that hold a photo or nearly the same one: copies, resized, compressed again, cropped a little"""
    return _answer(DuplicatesAnswer.of(duplicates_of(current_service().view(), _known(photo_id).id)))


@blueprint.post("/similar")
@operation(asks=SimilarRequest, upload="photo", answers=SimilarAnswer, problems=(HTTPStatus.REQUEST_ENTITY_TOO_LARGE,))
def similar_to(asked: SimilarRequest) -> Response:
    """Photos similar to one that is sent

    It is compared and not kept. At most 32 MiB. With words in `q`, to photo and words together.
    """
    return jsonify({"hits": _as_json(similar_to_upload(parse(asked.q), asked.limit))})


@blueprint.get(f"{_PHOTO}/explain")
@operation(asks=ExplainRequest, answers=ExplainAnswer, problems=(HTTPStatus.NOT_FOUND,))
def explain(asked: ExplainRequest, photo_id: int) -> Response:
    """Why a photo matches a sentence: where in it each word looks, and how much it speaks for the photo

    Filters and words to keep out do not look anywhere.
    """
    return _answer(ExplainAnswer.of(current_service().explanations.find(photo_id, parse(asked.q))))


@blueprint.get(f"{_PHOTO}/ask")
@operation(asks=AskRequest, answers=AskAnswer, problems=(HTTPStatus.NOT_FOUND,))
def ask(asked: AskRequest, photo_id: int) -> Response:
    """Answer a question about a photo

    What `pixelseek ask --json` prints. Where `known` is false, the model does not know.
    """
    found = current_service().searches.ask(photo_id, asked.q, asked.top)
    return jsonify(found.to_json())


@blueprint.get(f"{_PHOTO}/heat")
@operation(asks=HeatRequest, answers=_WEBP, problems=(HTTPStatus.NOT_FOUND,))
def heat(asked: HeatRequest, photo_id: int) -> Response:
    """Where a word looks, as WebP to stretch over the photo

    It darkens what the word does not look at, and lights up what it looks at most.
    """
    explanation = current_service().explanations.find(photo_id, parse(asked.q))
    response = Response(heat_webp(map_of(explanation, asked.word)), mimetype=_WEBP)
    response.add_etag()
    return _to_be_asked_again(response)


@blueprint.get("/facets")
@operation(asks=FacetsRequest, answers=FacetsAnswer)
def facets(asked: FacetsRequest) -> Response:
    """How many photos there are of each month, camera, folder and place"""
    return _answer(FacetsAnswer.of(current_service().view().facets(parse(asked.q).filters)))


@blueprint.get("/status")
@operation(answers=StatusAnswer)
def status() -> Response:
    """Where the library stands"""
    return _answer(StatusAnswer.of(current_service().status()))


@blueprint.get("/index")
@operation(answers=JobAnswer)
def index_progress() -> Response:
    """How far indexing has come"""
    return _answer(_job(current_service().indexing.progress))


@blueprint.post("/index")
@operation(asks=IndexRequest, answers=JobAnswer, status=HTTPStatus.ACCEPTED, problems=(HTTPStatus.CONFLICT,))
def start_indexing(asked: IndexRequest) -> Response:
    """Start indexing"""
    job = current_service().indexing
    job.start(asked.folders)
    response = _answer(_job(job.progress))
    response.status_code = HTTPStatus.ACCEPTED
    return response


@blueprint.delete("/index")
@operation(answers=JobAnswer)
def cancel_indexing() -> Response:
    """Cancel indexing; what is done is kept"""
    job = current_service().indexing
    job.cancel()
    return _answer(_job(job.progress))


@blueprint.get("/index/events")
@operation(answers=EVENT_STREAM)
def index_events() -> Response:
    """Server-sent events: how far indexing has come, whenever it has come further

    Each `data` is what `GET /index` answers. The stream ends with the run, or after half a minute: ask again.
    """
    job = current_service().indexing

    def progress() -> Iterator[str]:
        version = -1
        while True:
            version, now = job.changed_since(version, wait_s=5.0)
            yield _job(now).model_dump_json()
            if now.state != "running":
                return

    return events(progress())


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The OpenAPI document of all this."""
    return jsonify(document(current_app))


def _answer(model: BaseModel) -> Response:
    # Not pydantic's own JSON: a file name that is not text has no UTF-8, but JSON's escapes.
    return Response(json.dumps(model.model_dump()), mimetype="application/json")


def _as_json(hits: list[Hit]) -> list[dict[str, object]]:
    return [hit.to_json() for hit in hits]


def _job(progress: Progress) -> JobAnswer:
    return JobAnswer(
        state=progress.state,
        done=progress.done,
        total=progress.total,
        failed=progress.failed,
        message=progress.message,
    )


def _known(photo_id: int) -> PhotoRecord:
    """What is known of a photo. Raises PhotoMissing."""
    return current_service().view().photo(photo_id)


def _webp(photo_id: int, side: int) -> Response:
    service = current_service()
    photo = _known(photo_id)
    response = Response(mimetype=_WEBP)
    response.set_etag(service.thumbnails.find(photo, side).etag)
    if _to_be_asked_again(response).status_code != HTTPStatus.NOT_MODIFIED:
        response.data = service.thumbnails.read(photo, side)
    return response


def _to_be_asked_again(response: Response) -> Response:
    """The response, which a browser keeps, but asks whether it has changed; without content where it has not."""
    response.cache_control.private = True
    response.cache_control.no_cache = True
    response.make_conditional(request)
    return response
