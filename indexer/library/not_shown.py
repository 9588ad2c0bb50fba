"""Which photos do not show a taught word, as people said.

A photo that has the name of the word as a tag shows it, and is not in this table: `annotations` sees to that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, delete, insert, select

from indexer.library.catalog import not_shown_table, query_chunks, taught_word_table


def read_not_shown(connection: Connection, photo_ids: Sequence[int]) -> dict[int, dict[str, str]]:
    """The taught words that each of these photos does not show: the names by their keys, in the order of keys."""
    query = (
        select(not_shown_table.c.photo_id, taught_word_table.c.key, taught_word_table.c.name)
        .join_from(not_shown_table, taught_word_table)
        .order_by(taught_word_table.c.key)
    )
    words: dict[int, dict[str, str]] = {}
    for chunk in query_chunks(photo_ids):
        for photo_id, key, name in connection.execute(query.where(not_shown_table.c.photo_id.in_(chunk))):
            words.setdefault(photo_id, {})[key] = name
    return words


def delete_contradicted(connection: Connection, photo_id: int, keys: Collection[str]) -> None:
    """Take back that the photo does not show the words of these keys."""
    for chunk in query_chunks(sorted(keys)):
        words = select(taught_word_table.c.id).where(taught_word_table.c.key.in_(chunk))
        connection.execute(
            delete(not_shown_table).where(not_shown_table.c.photo_id == photo_id, not_shown_table.c.word_id.in_(words))
        )


def inherit_not_shown(connection: Connection, predecessors: Mapping[int, int]) -> None:
    """Say of each photo what was said of the one that it replaced, of words of which nothing was said of it.

    `predecessors` maps ids of photos to the ids of those they replaced; at most 1,000. None of the photos has a tag
    of a word that its predecessor does not show.
    """
    query = select(not_shown_table.c.photo_id, not_shown_table.c.word_id).where(
        not_shown_table.c.photo_id.in_({*predecessors, *predecessors.values()})
    )
    words: dict[int, set[int]] = {}
    for photo_id, word_id in connection.execute(query):
        words.setdefault(photo_id, set()).add(word_id)
    inherited = [
        {"photo_id": photo_id, "word_id": word_id}
        for photo_id, replaced in predecessors.items()
        for word_id in words.get(replaced, set()) - words.get(photo_id, set())
    ]
    if inherited:
        connection.execute(insert(not_shown_table), inherited)
