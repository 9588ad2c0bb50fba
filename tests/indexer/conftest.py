from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.library.settings import FILE
from tests.indexer.desk import Desk
from tests.indexer.servers import PostgresqlServer, ServerMissing, postgresql_server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test of a library runs on both databases, unless it is about one of them."""
    if "desk" in metafunc.fixturenames and not any(map(metafunc.definition.get_closest_marker, ("sqlite", "scale"))):
        on_server = pytest.param("postgresql", marks=pytest.mark.scale)
        metafunc.parametrize("catalog", ["sqlite", on_server], indirect=True)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresqlServer]:
    pytest.importorskip("psycopg", reason="no driver of PostgreSQL is installed: pip install 'pixelseek[postgres]'")
    try:
        with postgresql_server() as running:
            yield running
    except ServerMissing as error:
        pytest.skip(str(error))


@pytest.fixture
def catalog(request: pytest.FixtureRequest) -> str | None:
    """The URL of the catalog's database; None: the catalog is in the library's folder."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return None
    running: PostgresqlServer = request.getfixturevalue("server")
    return running.new_database()


@pytest.fixture
def vectors() -> str | None:
    """The URL of the server that holds the vectors; None: FAISS holds them."""
    return None


@pytest.fixture
def desk(tmp_path: Path, catalog: str | None, vectors: str | None) -> Desk:
    (tmp_path / "photos").mkdir()
    settings = {"catalog": catalog, "vectors": vectors}
    chosen = [f'{name} = "{value}"\n' for name, value in settings.items() if value is not None]
    if chosen:
        (tmp_path / "library").mkdir()
        (tmp_path / "library" / FILE).write_text("".join(chosen))
    return Desk(tmp_path / "photos", tmp_path / "library")
