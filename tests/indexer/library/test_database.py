from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url, text

from indexer.library.database import open_database
from indexer.library.errors import LibraryError
from indexer.library.opening import catalog_url
from tests.indexer.desk import Desk, scribble


@pytest.mark.sqlite
def test_a_catalog_is_opened_by_its_url(desk: Desk) -> None:
    scribble(desk.photos / "a.png", 1)
    desk.index()
    with closing(open_database(catalog_url(desk.library), remedy="")) as catalog:
        assert (catalog.name, catalog.exists(), catalog.damage()) == ("catalog.sqlite", True, [])
        with catalog.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM photo")).scalar_one() == 1


@pytest.mark.parametrize("name", ["a b#c?d%e.sqlite", "caf\udce9.sqlite", "ünïcode.sqlite"])
def test_a_url_may_name_any_file(tmp_path: Path, name: str) -> None:
    with closing(open_database(URL.create("sqlite", database=str(tmp_path / name)), remedy="")) as database:
        assert not database.exists()
        database.create()
        with database.begin() as connection:
            connection.execute(text("CREATE TABLE number (value INTEGER)"))
    assert [path.name for path in tmp_path.glob("*.sqlite")] == [name]


@pytest.mark.parametrize("url", ["postgresql+pg8000://me:secret@host/photos", "mysql://host/photos", "sqlite://"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(LibraryError, match="only SQLite and PostgreSQL are supported") as error:
        open_database(make_url(url), remedy="")
    assert "secret" not in str(error.value)
