"""Folders, photos, their locations, the marks of their encodings, settings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "folder",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("path", sa.LargeBinary, nullable=False),
        sa.Column("mount_point", sa.LargeBinary, nullable=False),
        sa.Column("online", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_folder"),
        sa.UniqueConstraint("path", name="uq_folder_path"),
    )
    op.create_table(
        "photo",
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(16), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("taken_at", sa.BigInteger),
        sa.Column("taken_offset", sa.Integer),
        sa.Column("camera", sa.String),
        sa.Column("lens", sa.String),
        sa.Column("latitude", sa.Double),
        sa.Column("longitude", sa.Double),
        sa.Column("orientation", sa.Integer),
        sa.PrimaryKeyConstraint("id", name="pk_photo"),
        sa.UniqueConstraint("digest", "size", name="uq_photo_digest"),
    )
    op.create_table(
        "location",
        sa.Column("folder_id", sa.Integer, nullable=False),
        sa.Column("path", sa.LargeBinary, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("photo_id", sa.BigInteger),
        sa.Column("failure", sa.String),
        sa.PrimaryKeyConstraint("folder_id", "path", name="pk_location"),
        sa.ForeignKeyConstraint(["folder_id"], ["folder.id"], name="fk_location_folder_id"),
        sa.ForeignKeyConstraint(["photo_id"], ["photo.id"], name="fk_location_photo_id"),
        sa.CheckConstraint("(photo_id IS NULL) <> (failure IS NULL)", name="ck_location_photo_or_failure"),
    )
    op.create_index("ix_location_photo_id", "location", ["photo_id"])
    op.create_table(
        "encoded",
        sa.Column("generation", sa.String, nullable=False),
        sa.Column("photo_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("generation", "photo_id", name="pk_encoded"),
        sa.ForeignKeyConstraint(["photo_id"], ["photo.id"], name="fk_encoded_photo_id"),
    )
    settings = op.create_table(
        "setting",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("value", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_setting"),
    )
    op.bulk_insert(settings, [{"name": "index_factory", "value": "IDMap2,SQfp16"}])
