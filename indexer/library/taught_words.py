"""Words that people teach: names with photos that show them and photos that do not.

The photos that show a word are those with its name as a tag, however it is written (`text_analysis.name_key`); of the
others, people said that they do not show it (`not_shown`). The program never answers for them.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import regex
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    SQLColumnExpression,
    delete,
    exists,
    func,
    insert,
    select,
    true,
    update,
)

from indexer.library.annotations import (
    MAX_TAG,
    Annotation,
    check_text,
    checked_annotation,
    read_annotation,
    write_annotation,
)
from indexer.library.catalog import (
    annotation_table,
    location_table,
    not_shown_table,
    photo_table,
    query_chunks,
    taught_word_table,
)
from indexer.library.errors import AnnotationRefused, TaughtWordMissing, TaughtWordRefused
from indexer.library.sql import sql_of
from indexer.library.text_analysis import name_key

MAX_WORDS = 1000
MAX_NOT_SHOWN = 10_000
"""The largest number of photos of which people may say that they do not show a word."""
MIN_SHOWN = 3
"""So many photos that show a word are needed to learn it."""
MAX_OFFERS = 100
_MAX_ID = 2**63 - 1
"""The largest number that a database can compare."""
Source: TypeAlias = Literal["tag", "keyword"]
"""Whether people gave a name to photos with Pixelseek, or it is a keyword in their files."""
_NAMES: dict[Source, tuple[Column[int], Column[list[str]]]] = {
    "tag": (annotation_table.c.photo_id, annotation_table.c.tags),
    "keyword": (photo_table.c.id, photo_table.c.keywords),
}
"""The columns of photo ids and of names."""
_words, _not_shown = taught_word_table.c, not_shown_table.c
_UNREADABLE = regex.compile(r"[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]")
"""Characters that show nothing, or turn the text around them. Those that join letters and emoji are not among them."""


@dataclass(frozen=True)
class TaughtWord:
    """A word that a person teaches. Photos without a file are kept, but not listed."""

    id: int
    name: str
    key: str
    """`text_analysis.name_key` of the name."""
    created_at: int
    """UTC seconds."""
    shown: list[int]
    """Ids of the photos that show it, ascending."""
    not_shown: list[int]
    """Ids of the photos that do not show it, ascending."""

    @property
    def needed(self) -> int:
        """How many more photos that show it are needed to learn it."""
        return max(0, MIN_SHOWN - len(self.shown))


@dataclass(frozen=True)
class Offer:
    """A name that enough photos have to be taught."""

    name: str
    photos: int
    """How many have it."""
    source: Source


def read_taught_names(connection: Connection) -> dict[int, str]:
    """The name of each taught word, by its id."""
    return {row.id: row.name for row in connection.execute(select(_words.id, _words.name))}


def read_taught_words(connection: Connection, word_id: int | None = None) -> list[TaughtWord]:
    """The taught words, or only the one of that id, in the order of their keys."""
    tags, _, key = sql_of(connection).names_in(connection, annotation_table.c.tags)
    shown = (
        select(_words.id, annotation_table.c.photo_id)
        .select_from(annotation_table)
        .join(tags, true())
        .join(taught_word_table, _words.key == key)
        .where(exists().where(location_table.c.photo_id == annotation_table.c.photo_id))
        .distinct()
        .order_by(annotation_table.c.photo_id)
    )
    not_shown = (
        select(_not_shown.word_id, _not_shown.photo_id)
        .where(exists().where(location_table.c.photo_id == _not_shown.photo_id))
        .order_by(_not_shown.photo_id)
    )
    words = select(taught_word_table).order_by(_words.key)
    if word_id is not None:
        words, shown = words.where(_words.id == word_id), shown.where(_words.id == word_id)
        not_shown = not_shown.where(_not_shown.word_id == word_id)
    photos_shown, photos_not_shown = _by_word(connection, shown), _by_word(connection, not_shown)
    return [
        TaughtWord(**row, shown=photos_shown[row["id"]], not_shown=photos_not_shown[row["id"]])
        for row in connection.execute(words).mappings()
    ]


def _by_word(connection: Connection, query: Select[int, int]) -> dict[int, list[int]]:
    photos = defaultdict[int, list[int]](list)
    for word_id, photo_id in connection.execute(query):
        photos[word_id].append(photo_id)
    return photos


def read_taught_word(connection: Connection, word_id: int) -> TaughtWord:
    """The taught word of that id. Raises TaughtWordMissing."""
    _name_and_key(connection, word_id)
    return read_taught_words(connection, word_id)[0]


def _name_and_key(connection: Connection, word_id: int) -> tuple[str, str]:
    """Of a taught word, without its photos: finding those takes a while. Raises TaughtWordMissing."""
    query = select(_words.name, _words.key).where(_words.id == word_id)
    row = connection.execute(query).first() if word_id <= _MAX_ID else None
    if row is None:
        raise TaughtWordMissing(f"there is no taught word {word_id}: it was deleted or merged with another meanwhile.")
    return row.name, row.key


def read_said_of(connection: Connection, photo_id: int) -> dict[int, bool]:
    """Whether a photo shows a taught word, by the id of the word: of those of which people said so."""
    keys = {name_key(tag) for tag in read_annotation(connection, photo_id).tags}
    shown = connection.execute(select(_words.id).where(_words.key.in_(keys))).scalars()
    not_shown = connection.execute(select(_not_shown.word_id).where(_not_shown.photo_id == photo_id)).scalars()
    return dict.fromkeys(shown, True) | dict.fromkeys(not_shown, False)


def teach_word(connection: Connection, name: str) -> int:
    """The id of the taught word of that name, which is made if there is none. Raises TaughtWordRefused."""
    name = _checked(name)
    if (word_id := _word_of_key(connection, name_key(name))) is not None:
        return word_id
    if connection.execute(select(func.count()).select_from(taught_word_table)).scalar_one() >= MAX_WORDS:
        raise TaughtWordRefused(f"{MAX_WORDS:,} words are taught already: delete some first.")
    values = {"name": name, "key": name_key(name), "created_at": int(time.time())}
    return connection.execute(insert(taught_word_table).values(values).returning(_words.id)).scalar_one()


def answer(
    connection: Connection, word_id: int, photos: Mapping[int, str], shown: bool | None
) -> dict[int, bool | None]:
    """Say that each of these photos shows the word, or does not, or (None) nothing of it.

    `photos` maps the ids of photos to their names in messages. Returns what was said before of those of which another
    thing was said. Raises TaughtWordMissing; TaughtWordRefused where there are too many photos that do not show it;
    AnnotationRefused where a photo has too many tags.
    """
    name, key = _name_and_key(connection, word_id)
    annotations = {photo_id: read_annotation(connection, photo_id) for photo_id in photos}
    not_shown = _photos_not_shown(connection, word_id)
    before: dict[int, bool | None] = {}
    for photo_id, annotation in annotations.items():
        has_tag = any(name_key(tag) == key for tag in annotation.tags)
        said = True if has_tag else False if photo_id in not_shown else None
        if said is not shown:
            before[photo_id] = said
    if shown is False and len(not_shown) + len(before) > MAX_NOT_SHOWN:
        raise TaughtWordRefused(
            f"of more than {MAX_NOT_SHOWN:,} photos you say that they do not show {name}: take some back first."
        )
    for photo_id, said in before.items():
        if shown:
            annotation = annotations[photo_id]
            try:
                annotation = checked_annotation(annotation.edited(tag=[name]))
            except AnnotationRefused as error:
                raise AnnotationRefused(f"{photos[photo_id]}: {error}") from error
            write_annotation(connection, photo_id, annotation)
        elif said:
            write_annotation(connection, photo_id, _renamed(annotations[photo_id], {key}, None))
    if shown is None:
        for chunk in query_chunks([photo_id for photo_id, said in before.items() if said is False]):
            connection.execute(
                delete(not_shown_table).where(_not_shown.word_id == word_id, _not_shown.photo_id.in_(chunk))
            )
    if shown is False and before:
        connection.execute(insert(not_shown_table), [{"word_id": word_id, "photo_id": photo_id} for photo_id in before])
    return before


def rename_taught_word(connection: Connection, word_id: int, new_name: str) -> bool:
    """Rename a taught word, and the tag on its photos; returns whether that merged it with another word or tag.

    Where a word of the new name is taught, or photos have it as a tag, both become one: a photo shows it if it shows
    either. Raises TaughtWordMissing and TaughtWordRefused.
    """
    _, old_key = _name_and_key(connection, word_id)
    new_name = _checked(new_name)
    key = name_key(new_name)
    other = None if key == old_key else _word_of_key(connection, key)
    is_merged = other is not None or (key != old_key and bool(_photos_with_tag(connection, key)))
    if other is not None:
        only_of_other = _photos_not_shown(connection, other) - _photos_not_shown(connection, word_id)
        if only_of_other:
            rows = [{"word_id": word_id, "photo_id": photo_id} for photo_id in only_of_other]
            connection.execute(insert(not_shown_table), rows)
        connection.execute(delete(taught_word_table).where(_words.id == other))
    connection.execute(update(taught_word_table).where(_words.id == word_id).values(name=new_name, key=key))
    _rename_tag(connection, old_key, new_name)
    if is_merged:
        of_word = delete(not_shown_table).where(_not_shown.word_id == word_id)
        for chunk in query_chunks(_photos_with_tag(connection, key)):
            connection.execute(of_word.where(_not_shown.photo_id.in_(chunk)))
    return is_merged


def delete_taught_word(connection: Connection, word_id: int, *, keep_tags: bool) -> TaughtWord:
    """Delete a taught word, and the tag on its photos unless `keep_tags`; returns what it was.

    Raises TaughtWordMissing.
    """
    word = read_taught_word(connection, word_id)
    if not keep_tags:
        _rename_tag(connection, word.key, None)
    connection.execute(delete(taught_word_table).where(_words.id == word_id))
    return word


def keyword_examples(connection: Connection, word_id: int) -> list[int]:
    """Ids of the photos with the name of the word among the keywords in their files, of which nothing else was said.

    Ascending. Raises TaughtWordMissing.
    """
    word = read_taught_word(connection, word_id)
    return sorted({*photos_named(connection, word.name, "keyword")} - {*word.shown} - {*word.not_shown})


def photos_named(connection: Connection, name: str, source: Source) -> list[int]:
    """Ids of the photos with a file that have that tag or keyword, however it is written; ascending.

    Of a name that cannot be taught there are none.
    """
    if not _is_allowed(name):
        return []
    photo_id, texts = _NAMES[source]
    has_file = exists().where(location_table.c.photo_id == photo_id)
    query = select(photo_id).where(has_file, _holds_name(connection, texts, name_key(name)))
    return list(connection.execute(query.order_by(photo_id)).scalars())


def taught_word_offers(connection: Connection) -> list[Offer]:
    """The names of tags and keywords of at least `MIN_SHOWN` photos with a file, except those that are taught.

    Those of most photos first, at most `MAX_OFFERS`. A name is offered once.
    """
    taught = set(connection.execute(select(_words.key)).scalars())
    offers: dict[str, Offer] = {}
    for source in _NAMES:
        for name, count in _photos_by_name(connection, source).items():
            key = name_key(name)
            if count >= MIN_SHOWN and key not in taught and key not in offers and _is_allowed(name):
                offers[key] = Offer(name, count, source)
    return sorted(offers.values(), key=lambda offer: (-offer.photos, name_key(offer.name)))[:MAX_OFFERS]


def _photos_by_name(connection: Connection, source: Source) -> dict[str, int]:
    """How many photos with a file have each name. Of several writings of one it has that of most photos."""
    photo_id, texts = _NAMES[source]
    names, text, _ = sql_of(connection).names_in(connection, texts)
    rows = select(text, photo_id).select_from(photo_id.table).join(names, true())
    rows = rows.where(exists().where(location_table.c.photo_id == photo_id))
    photos = func.count(photo_id.distinct())
    counts = dict(connection.execute(rows.with_only_columns(text, photos).group_by(text).order_by(text)).all())
    writings = defaultdict[str, list[str]](list)
    for written in counts:
        writings[name_key(written)].append(written)
    several = [written for same in writings.values() if len(same) > 1 for written in same]
    photo_ids = defaultdict[str, set[int]](set)  # a photo may have a name in two writings
    for chunk in query_chunks(several):
        for written, row_id in connection.execute(rows.where(text.in_(chunk))):
            photo_ids[name_key(written)].add(row_id)
    return {
        max(same, key=counts.__getitem__): len(photo_ids[key]) if len(same) > 1 else counts[same[0]]
        for key, same in writings.items()
    }


def _word_of_key(connection: Connection, key: str) -> int | None:
    return connection.execute(select(_words.id).where(_words.key == key)).scalar_one_or_none()


def _photos_not_shown(connection: Connection, word_id: int) -> set[int]:
    """Ids of the photos that do not show the word, also of those without a file."""
    return set(connection.execute(select(_not_shown.photo_id).where(_not_shown.word_id == word_id)).scalars())


def _photos_with_tag(connection: Connection, key: str) -> Sequence[int]:
    """Ids of the photos with a tag of that key, also of those without a file."""
    query = select(annotation_table.c.photo_id).where(_holds_name(connection, annotation_table.c.tags, key))
    return connection.execute(query).scalars().all()


def _holds_name(connection: Connection, texts: SQLColumnExpression[list[str]], key: str) -> ColumnElement[bool]:
    """Whether a JSON list of texts has one of that key (`text_analysis.name_key`)."""
    values, text, key_of_text = sql_of(connection).names_in(connection, texts)
    return exists(select(text).select_from(values).where(key_of_text == key))


def _rename_tag(connection: Connection, key: str, new_name: str | None) -> None:
    """Give the tag of that key a new name on all photos; None removes it."""
    keys = {key} if new_name is None else {key, name_key(new_name)}
    for photo_id in _photos_with_tag(connection, key):
        write_annotation(connection, photo_id, _renamed(read_annotation(connection, photo_id), keys, new_name))


def _renamed(annotation: Annotation, keys: Collection[str], new_name: str | None) -> Annotation:
    """With `new_name`, if any, in place of the tags of these keys."""
    is_old = [name_key(tag) in keys for tag in annotation.tags]
    tags = [tag for tag, old in zip(annotation.tags, is_old, strict=True) if not old]
    if new_name is not None:
        tags.insert(is_old.index(True), new_name)
    return Annotation(annotation.caption, tags, annotation.favourite)


def _checked(name: str) -> str:
    """The name, its white space collapsed. Raises TaughtWordRefused."""
    name = " ".join(name.split())
    if not name:
        raise TaughtWordRefused("a taught word needs a name. Write what the photos show, such as Rex.")
    if _UNREADABLE.search(name):
        raise TaughtWordRefused("the name has characters that nobody can see. Type it anew instead of pasting it.")
    try:
        check_text("name", name, MAX_TAG)
    except AnnotationRefused as error:
        raise TaughtWordRefused(str(error)) from error
    return name


def _is_allowed(name: str) -> bool:
    try:
        return bool(_checked(name))
    except TaughtWordRefused:
        return False
