"""Texts that other programs wrote into a photo: title, description, keywords."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns, empty: they are filled when a photo is decoded next."""
    op.add_column("photo", sa.Column("title", sa.String))
    op.add_column("photo", sa.Column("description", sa.String))
    op.add_column("photo", sa.Column("keywords", sa.JSON, nullable=False, server_default="[]"))
