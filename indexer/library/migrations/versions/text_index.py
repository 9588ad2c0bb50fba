"""A full-text index instead of a table of words."""

from __future__ import annotations

from alembic import op

from indexer.library.sql import sql_of

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the index, empty: `opening` fills it after the migration."""
    op.drop_table("word")
    sql_of(op.get_bind()).create_text_index(op.get_bind(), "written")
