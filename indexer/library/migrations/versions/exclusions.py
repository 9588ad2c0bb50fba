"""Excluded and unsupported files of a folder, and the photos of removed files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns and tables, empty: the next run fills them."""
    op.add_column("folder", sa.Column("exclude", sa.JSON, nullable=False, server_default="[]"))
    op.add_column("folder", sa.Column("include", sa.JSON, nullable=False, server_default="[]"))
    op.create_table(
        "passed_over",
        sa.Column("folder_id", sa.Integer, nullable=False),
        sa.Column("path", sa.LargeBinary, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("files", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("folder_id", "path", "kind", name="pk_passed_over"),
        sa.ForeignKeyConstraint(["folder_id"], ["folder.id"], name="fk_passed_over_folder_id", ondelete="CASCADE"),
    )
    op.create_table(
        "departed",
        sa.Column("folder_id", sa.Integer, nullable=False),
        sa.Column("path", sa.LargeBinary, nullable=False),
        sa.Column("photo_id", sa.BigInteger, nullable=False),
        sa.Column("gone_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("folder_id", "path", name="pk_departed"),
        sa.ForeignKeyConstraint(["folder_id"], ["folder.id"], name="fk_departed_folder_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["photo_id"], ["photo.id"], name="fk_departed_photo_id"),
    )
