"""`~` in paths: the home folder, where no file has that very name."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.paths import expanded, resolved


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a person who works in another folder."""
    for name in ("home", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


def test_a_tilde_is_the_home_folder(home: Path) -> None:
    assert expanded("~") == home
    assert expanded("~/Pictures/a.jpg") == expanded(Path("~/Pictures/a.jpg")) == home / "Pictures" / "a.jpg"
    assert expanded("~/") == expanded("~//") == home


@pytest.mark.parametrize("name", ["~nobody", "~nobody/x", "~root", "~d00.jpg", "a/~", "~~", "", ".", "/", "a\0", "~\0"])
def test_any_other_name_is_as_it_is(home: Path, name: str) -> None:
    del home
    assert expanded(name) == Path(name)


def test_a_file_of_that_very_name_is_meant_before_the_home_folder(home: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    (here / "~").mkdir()
    (here / "~" / "a.jpg").touch()
    for name in ("~", "./~", "~/a.jpg", "./~/a.jpg"):
        assert expanded(name).absolute() == here / name, name
    assert expanded("~/b.jpg") == home / "b.jpg", "a folder ~ that somebody made by mistake hides nothing else"


def test_a_file_that_is_to_be_made_in_a_folder_of_that_name_is_not_made_at_home(home: Path, tmp_path: Path) -> None:
    for name in ("./~/new", "./~"):
        path = expanded(name)
        assert path == expanded(path) == tmp_path / "here" / name
        assert not path.is_relative_to(home)


def test_where_the_system_knows_no_home_folder_nothing_is_raised(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del home
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.getuid", lambda: 2**31 - 7)
    assert expanded("~/a") == Path("~/a")


def test_a_loop_of_links_leads_to_itself(home: Path) -> None:
    (home / "loop").symlink_to("loop")
    (home / "link").symlink_to("/etc")
    assert resolved("~/loop") == resolved(home / "loop") == home / "loop"
    assert resolved("~/link") == Path("/etc")
