"""Favourites among the photos."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column: no photo is a favourite yet."""
    op.add_column("annotation", sa.Column("favourite", sa.Boolean, nullable=False, server_default=sa.false()))
