"""The names of the places where photos were taken."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the columns. `opening` fills them."""
    for name in ("city", "region", "country"):
        op.add_column("photo", sa.Column(name, sa.String))
