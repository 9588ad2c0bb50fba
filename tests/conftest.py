"""What the tests of every layer share."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of photos and shards beside this checkout: the tests that need it skip where it is not."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("photos for tests are not beside this checkout (../shared/data)")
    return folder
