"""What the full-text indexes of a library have in common. Each has the tokens of some text of a photo, by photo id."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, TableClause, delete, insert, select

from indexer.library.catalog import query_chunks

TokensOf = Callable[[Connection, Sequence[int]], dict[int, str]]
"""The tokens of photos, by id; empty for those of which there is no text."""


def update_entries(connection: Connection, index: TableClause, photo_ids: Sequence[int], tokens_of: TokensOf) -> None:
    """Bring the entries of these photos in a full-text index up to date."""
    for chunk in query_chunks(photo_ids):
        connection.execute(delete(index).where(index.c.rowid.in_(chunk)))
        rows = [
            {"rowid": photo_id, "tokens": tokens} for photo_id, tokens in tokens_of(connection, chunk).items() if tokens
        ]
        if rows:
            connection.execute(insert(index), rows)


def wrong_entries(
    connection: Connection, index: TableClause, photo_ids: Sequence[int], tokens_of: TokensOf
) -> list[int]:
    """Those of these photos whose entry in a full-text index does not have their tokens."""
    wrong = []
    for chunk in query_chunks(photo_ids):
        entries = select(index.c.rowid, index.c.tokens).where(index.c.rowid.in_(chunk))
        stored = dict(connection.execute(entries).all())
        expected = tokens_of(connection, chunk)
        wrong += [photo_id for photo_id, tokens in expected.items() if tokens != stored.get(photo_id, "")]
    return wrong
