"""The pages on which a person teaches words: the list of them, and each with the photos to ask about next."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response as AnyResponse

from engine.errors import EngineError, QueryError
from engine.query import parse, write_filter
from engine.teaching import SUGGESTED, Quality
from indexer.library.errors import AnnotationRefused, TaughtWordRefused
from indexer.library.filters import NO_FILTERS
from indexer.library.photo import PhotoRecord
from indexer.library.taught_words import TaughtWord
from indexer.library.text_analysis import name_key
from model.weights import WeightsError
from web.pages import search_address
from web.schema.base import MAX_PHOTO_ID
from web.searches import Busy
from web.selection import photo_numbers
from web.service import current_service
from web.taught_undo import MAX_CHARACTERS, Taught, restore
from web.taught_words import ANSWERS

_WORD = f"/<int(max={MAX_PHOTO_ID}):word_id>"
_CHOICES = 12
"""Photos to choose from, of each kind."""
_MAX_SKIPPED = 500
"""So many of the photos that were skipped last are not asked about again."""
_UNFOLDED = 12
"""So many photos that show a word, and as many that do not, are in sight."""
_MAX_LISTED = 300
"""So many of each are on the page at all."""
_QUALITIES_S = 1.0
"""How long the list of words waits for what is known of their detectors."""

blueprint = Blueprint("teaching", __name__, url_prefix="/teach")


@dataclass(frozen=True)
class _Message:
    """What was done, and the form that undoes it."""

    text: str
    undo: dict[str, Sequence[object]] = field(default_factory=dict)
    address: str = ""


@dataclass(frozen=True)
class _Choice:
    """Photos to choose from."""

    title: str
    photos: list[PhotoRecord]


@blueprint.get("")
def words() -> str:
    """The taught words, and what else could be taught."""
    return _words_page()


@blueprint.post("")
def begin() -> AnyResponse | str:
    """Teach the word of the form, or go on with it. The photos of the form show it; those with the keyword too, if so.

    Without a name, the page asks for one.
    """
    view, form = current_service().view(), request.form
    name = form.get("name", form.get("tag", "")).strip()
    photo_ids = photo_numbers(form.getlist("photo"))
    if not name:
        return _words_page(photo_ids)
    try:
        word = view.teach_word(name)
        before = view.answer(word.id, photo_ids, shown=True)
        if "keywords" in form:
            before |= dict.fromkeys(view.add_keyword_examples(word.id))
    except (TaughtWordRefused, AnnotationRefused) as error:
        return _refused(_words_page(photo_ids, typed=name, refused=str(error)))
    if not before:
        return redirect(url_for("teaching.word", word_id=word.id))
    return _word_page(word.id, message=_answered(view.taught_word(word.id), before, {}))


@blueprint.get(_WORD)
def word(word_id: int) -> str:
    """One taught word: what is known, and the photos to ask about."""
    return _word_page(word_id)


@blueprint.post(f"{_WORD}/answers")
def answer(word_id: int) -> Response | str:
    """Say which photos of the form show the word, which do not, and of which that is taken back.

    `asked` are the photos on the page that wait for an answer, `skipped` those not to ask about again.
    """
    form, view = request.form, current_service().view()
    asked, skipped = _listed("asked"), _listed("skipped")
    said = {name: photo_numbers(form.getlist(name)) for name in ANSWERS}
    if (chosen := form.get("chosen")) in said:
        said[chosen] += photo_numbers(form.getlist("photo"))
        if not said[chosen]:
            return _refused(_word_page(word_id, asked, skipped, refused="choose some photos first."))
    before: dict[int, bool | None] = {}
    try:
        for name, photo_ids in said.items():
            if photo_ids:
                before |= view.answer(word_id, photo_ids, ANSWERS[name])
    except (TaughtWordRefused, AnnotationRefused) as error:
        return _refused(_word_page(word_id, asked, skipped, refused=str(error)))
    skip = asked if "more" in form else photo_numbers(form.getlist("skip"))
    done = {*said["yes"], *said["no"], *skip} - {*said["back"]}
    page: dict[str, Sequence[object]] = {"asked": [_joined(asked)], "skipped": [_joined(skipped)]}
    if "undone" in form:
        message = _Message("Undone.")
    elif skip:
        message = _Message("Skipped.", {"back": skip, **page}, _answer_address(word_id))
    else:
        message = _answered(view.taught_word(word_id), before, page)
    skipped = [photo_id for photo_id in (*skipped, *skip) if photo_id not in said["back"]]
    return _word_page(word_id, [photo_id for photo_id in asked if photo_id not in done], skipped, message=message)


@blueprint.post(f"{_WORD}/rename")
def rename(word_id: int) -> Response | str:
    """Rename a word. Where that joins it with another word or tag, the page says so first."""
    view, form = current_service().view(), request.form
    new_name = " ".join(form.get("name", "").split())
    before = view.taught_word(word_id)
    other = _of_other_name(before, new_name)
    if other is not None and not form.get("join"):
        return _word_page(word_id, joins=other)
    try:
        is_joined = view.rename_taught_word(word_id, new_name)
    except (TaughtWordRefused, AnnotationRefused) as error:
        return _refused(_word_page(word_id, typed=new_name, refused=str(error)))
    message = _Message("Undone.") if "undone" in form else _renamed(before, new_name, other, is_joined=is_joined)
    return _word_page(word_id, message=message)


@blueprint.post(f"{_WORD}/separate")
def separate(word_id: int) -> str:
    """Undo that a word was joined with another."""
    view, (own, other) = current_service().view(), _undone(2)
    view.rename_taught_word(word_id, own.name)
    restore(view, other)
    restore(view, own)
    return _word_page(word_id, message=_Message("Undone."))


@blueprint.post(f"{_WORD}/delete")
def delete(word_id: int) -> str:
    """Delete a word, with its tags or without."""
    keeps_tags = request.form.get("tags") != "remove"
    deleted = current_service().view().delete_taught_word(word_id, keep_tags=keeps_tags)
    rest = f" Its photos keep the tag {deleted.name}." if keeps_tags and deleted.shown else ""
    undo = _undo_fields(Taught.of(deleted))
    return _words_page(message=_Message(f"{deleted.name} is deleted.{rest}", undo, url_for("teaching.undelete")))


@blueprint.post("/undelete")
def undelete() -> AnyResponse:
    """Undo that a word was deleted."""
    (deleted,) = _undone(1)
    word = restore(current_service().view(), deleted)
    return redirect(url_for("teaching.word", word_id=word.id) if word else url_for("teaching.words"))


def _words_page(photo_ids: Sequence[int] = (), **said: Any) -> str:
    view = current_service().view()
    taught = view.taught_words()
    return render_template(
        "teach.html",
        words=taught,
        qualities=_qualities(taught),
        offers=view.taught_word_offers(),
        photos=view.photos(photo_ids or photo_numbers(request.args.getlist("photo"))),
        search_for=_search_for,
        **said,
    )


def _word_page(
    word_id: int,
    asked: Sequence[int] = (),
    skipped: Sequence[int] = (),
    *,
    message: _Message | None = None,
    **said: Any,
) -> str:
    service = current_service()
    view = service.view()
    word = view.taught_word(word_id)
    skipped = skipped[-_MAX_SKIPPED:]
    known = {*word.shown, *word.not_shown}
    asked = [photo_id for photo_id in asked if photo_id not in known]
    quality = None
    with suppress(EngineError, WeightsError, Busy):  # what is known is shown without a model too
        quality = _quality(word)
        if not asked and word.shown:
            asked = service.searches.run(lambda engine: engine.suggestions(word, leave_out=skipped))
    like = request.args.get("like", "").strip()
    return render_template(
        "taught.html",
        word=word,
        quality=quality,
        missing=word.needed,
        asked=view.photos(asked[:SUGGESTED]),
        skipped=skipped,
        shown=view.photos(word.shown[::-1][:_MAX_LISTED]),
        not_shown=view.photos(word.not_shown[::-1][:_MAX_LISTED]),
        unfolded=_UNFOLDED,
        like=like,
        choices=_choices(word, like, {*asked}) if like or word.needed else [],
        search_for=_search_for,
        joined=_joined,
        message=message,
        **said,
    )


def _quality(word: TaughtWord) -> Quality:
    return current_service().searches.run(lambda engine: engine.taught_quality(word))


def _qualities(taught: Sequence[TaughtWord]) -> dict[int, Quality]:
    """How good the words are, by id; of as many as there is time for."""
    qualities: dict[int, Quality] = {}
    until = time.monotonic() + _QUALITIES_S
    with suppress(EngineError, WeightsError, Busy):
        for word in taught:
            if word.needed:
                continue
            if time.monotonic() > until:
                break
            qualities[word.id] = _quality(word)
    return qualities


def _choices(word: TaughtWord, like: str, elsewhere: Collection[int]) -> list[_Choice]:
    """Photos that may show the word: with the keyword, found by words, and the newest; none of them twice."""
    service = current_service()
    view = service.view()
    found: list[int] = []
    with suppress(EngineError, WeightsError, Busy, QueryError):
        found = [hit.photo_id for hit in service.searches.shortlist(parse(like or word.name)).hits]
    groups = [
        (f"With the keyword {word.name} in their files", view.keyword_examples(word.id)),
        (f"Found by “{like or word.name}”", found),
        ("The newest", service.overviews.latest().newest),
    ]
    if like:
        groups = groups[1:2]
    listed = {*word.shown, *word.not_shown, *elsewhere}
    choices = []
    for title, photo_ids in groups:
        new = [photo_id for photo_id in photo_ids if photo_id not in listed][:_CHOICES]
        listed.update(new)
        if photos := view.photos(new):
            choices.append(_Choice(title, photos))
    return choices


def _answered(word: TaughtWord, before: dict[int, bool | None], page: dict[str, Sequence[object]]) -> _Message:
    """What was said of these photos just now; `before` is what was said of each before, `page` what was asked."""
    if not before:
        return _Message("Nothing has changed.")
    undo = {
        name: photo_ids
        for name, said in ANSWERS.items()
        if (photo_ids := [photo_id for photo_id, earlier in before.items() if earlier is said])
    }
    photos = f"{len(before):,} {'photo' if len(before) == 1 else 'photos'}"
    if before.keys() <= {*word.shown}:
        text = f"{photos}: yes, {word.name}."
    elif before.keys() <= {*word.not_shown}:
        text = f"{photos}: not {word.name}."
    else:
        text = f"{photos}: taken back."
    return _Message(text, {**undo, **page}, _answer_address(word.id))


def _renamed(before: TaughtWord, new_name: str, other: Taught | None, *, is_joined: bool) -> _Message:
    """That a word has another name, and is one with the `other` now, if so."""
    if other is not None:
        undo = _undo_fields(Taught.of(before), other)
        return _Message(
            f"{before.name} and {other.name} are one word now.", undo, url_for("teaching.separate", word_id=before.id)
        )
    if before.name == new_name:
        return _Message("Nothing has changed.")
    text = f"{before.name} is called {new_name} now"
    if is_joined:
        return _Message(f"{text}, and is one with the tag of photos whose files are away.")
    return _Message(f"{text}.", {"name": [before.name]}, url_for("teaching.rename", word_id=before.id))


def _answer_address(word_id: int) -> str:
    return url_for("teaching.answer", word_id=word_id, like=request.args.get("like") or None)


def _of_other_name(word: TaughtWord, new_name: str) -> Taught | None:
    """The other word or tag of that name; None where there is none."""
    key = name_key(new_name)
    if key == word.key:
        return None
    view = current_service().view()
    other = next((other for other in view.taught_words() if other.key == key), None)
    if other is not None:
        return Taught.of(other)
    tagged = view.photos_named(new_name, "tag")
    return Taught(name=new_name, shown=tagged, is_taught=False) if tagged else None


def _undo_fields(*before: Taught) -> dict[str, Sequence[object]]:
    """The fields of a form that restore these words; none where they are too long to be sent."""
    texts = [taught.model_dump_json() for taught in before]
    return {"before": texts} if sum(map(len, texts)) <= MAX_CHARACTERS else {}


def _undone(count: int) -> list[Taught]:
    """The words that a form restores. Raises BadRequest, and what pydantic raises where they make no sense."""
    texts = request.form.getlist("before")
    if len(texts) != count:
        raise BadRequest("there is nothing to undo")
    return [Taught.model_validate_json(text) for text in texts]


def _listed(name: str) -> list[int]:
    """The ids in a field that lists them with commas between."""
    return photo_numbers([part for part in request.form.get(name, "").split(",") if part])


def _joined(photo_ids: Iterable[int]) -> str:
    return ",".join(map(str, photo_ids))


def _search_for(name: str) -> str | None:
    """The address of a search for a word: its name as a sentence, or where it reads as a filter, its tag."""
    with suppress(QueryError):
        query = parse(name)
        if query.words and not query.excluded and query.filters == NO_FILTERS:
            return search_address(name)
    text = write_filter("tag", name)
    return None if text is None else search_address(text)


def _refused(page: str) -> Response:
    response = make_response(page)
    response.status_code = HTTPStatus.BAD_REQUEST
    return response
