"""What the tests of every layer share."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.milvus_server import MilvusTestServer, milvus_server

if TYPE_CHECKING:
    from tests.indexer.object_server import ObjectServer, Place

ROOT = Path(__file__).parents[1]

# No test asserts speed: the machine may be busy with other tests.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tests print and log names that are not Unicode, which pytest-xdist cannot send from process to process."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of photos and shards beside this checkout: the tests that need it skip where it is not."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("photos for tests are not beside this checkout (../shared/data)")
    return folder


@pytest.fixture(scope="session")
def milvus() -> Iterator[MilvusTestServer]:
    """A server of Milvus."""
    with milvus_server() as running:
        yield running


@pytest.fixture(scope="session")
def s3_server() -> Iterator[ObjectServer]:
    from tests.indexer.object_server import object_server

    pytest.importorskip(
        "moto.server", reason="no S3 server for tests is installed: pip install 'pixelseek[test-scale]'"
    )
    pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'pixelseek[objects]'")
    with object_server() as running:
        yield running


@pytest.fixture
def s3(s3_server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> ObjectServer:
    """A running server, whose address and key the environment has."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.scale)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Somewhere else to keep the files of a library."""
    from tests.indexer.object_server import FolderPlace

    if request.param == "folder":
        return FolderPlace(tmp_path / "elsewhere")
    server: ObjectServer = request.getfixturevalue("s3")
    return server.new_bucket(f"photos-{tmp_path.name[-40:].strip('_').replace('_', '-').lower()}-{os.getpid()}")
