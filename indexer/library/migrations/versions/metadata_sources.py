"""Sources and precision of dates, authors, XMP sidecars, and the version that read a photo's metadata."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns. The next `index` fills them, and tries again the files that could not be read."""
    op.add_column("photo", sa.Column("taken_microsecond", sa.Integer))
    op.add_column("photo", sa.Column("taken_precision", sa.String))
    op.add_column("photo", sa.Column("taken_source", sa.String))
    op.add_column("photo", sa.Column("author", sa.String))
    op.add_column("photo", sa.Column("note", sa.String))
    op.add_column("photo", sa.Column("own", sa.JSON))
    op.add_column("photo", sa.Column("metadata_version", sa.Integer, nullable=False, server_default="0"))
    op.add_column("location", sa.Column("sidecar_ns", sa.BigInteger))
    op.add_column("location", sa.Column("sidecar", sa.JSON))
    op.execute("UPDATE photo SET taken_source = 'exif' WHERE taken_at IS NOT NULL")
    # An impossible time: the file then counts as changed, and is read again.
    op.execute("UPDATE location SET sidecar_ns = -1 WHERE failure IS NOT NULL")
