"""What is written about a photo, in an index of texts instead of a table of words."""

from __future__ import annotations

from alembic import op

from indexer.library.sqlite import create_text_index

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the index, empty: whoever migrates a library fills it from the captions, tags and titles."""
    op.drop_table("word")
    create_text_index(op.get_bind(), "written", "tokens")
