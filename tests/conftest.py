"""What the tests of every layer share."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say to pytest-xdist which tests one worker runs: those of a file, and all of the network trained on scenes.

    So each fixture is made once, the training above all, which takes a minute.
    """
    training = {item.path for item in items if "trained_on_scenes" in getattr(item, "fixturenames", ())}
    for item in items:
        group = "trained on scenes" if item.path in training else str(item.path.relative_to(ROOT))
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of photos and shards beside this checkout: the tests that need it skip where it is not."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("photos for tests are not beside this checkout (../shared/data)")
    return folder
