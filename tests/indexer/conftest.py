from __future__ import annotations

from pathlib import Path

import pytest

from tests.indexer.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "photos").mkdir()
    return Desk(tmp_path / "photos", tmp_path / "library")
