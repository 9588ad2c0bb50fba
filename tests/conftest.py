"""What the tests of every layer share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]

# No test asserts speed: the machine may be busy with other tests.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


COSTLY = ("trained_on_scenes", "quick_weights")
"""Fixtures that take long to make."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say to pytest-xdist which tests one process runs: those of a file, and all files that share a costly fixture."""
    shared = {
        item.path: fixture for item in items for fixture in COSTLY if fixture in getattr(item, "fixturenames", ())
    }
    for item in items:
        group = shared.get(item.path) or str(item.path.relative_to(ROOT))
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of photos and shards beside this checkout: the tests that need it skip where it is not."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("photos for tests are not beside this checkout (../shared/data)")
    return folder
