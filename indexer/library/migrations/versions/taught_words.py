"""Taught words, and the photos that do not show them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Create both, empty: no word is taught yet."""
    op.create_table(
        "taught_word",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_taught_word"),
        sa.UniqueConstraint("key", name="uq_taught_word_key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "not_shown",
        sa.Column("word_id", sa.Integer, nullable=False),
        sa.Column("photo_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("word_id", "photo_id", name="pk_not_shown"),
        sa.ForeignKeyConstraint(["word_id"], ["taught_word.id"], name="fk_not_shown_word_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["photo_id"], ["photo.id"], name="fk_not_shown_photo_id"),
    )
    op.create_index("ix_not_shown_photo_id", "not_shown", ["photo_id"])
