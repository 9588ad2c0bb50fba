"""What the tests of every layer share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.milvus_server import MilvusTestServer, milvus_server

ROOT = Path(__file__).parents[1]

# No test asserts speed: the machine may be busy with other tests.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


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
