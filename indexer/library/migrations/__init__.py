"""The catalog's schema, version by version, applied by Alembic when a library is opened."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

HEAD = "0011"
"""The newest revision, written here so that opening an up-to-date library does not import Alembic."""


def revision(connection: Connection) -> str | None:
    """The schema version of a catalog; None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def is_known(version: str) -> bool:
    """Whether this program knows that schema version."""
    from alembic.script import ScriptDirectory

    return any(script.revision == version for script in ScriptDirectory(str(Path(__file__).parent)).walk_revisions())


def upgrade(connection: Connection, to: str | None = None) -> None:
    """Bring the catalog to the version `to`, by default `HEAD`, inside the caller's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, to or HEAD)
