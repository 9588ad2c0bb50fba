"""The API for taught words: their examples, how well they are learned, and which photos to ask about next."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus

from flask import Blueprint, Response, url_for

from engine.teaching import Quality
from indexer.library.taught_words import TaughtWord
from model.errors import PixelseekError
from web.openapi import WORD, operation
from web.responses import answer
from web.schema.teaching import (
    AnsweredAnswer,
    AnswersRequest,
    DeleteWordRequest,
    RenamedAnswer,
    SuggestedPhotoAnswer,
    SuggestionsAnswer,
    SuggestionsRequest,
    TaughtWordAnswer,
    TaughtWordsAnswer,
    TaughtWordSummary,
    TeachRequest,
)
from web.service import current_service

blueprint = Blueprint("teaching", __name__)


@blueprint.get("/taught-words")
@operation(response_model=TaughtWordsAnswer)
def taught_words() -> Response:
    """The words that people teach, and names that could be taught

    The answer is what `pixelseek teach --list --json` prints.
    """
    view = current_service().view()
    words = view.taught_words()
    qualities = _qualities_of(words)
    summaries = [TaughtWordSummary.of(word, qualities.get(word.id)) for word in words]
    return answer(TaughtWordsAnswer.of(summaries, view.taught_word_offers()))


@blueprint.post("/taught-words")
@operation(request_model=TeachRequest, response_model=TaughtWordAnswer)
def teach_word(params: TeachRequest) -> Response:
    """Teach a word

    Photos that have its name as a tag show it at once. Where the word is taught already, however it is written, it is
    answered as it is. A name that nobody can read or search for is refused (400).
    """
    return _word(current_service().view().teach_word(params.name))


@blueprint.get(WORD)
@operation(response_model=TaughtWordAnswer, errors=(HTTPStatus.NOT_FOUND,))
def taught_word(word_id: int) -> Response:
    """A taught word with its examples

    The answer is what `pixelseek teach NAME --json` prints.
    """
    return _word(current_service().view().taught_word(word_id))


@blueprint.patch(WORD)
@operation(request_model=TeachRequest, response_model=RenamedAnswer, errors=(HTTPStatus.NOT_FOUND,))
def rename_taught_word(params: TeachRequest, word_id: int) -> Response:
    """Rename a taught word, and the tag on its photos

    Where there is such a word or tag, both become one with the id of this one: a photo shows it if it shows either.
    """
    merged = current_service().view().rename_taught_word(word_id, params.name)
    return answer(RenamedAnswer.model_construct(merged=merged, word=_summary(word_id)))


@blueprint.delete(WORD)
@operation(request_model=DeleteWordRequest, response_model=TaughtWordAnswer, errors=(HTTPStatus.NOT_FOUND,))
def delete_taught_word(params: DeleteWordRequest, word_id: int) -> Response:
    """Forget a taught word; its photos lose the tag unless `keep_tags`

    The answer is the word as it was. To undo, teach it again, and answer for its photos.
    """
    view = current_service().view()
    was = _word(view.taught_word(word_id))
    view.delete_taught_word(word_id, keep_tags=params.keep_tags)
    return was


@blueprint.post(f"{WORD}/answers")
@operation(request_model=AnswersRequest, response_model=AnsweredAnswer, errors=(HTTPStatus.NOT_FOUND,))
def answer_for_photos(params: AnswersRequest, word_id: int) -> Response:
    """Say that photos show a taught word, or do not, or take that back

    Photos that show it get its name as a tag; the others lose it. All or none are changed. Photos that are not in the
    library are left out.
    """
    before = current_service().view().answer(word_id, params.photo_ids, params.shown)
    return answer(AnsweredAnswer.of(before, _summary(word_id)))


@blueprint.post(f"{WORD}/keywords")
@operation(response_model=AnsweredAnswer, errors=(HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST))
def add_keyword_examples(word_id: int) -> Response:
    """Say that the photos with the name as a keyword in their files show a taught word

    Those of which people said that they do not are left out.
    """
    added = current_service().view().add_keyword_examples(word_id)
    return answer(AnsweredAnswer.of(dict.fromkeys(added), _summary(word_id)))


@blueprint.post(f"{WORD}/suggestions")
@operation(request_model=SuggestionsRequest, response_model=SuggestionsAnswer, errors=(HTTPStatus.NOT_FOUND,))
def suggest_photos(params: SuggestionsRequest, word_id: int) -> Response:
    """The photos of which it helps most to know whether they show a taught word

    Some likely show it, of others it is hard to say. No example of the word is among them.
    """
    service = current_service()
    word = service.view().taught_word(word_id)
    photo_ids = service.searches.run(
        lambda engine: engine.suggestions(word, count=params.limit, leave_out=params.leave_out)
    )
    photos = [
        SuggestedPhotoAnswer.from_attributes(
            photo, photo_id=photo.id, thumbnail=url_for("api.thumbnail", photo_id=photo.id)
        )
        for photo in service.view().photos(photo_ids)
    ]
    return answer(SuggestionsAnswer.model_construct(photos=photos))


def _qualities_of(words: Sequence[TaughtWord]) -> dict[int, Quality]:
    """How well each word is learned, by its id; of none where the model cannot be asked now."""
    learned = [word for word in words if not word.needed]
    if not learned:
        return {}
    with suppress(PixelseekError):  # what people said is answered without a model too
        return current_service().searches.run(lambda engine: {word.id: engine.taught_quality(word) for word in learned})
    return {}


def _summary(word_id: int) -> TaughtWordSummary:
    word = current_service().view().taught_word(word_id)
    return TaughtWordSummary.of(word, _qualities_of([word]).get(word_id))


def _word(word: TaughtWord) -> Response:
    summary = TaughtWordSummary.of(word, _qualities_of([word]).get(word.id))
    return answer(TaughtWordAnswer.with_examples(summary, word, current_service().view()))
