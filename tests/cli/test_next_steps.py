"""What `pixelseek` says where no command is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import pixelseek
from tests.engine.libraries import PHOTO_COUNT


def test_without_a_library_it_says_how_to_begin_and_makes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXELSEEK_LIBRARY", str(tmp_path / "library"))
    result = pixelseek()
    assert result.exit_code == 0
    assert "There are no photos in your library yet" in result.stdout
    for command in ("pixelseek index ~/Pictures", "pixelseek serve", "pixelseek --help"):
        assert command in result.stdout
    assert not (tmp_path / "library").exists()


def test_with_a_library_it_says_how_many_photos_there_are_and_how_to_search(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIXELSEEK_LIBRARY", str(library))
    result = pixelseek()
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{PHOTO_COUNT} photos in {library}\n")
    assert 'pixelseek search "' in result.stdout


def test_a_library_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "catalog.sqlite").write_bytes(b"no database" * 100)
    monkeypatch.setenv("PIXELSEEK_LIBRARY", str(tmp_path))
    result = pixelseek()
    assert result.exit_code == 1
    assert "is damaged" in result.stderr


def test_the_help_lists_the_commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIXELSEEK_LIBRARY", str(tmp_path / "library"))
    assert "Commands" in pixelseek("--help").stdout
    assert pixelseek("serach").exit_code == 2
