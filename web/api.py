"""The API: JSON under `/api/v1`. A photo is named by its id, never by its path."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus

from flask import Blueprint, Response, current_app, jsonify, url_for

from engine.duplicates import duplicates_of
from engine.query import parse
from engine.results import Hit
from indexer.decoding import fitted
from indexer.library.defaults import recorded_weights
from indexer.library.photo import PhotoRecord
from indexer.photo_files import files_of
from web import annotating, copy_pages, folders, originals, saved_searches, selection, teaching_api
from web.explanations import heat_webp, map_of
from web.folder_choice import folder_to_index
from web.openapi import PHOTO, document, operation
from web.responses import answer, revalidated
from web.schema.copies import DuplicatesAnswer
from web.schema.explanations import AskAnswer, AskRequest, ExplainAnswer, ExplainRequest, HeatRequest
from web.schema.facets import FacetsAnswer, FacetsRequest
from web.schema.indexing import IndexRequest, JobAnswer
from web.schema.overview import ExamplesAnswer, OverviewAnswer
from web.schema.photos import PhotoAnswer
from web.schema.searches import SearchAnswer, SearchRequest, SimilarAnswer, SimilarRequest
from web.schema.status import StatusAnswer
from web.service import current_service
from web.start import NEWEST
from web.streams import EVENT_STREAM, events
from web.thumbnails import LARGE, SMALL
from web.uploads import read_upload

_WEBP = "image/webp"
_MAX_WAIT_S = 10.0

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")
for theme in (
    annotating.blueprint,
    copy_pages.api,
    folders.api,
    originals.blueprint,
    saved_searches.api,
    selection.api,
    teaching_api.blueprint,
):
    blueprint.register_blueprint(theme)


@blueprint.route("/search", methods=["GET", "POST"])
@operation(request_model=SearchRequest, response_model=SearchAnswer, errors=(HTTPStatus.GONE,))
def search(params: SearchRequest) -> Response:
    """Find photos with a sentence

    The answer is what `pixelseek search --json` prints, with thumbnails. The query may hold filters and excluded terms:
    `a beach taken:2021 -crowd`.
    """
    service, query = current_service(), parse(params.q)
    if params.cursor is None:
        page = service.searches.first(query, params.limit, rerank=params.rerank, sort=params.sort)
        service.metrics.searched(page.snapshot.result.timings_ms)
    else:
        page = service.searches.page(query, params.cursor, params.limit)
    return jsonify(page.snapshot.result.to_json() | {"hits": _as_json(page.hits), "next": page.next})


@blueprint.get(PHOTO)
@operation(response_model=PhotoAnswer, errors=(HTTPStatus.NOT_FOUND,))
def photo(photo_id: int) -> Response:
    """The record of a photo: size, date, place, camera, annotations, and the text in it"""
    return answer(PhotoAnswer.of(_photo(photo_id), current_service().view().found_text(photo_id)))


@blueprint.get(f"{PHOTO}/thumbnail")
@operation(response_model=_WEBP, errors=(HTTPStatus.NOT_FOUND,))
def thumbnail(photo_id: int) -> Response:
    """A photo as WebP for a grid, at most 640 pixels a side"""
    return _webp(photo_id, SMALL)


@blueprint.get(f"{PHOTO}/image")
@operation(response_model=_WEBP, errors=(HTTPStatus.NOT_FOUND,))
def image(photo_id: int) -> Response:
    """A photo as WebP for a screen, at most 2048 pixels a side"""
    return _webp(photo_id, LARGE)


@blueprint.get(f"{PHOTO}/similar")
@operation(request_model=SimilarRequest, response_model=SimilarAnswer, errors=(HTTPStatus.NOT_FOUND,))
def similar(params: SimilarRequest, photo_id: int) -> Response:
    """Photos similar to one of the library

    With words in `q`, the photos are similar to photo and words together.
    """
    hits = current_service().searches.similar(photo_id, parse(params.q), params.limit)
    return jsonify({"hits": _as_json(hits)})


@blueprint.get(f"{PHOTO}/duplicates")
@operation(response_model=DuplicatesAnswer, errors=(HTTPStatus.NOT_FOUND,))
def duplicates(photo_id: int) -> Response:
    """The files with the same photo or nearly the same one: copied, resized, compressed again, slightly cropped"""
    return answer(DuplicatesAnswer.of(duplicates_of(current_service().view(), _photo(photo_id).id)))


@blueprint.post("/similar")
@operation(
    request_model=SimilarRequest,
    upload="photo",
    response_model=SimilarAnswer,
    errors=(HTTPStatus.REQUEST_ENTITY_TOO_LARGE,),
)
def similar_to(params: SimilarRequest) -> Response:
    """Photos similar to one that is uploaded

    The upload, at most 32 MiB, is not kept. With words in `q`, the photos are similar to photo and words together.
    """
    service, query = current_service(), parse(params.q)
    photo = read_upload(service.engine())
    return jsonify({"hits": _as_json(service.searches.similar(photo, query, params.limit))})


@blueprint.get(f"{PHOTO}/explain")
@operation(request_model=ExplainRequest, response_model=ExplainAnswer, errors=(HTTPStatus.NOT_FOUND,))
def explain(params: ExplainRequest, photo_id: int) -> Response:
    """Why a photo matches a sentence: how much evidence for it each word is, and where in the photo it is seen

    The answer is what `pixelseek explain --json` prints. Filters and excluded terms are left out.
    """
    return jsonify(current_service().explanations.find(photo_id, parse(params.q)).to_json())


@blueprint.get(f"{PHOTO}/ask")
@operation(request_model=AskRequest, response_model=AskAnswer, errors=(HTTPStatus.NOT_FOUND,))
def ask(params: AskRequest, photo_id: int) -> Response:
    """Answer a question about a photo (experimental)

    More answers to open questions are wrong than right. The answer is what `pixelseek ask --json` prints. Where `known`
    is false, the model does not know the answer.
    """
    return jsonify(current_service().searches.ask(photo_id, params.q, params.top).to_json())


@blueprint.get(f"{PHOTO}/heat")
@operation(request_model=HeatRequest, response_model=_WEBP, errors=(HTTPStatus.NOT_FOUND,))
def heat(params: HeatRequest, photo_id: int) -> Response:
    """Where a word is seen, as WebP to lay over the photo: of the size of its `image`

    Bright where most of the evidence comes from, dark where none does. There is none (404) where `map` is null.
    """
    explanation = current_service().explanations.find(photo_id, parse(params.q))
    strength, photo = map_of(explanation, params.word), _photo(photo_id)
    size = fitted(photo.width, photo.height, LARGE)
    response = Response(heat_webp(strength, size), mimetype=_WEBP)
    response.add_etag()
    return revalidated(response)


@blueprint.get("/facets")
@operation(request_model=FacetsRequest, response_model=FacetsAnswer)
def facets(params: FacetsRequest) -> Response:
    """How many photos of a search there are of each month, camera, folder and place

    A sentence ranks every photo. By the score of the shortlist, those count that reach half of the way from the typical
    photo up to the best one; and those whose captions and tags hold all words.
    """
    return answer(FacetsAnswer.of(current_service().facets(parse(params.q))))


@blueprint.get("/overview")
@operation(response_model=OverviewAnswer)
def overview() -> Response:
    """What is in the library at a glance: the newest photos, years and folders"""
    service = current_service()
    favourites = service.view().favourites(NEWEST)
    return answer(OverviewAnswer.of(service.overviews.latest(), favourites, service.photo_count()))


@blueprint.get("/examples")
@operation(response_model=ExamplesAnswer)
def examples() -> Response:
    """Sentences made of this library's own words, each with a good first photo

    The first request waits for them for some seconds.
    """
    sentences = current_service().examples.latest(wait_s=_MAX_WAIT_S)
    return answer(ExamplesAnswer(ready=sentences is not None, examples=sentences or []))


@blueprint.get("/status")
@operation(response_model=StatusAnswer)
def status() -> Response:
    """The status of the library"""
    service = current_service()
    return answer(StatusAnswer.of(service.status(), recorded_weights(service.library)))


@blueprint.get("/index")
@operation(response_model=JobAnswer)
def index_progress() -> Response:
    """The progress of indexing"""
    return answer(JobAnswer.of(current_service().indexing))


@blueprint.post("/index")
@operation(
    request_model=IndexRequest, response_model=JobAnswer, status=HTTPStatus.ACCEPTED, errors=(HTTPStatus.CONFLICT,)
)
def start_indexing(params: IndexRequest) -> Response:
    """Start indexing"""
    job = current_service().indexing
    job.start([folder_to_index(folder) for folder in params.folders])
    response = answer(JobAnswer.of(job))
    response.status_code = HTTPStatus.ACCEPTED
    return response


@blueprint.delete("/index")
@operation(response_model=JobAnswer)
def cancel_indexing() -> Response:
    """Cancel indexing; photos that are done stay indexed"""
    job = current_service().indexing
    job.cancel()
    return answer(JobAnswer.of(job))


@blueprint.get("/index/events")
@operation(response_model=EVENT_STREAM)
def index_events() -> Response:
    """The progress of indexing as server-sent events

    Each `data` is what `GET /index` answers. The stream ends when indexing does, or after 30 seconds: then connect
    again.
    """
    job = current_service().indexing

    def progress() -> Iterator[str]:
        version = -1
        while True:
            version, latest = job.changed_since(version, wait_s=5.0)
            yield json.dumps(JobAnswer.of(job, latest).model_dump())
            if latest.state != "running":
                return

    return events(progress())


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The OpenAPI document of the API."""
    return jsonify(document(current_app))


def _as_json(hits: list[Hit]) -> list[dict[str, object]]:
    return [hit.to_json() | {"thumbnail": url_for("api.thumbnail", photo_id=hit.photo_id)} for hit in hits]


def _photo(photo_id: int) -> PhotoRecord:
    """Raises PhotoMissing."""
    return current_service().view().photo(photo_id)


def _webp(photo_id: int, side: int) -> Response:
    service = current_service()
    photo = _photo(photo_id)
    if not os.path.exists(photo.path):  # noqa: PTH110  (keeps paths that are not valid text)
        files = files_of(service.view().catalog, [photo_id]).get(photo_id, [])
        photo = replace(photo, path=next((file.path for file in files if file.state == "here"), photo.path))
    response = Response(mimetype=_WEBP)
    response.set_etag(service.thumbnails.find(photo, side).etag)
    if revalidated(response).status_code != HTTPStatus.NOT_MODIFIED:
        response.data = service.thumbnails.read(photo, side)
    return response
