"""Saved searches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the table, empty: no search is saved yet."""
    op.create_table(
        "saved_search",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("query", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_saved_search"),
    )
