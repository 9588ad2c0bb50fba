"""Annotations, the words to find them by, and the previous photo of a file that cannot be read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables, and the column with the previous photo of a file."""
    op.create_table(
        "annotation",
        sa.Column("photo_id", sa.BigInteger, nullable=False),
        sa.Column("caption", sa.String),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("photo_id", name="pk_annotation"),
        sa.ForeignKeyConstraint(["photo_id"], ["photo.id"], name="fk_annotation_photo_id"),
    )
    op.create_table(
        "word",
        sa.Column("word", sa.String, nullable=False),
        sa.Column("photo_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("word", "photo_id", name="pk_word"),
        sa.ForeignKeyConstraint(["photo_id"], ["photo.id"], name="fk_word_photo_id"),
    )
    op.create_index("ix_word_photo_id", "word", ["photo_id"])
    op.add_column("location", sa.Column("previous_photo_id", sa.BigInteger))
