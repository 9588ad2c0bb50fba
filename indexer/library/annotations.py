"""Annotations: the captions and tags that people write about photos, their favourites, and the full-text index.

Annotations belong to the photo, so they stay when its file is moved. The program never overwrites them. The text index
holds the tokens (`text_analysis.indexed_text`) of captions, tags, and of titles, keywords etc. inside the files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, insert, select

from indexer.library.catalog import annotation_table, location_table, photo_table, query_chunks, text_index_table
from indexer.library.errors import AnnotationRefused
from indexer.library.not_shown import delete_contradicted, inherit_not_shown, read_not_shown
from indexer.library.sql import sql_of
from indexer.library.text_analysis import BETWEEN_TEXTS, indexed_text, name_key, search_words
from indexer.library.text_indexes import update_entries

MAX_CAPTION, MAX_TAG, MAX_TAGS = 2000, 100, 100


@dataclass(frozen=True)
class Annotation:
    """What people say of a photo. One that says nothing is not stored."""

    caption: str | None = None
    tags: Sequence[str] = ()
    favourite: bool = False

    def edited(
        self,
        *,
        caption: str | None = None,
        tag: Collection[str] = (),
        untag: Collection[str] = (),
        favourite: bool | None = None,
    ) -> Annotation:
        """With that caption, with the tags `tag`, without `untag`, and a favourite or not. None leaves it as it is.

        An empty caption deletes it. `rex` is the tag `Rex`, as in a search.
        """
        removed = set(map(name_key, untag))
        return Annotation(
            self.caption if caption is None else caption,
            [name for name in (*self.tags, *tag) if name_key(name) not in removed],
            self.favourite if favourite is None else favourite,
        )


def checked_annotation(annotation: Annotation) -> Annotation:
    """The annotation without surrounding white space, and each tag once, as it was written first.

    Raises AnnotationRefused.
    """
    caption = (annotation.caption or "").strip()
    written: dict[str, str] = {}
    for tag in filter(None, (tag.strip() for tag in annotation.tags)):
        written.setdefault(name_key(tag), tag)
    tags = list(written.values())
    for kind, text, max_length in (("caption", caption, MAX_CAPTION), *(("tag", tag, MAX_TAG) for tag in tags)):
        if text:
            check_text(kind, text, max_length)
    if len(tags) > MAX_TAGS:
        raise AnnotationRefused(f"{len(tags):,} tags are more than {MAX_TAGS}.")
    return Annotation(caption or None, tags, annotation.favourite)


def check_text(kind: str, text: str, max_length: int) -> None:
    """Raise AnnotationRefused for a text, not empty, that is too long or that no search could find."""
    if len(text) > max_length:
        raise AnnotationRefused(f"a {kind} of {len(text):,} characters is longer than {max_length:,}.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise AnnotationRefused(f"the {kind} is not valid Unicode text.") from error
    if not search_words(text):
        raise AnnotationRefused(
            f"no search could find the {kind} {text}: write at least one letter, digit, emoji or symbol like ★."
        )


def read_annotation(connection: Connection, photo_id: int) -> Annotation:
    """The annotation of a photo; an empty one where nobody said anything of it."""
    columns = annotation_table.c.caption, annotation_table.c.tags, annotation_table.c.favourite
    row = connection.execute(select(*columns).where(annotation_table.c.photo_id == photo_id)).first()
    return Annotation() if row is None else Annotation(*row)


def write_annotation(connection: Connection, photo_id: int, annotation: Annotation) -> None:
    """Replace the annotation of a photo; an empty one deletes it.

    A tag takes back what was said before: that the photo does not show a taught word of that name.
    """
    connection.execute(delete(annotation_table).where(annotation_table.c.photo_id == photo_id))
    if annotation.caption or annotation.tags or annotation.favourite:
        values = {"caption": annotation.caption, "tags": list(annotation.tags), "favourite": annotation.favourite}
        connection.execute(insert(annotation_table).values(photo_id=photo_id, **values))
    delete_contradicted(connection, photo_id, {name_key(tag) for tag in annotation.tags})
    update_text_index(connection, [photo_id])


def common_texts(connection: Connection, count: int) -> list[str]:
    """The `count` tags and captions that stand at most photos, the most frequent first."""
    has_location = exists().where(location_table.c.photo_id == annotation_table.c.photo_id)
    texts = Counter[str]()
    for caption, tags in connection.execute(
        select(annotation_table.c.caption, annotation_table.c.tags).where(has_location)
    ):
        texts.update(filter(None, [*tags, caption]))
    return [text for text, _ in texts.most_common(count)]


def inherit_annotations(connection: Connection, predecessors: Mapping[int, int]) -> None:
    """Copy to each photo the annotation of the photo that it replaced, unless it has one of its own.

    With it goes which taught words the photo does not show. What people said of a photo itself wins in either case.
    `predecessors` maps ids of photos to the ids of those they replaced.
    """
    for chunk in query_chunks(list(predecessors)):
        annotated = select(annotation_table.c.photo_id).where(annotation_table.c.photo_id.in_(chunk))
        has_own = set(connection.execute(annotated).scalars())
        heirs = {photo_id: predecessors[photo_id] for photo_id in chunk if photo_id not in has_own}
        query = select(annotation_table).where(annotation_table.c.photo_id.in_(set(heirs.values())))
        rows = {row["photo_id"]: row for row in connection.execute(query).mappings()}
        not_shown = read_not_shown(connection, list(heirs))
        for photo_id, replaced in heirs.items():
            if (row := rows.get(replaced)) is not None:
                keys = not_shown.get(photo_id, {})
                tags = [tag for tag in row["tags"] if name_key(tag) not in keys]
                write_annotation(connection, photo_id, Annotation(row["caption"], tags, row["favourite"]))
        inherit_not_shown(connection, heirs)


def update_text_index(connection: Connection, photo_ids: Sequence[int]) -> None:
    """Bring the full-text index up to date for these photos."""
    update_entries(connection, text_index_table, photo_ids, photo_tokens)


def rebuild_text_index(connection: Connection) -> None:
    """Bring the full-text index up to date for every photo."""
    update_text_index(connection, connection.execute(select(photo_table.c.id)).scalars().all())


def photo_tokens(connection: Connection, photo_ids: Sequence[int]) -> dict[int, str]:
    """The tokens of all text about each of these photos and in its file; empty if there is none."""
    query = (
        select(
            photo_table.c.id,
            photo_table.c.title,
            photo_table.c.description,
            photo_table.c.keywords,
            photo_table.c.author,
            annotation_table.c.caption,
            annotation_table.c.tags,
        )
        .outerjoin(annotation_table)
        .where(photo_table.c.id.in_(photo_ids))
    )
    return {
        photo_id: _joined(title, description, *keywords, author, caption, *(tags or ()))
        for photo_id, title, description, keywords, author, caption, tags in connection.execute(query)
    }


def _joined(*texts: str | None) -> str:
    return f" {BETWEEN_TEXTS} ".join(filter(None, (indexed_text(text or "") for text in texts)))


def count_matching_words(connection: Connection, words: Collection[str]) -> dict[int, int]:
    """How many of `words` are in the text about each photo that has a location; only photos with any of them."""
    counts = Counter[int]()
    has_location = exists().where(location_table.c.photo_id == text_index_table.c.rowid)
    for word in words:
        has_word = sql_of(connection).holds_words(text_index_table.c.tokens, word)
        matching = select(text_index_table.c.rowid).where(has_word, has_location)
        counts.update(connection.execute(matching).scalars())
    return dict(counts)
