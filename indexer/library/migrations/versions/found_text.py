"""The text that was found in photos, and its full-text index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from indexer.library.sql import sql_of

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Create both, empty: the next indexing reads the photos."""
    op.create_table(
        "found_text",
        sa.Column("photo_id", sa.BigInteger, sa.ForeignKey("photo.id", name="fk_found_text_photo_id"), nullable=False),
        sa.Column("reader", sa.String, nullable=False),
        sa.Column("texts", sa.JSON, nullable=False),
        sa.Column("failure", sa.String),
        sa.PrimaryKeyConstraint("photo_id", name="pk_found_text"),
    )
    sql_of(op.get_bind()).create_text_index(op.get_bind(), "found")
