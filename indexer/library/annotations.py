"""What people write about photos, and the words by which they find them again.

Captions and tags belong to the photo, so they stay when its file is moved, and they are never overwritten by
the machine. The text index is made from them and from the titles and keywords inside the files: from their tokens
(`text_analysis.indexed_text`), so that what is a word in which script is decided in one place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, delete, exists, insert, select

from indexer.library.catalog import annotation_table, location_table, photo_table, query_chunks, text_index_table
from indexer.library.errors import AnnotationRefused
from indexer.library.sqlite import holds_words
from indexer.library.text_analysis import BETWEEN_TEXTS, indexed_text, search_words

MAX_CAPTION, MAX_TAG, MAX_TAGS = 2000, 100, 100


def checked_annotation(caption: str | None, tags: Sequence[str]) -> tuple[str | None, list[str]]:
    """Caption and tags without white space around them and without repeats. Raises AnnotationRefused."""
    caption, tags = (caption or "").strip(), list(dict.fromkeys(filter(None, (tag.strip() for tag in tags))))
    for kind, text, longest in (("caption", caption, MAX_CAPTION), *(("tag", tag, MAX_TAG) for tag in tags)):
        if len(text) > longest:
            raise AnnotationRefused(f"a {kind} of {len(text):,} characters is longer than {longest:,}.")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise AnnotationRefused(f"the {kind} is not valid Unicode text.") from error
        if text and not search_words(text):
            raise AnnotationRefused(
                f"no search could find the {kind} {text}: write at least one letter, digit, emoji or symbol like ★."
            )
    if len(tags) > MAX_TAGS:
        raise AnnotationRefused(f"{len(tags):,} tags are more than {MAX_TAGS}.")
    return caption or None, tags


def annotate(connection: Connection, photo_id: int, caption: str | None, tags: Sequence[str]) -> None:
    """Write caption and tags of a photo in the place of any it has; None and no tags leave it without."""
    connection.execute(delete(annotation_table).where(annotation_table.c.photo_id == photo_id))
    if caption or tags:
        connection.execute(insert(annotation_table).values(photo_id=photo_id, caption=caption or None, tags=list(tags)))
    update_text_index(connection, [photo_id])


def inherit_annotations(connection: Connection, heirs: Mapping[int, int]) -> None:
    """Give each photo what was written about the one it has taken the place of, unless it has something of its own.

    `heirs` maps photo ids to those of the photos before them.
    """
    for part in query_chunks(list(heirs)):
        annotated = select(annotation_table.c.photo_id).where(annotation_table.c.photo_id.in_(part))
        own = set(connection.execute(annotated).scalars())
        before = {heirs[photo_id] for photo_id in part if photo_id not in own}
        columns = select(annotation_table.c.photo_id, annotation_table.c.caption, annotation_table.c.tags)
        written = {row[0]: row for row in connection.execute(columns.where(annotation_table.c.photo_id.in_(before)))}
        inherited = [
            {"photo_id": photo_id, "caption": written[heirs[photo_id]].caption, "tags": written[heirs[photo_id]].tags}
            for photo_id in part
            if photo_id not in own and heirs[photo_id] in written
        ]
        if inherited:
            connection.execute(insert(annotation_table), inherited)


def update_text_index(connection: Connection, photo_ids: Sequence[int]) -> None:
    """Make what a search looks through for these photos anew."""
    for part in query_chunks(photo_ids):
        connection.execute(delete(text_index_table).where(text_index_table.c.rowid.in_(part)))
        rows = [
            {"rowid": photo_id, "tokens": tokens}
            for photo_id, tokens in photo_tokens(connection, part).items()
            if tokens
        ]
        if rows:
            connection.execute(insert(text_index_table), rows)


def rebuild_text_index(connection: Connection) -> None:
    """Make what a search looks through anew, for every photo."""
    update_text_index(connection, connection.execute(select(photo_table.c.id)).scalars().all())


def photo_tokens(connection: Connection, photo_ids: Sequence[int]) -> dict[int, str]:
    """The tokens of all that is written about each of these photos, or into it; empty where nothing is."""
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
        photo_id: _side_by_side(title, description, *keywords, author, caption, *(tags or ()))
        for photo_id, title, description, keywords, author, caption, tags in connection.execute(query)
    }


def _side_by_side(*texts: str | None) -> str:
    return f" {BETWEEN_TEXTS} ".join(filter(None, (indexed_text(text or "") for text in texts)))


def count_matching_words(connection: Connection, words: Collection[str]) -> dict[int, int]:
    """How many of `words` are written about each photo with a location that has any of them."""
    counts = Counter[int]()
    has_location = exists().where(location_table.c.photo_id == text_index_table.c.rowid)
    for word in words:
        found = select(text_index_table.c.rowid).where(holds_words(text_index_table.c.tokens, word), has_location)
        counts.update(connection.execute(found).scalars())
    return dict(counts)
