"""Searches that people keep under a name. The program never changes them."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, insert, select, update

from indexer.library.catalog import saved_search_table
from indexer.library.errors import SavedSearchMissing, SavedSearchRefused
from indexer.library.text_analysis import fold

MAX_NAME, MAX_SAVED = 100, 1000
_columns = saved_search_table.c


def read_saved_searches(connection: Connection) -> dict[str, str]:
    """The query of each saved search, by name; in the order of names, whatever their case."""
    rows = connection.execute(select(_columns.name, _columns.query)).all()
    return dict(sorted(((row.name, row.query) for row in rows), key=lambda saved: (fold(saved[0]), saved[0])))


def save_search(connection: Connection, name: str, query: str) -> None:
    """Keep `query` under `name`, in place of an older one of that name. Raises SavedSearchRefused."""
    name = _checked(name)
    others = select(func.count()).select_from(saved_search_table).where(_columns.name != name)
    if connection.execute(others).scalar_one() >= MAX_SAVED:
        raise SavedSearchRefused(f"there are {MAX_SAVED:,} saved searches already: delete some first.")
    connection.execute(delete(saved_search_table).where(_columns.name == name))
    connection.execute(insert(saved_search_table).values(name=name, query=query))


def rename_search(connection: Connection, name: str, new_name: str) -> None:
    """Give a saved search another name. Raises SavedSearchMissing, and SavedSearchRefused for a name that is taken."""
    new_name = _checked(new_name)
    saved = read_saved_searches(connection)
    if name not in saved:
        raise _missing(name)
    if new_name != name and new_name in saved:
        raise SavedSearchRefused(f"there is a saved search {new_name} already: choose another name.")
    connection.execute(update(saved_search_table).where(_columns.name == name).values(name=new_name))


def delete_search(connection: Connection, name: str) -> None:
    """Delete a saved search. Raises SavedSearchMissing."""
    if not connection.execute(delete(saved_search_table).where(_columns.name == name)).rowcount:
        raise _missing(name)


def _missing(name: str) -> SavedSearchMissing:
    return SavedSearchMissing(f"there is no saved search {name}: it was renamed or deleted meanwhile.")


def _checked(name: str) -> str:
    """The name without white space around it. Raises SavedSearchRefused."""
    name = " ".join(name.split())
    if not name or not name.isprintable():
        raise SavedSearchRefused("a saved search needs a name of letters.")
    if len(name) > MAX_NAME:
        raise SavedSearchRefused(f"a name of {len(name):,} characters is longer than {MAX_NAME}.")
    return name
