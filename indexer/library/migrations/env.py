"""Run by Alembic: applies the versions to the connection of `migrations.upgrade`."""

from __future__ import annotations

from alembic import context

from indexer.library.catalog import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
    render_as_batch=True,  # SQLite cannot alter most of a table in place
)
with context.begin_transaction():
    context.run_migrations()
