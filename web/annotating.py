"""The API for what people write about photos."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus

from flask import Blueprint, Response

from indexer.library.annotations import Annotation
from web.openapi import PHOTO, operation
from web.responses import answer
from web.schema.photos import AnnotationAnswer, AnnotationRequest
from web.service import current_service

blueprint = Blueprint("annotating", __name__)


@blueprint.patch(f"{PHOTO}/annotation")
@operation(request_model=AnnotationRequest, response_model=AnnotationAnswer, errors=(HTTPStatus.NOT_FOUND,))
def annotate(params: AnnotationRequest, photo_id: int) -> Response:
    """Write a caption and tags of a photo, and mark it as a favourite

    What is left out stays as it is. A caption or tag is refused (400) where no search could find it or it is too long.
    """

    def edit(before: Annotation) -> Annotation:
        kept = before if params.tags is None else replace(before, tags=params.tags)
        return kept.edited(caption=params.caption, tag=params.tag, untag=params.untag, favourite=params.favourite)

    return answer(AnnotationAnswer.from_attributes(current_service().view().edit_annotation(photo_id, edit)))
