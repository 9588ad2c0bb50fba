from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from model.atomic import put_back, remove_leftovers, replacing, replacing_folder, whole_folder

ROOT = Path(__file__).parents[2]


def test_what_was_written_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path) as new:
        new.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError), replacing(path) as new:
        new.write_text("half \ud800", encoding="utf-8")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="files are limited on POSIX only")
def test_a_disk_that_takes_no_more_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[0][1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught, replacing(path) as new:
            new.write_bytes(bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before[0])
        signal.signal(signal.SIGXFSZ, before[1])
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["nowhere/file", "a file/file", "/proc/file", "x" * 250])
def test_a_file_that_cannot_be_made_has_the_name_that_the_user_knows(tmp_path: Path, name: str) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(OSError) as caught, replacing(tmp_path / name):  # noqa: PT011  # of any kind
        pytest.fail("there is nothing to write to")
    assert caught.value.filename == str(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["a file"]


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
@pytest.mark.parametrize(("private", "mode"), [(True, 0o600), (False, 0o644)])
def test_others_may_read_it_unless_it_is_private(tmp_path: Path, private: bool, mode: int) -> None:
    before = os.umask(0o022)
    try:
        with replacing(tmp_path / "file", private=private) as new:
            new.write_text("new")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o666])
def test_the_new_file_is_for_the_eyes_of_those_who_might_read_the_old_one(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(mode)
    with replacing(path) as new:
        assert new.stat().st_mode & 0o077 == 0, "nor does anybody else read it before it is whole"
        new.write_text("new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", mode)


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    path, others = tmp_path / "file", [tmp_path / "file.new", tmp_path / "file2.12345678.new", tmp_path / "file.txt"]
    for one in (path, *others):
        one.write_text("kept")
    script = (
        "import os, signal, sys; from pathlib import Path; from model.atomic import replacing\n"
        "with replacing(Path(sys.argv[1])) as new:\n    new.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], cwd=ROOT, check=False)
    assert len(list(tmp_path.iterdir())) == 5
    remove_leftovers(path)
    assert set(tmp_path.iterdir()) == {path, *others}
    assert path.read_text() == "kept"


def test_a_folder_takes_the_place_of_all_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    for content in ("old", "new"):
        with replacing_folder(path) as new:
            (new / content).write_text(content)
            (new / "both").write_text(content)
            assert not path.exists() or (path / "both").read_text() == "old"
    assert sorted(file.name for file in path.iterdir()) == ["both", "new"]
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_folder_that_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    with replacing_folder(path) as new:
        (new / "file").write_text("old")
    with pytest.raises(UnicodeEncodeError), replacing_folder(path) as new:
        (new / "file").write_text("half \ud800", encoding="utf-8")
    assert (path / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", range(4))
def test_a_writer_killed_at_any_step_loses_no_folder(tmp_path: Path, step: int) -> None:
    path = tmp_path / "weights"
    with replacing_folder(path) as new:
        (new / "file").write_text("old")
    program = """
import os, sys
from pathlib import Path
from model.atomic import replacing_folder
path, step = Path(sys.argv[1]), int(sys.argv[2])
def count(event, arguments):
    global step
    if event in ("os.rename", "shutil.rmtree"):
        if step == 0:
            os._exit(9)
        step -= 1
with replacing_folder(path) as new:
    (new / "file").write_text("new")
    sys.addaudithook(count)
"""
    run = subprocess.run([sys.executable, "-c", program, path, str(step)], cwd=ROOT, check=False)
    content = "new" if step >= 2 else "old"
    readable = whole_folder(path)
    assert readable is not None, "a reader finds a whole folder before anything is put back"
    assert (readable / "file").read_text() == content
    put_back(path)
    assert (run.returncode, (path / "file").read_text()) == {
        0: (9, "old"),
        1: (9, "old"),
        2: (9, "new"),
        3: (0, "new"),
    }[step]
    assert list(tmp_path.iterdir()) == [path]


def test_where_there_is_no_folder_there_is_none_to_read(tmp_path: Path) -> None:
    assert whole_folder(tmp_path / "weights") is None


def test_of_two_writers_at_the_same_time_one_gets_an_error_and_nothing_is_mixed(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    with pytest.raises(OSError, match="No such file or directory"), replacing_folder(path) as slow:  # noqa: PT012
        (slow / "first").write_text("slow")
        with replacing_folder(path) as quick:
            (quick / "first").write_text("quick")
        (slow / "second").write_text("slow")
    assert [file.name for file in path.iterdir()] == ["first"]
    assert (path / "first").read_text() == "quick"
    assert list(tmp_path.iterdir()) == [path]
