from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from cli.output import bar, printable, readable_size
from tests.cli.commands import ROOT, RUN, pixelseek, pixelseek_alone
from tests.engine.libraries import SENTENCE
from tests.model.scenes import draw, scenes


def assert_fails(run: Result, *said: str, status: int = 1) -> None:
    """One clear line on standard error, nothing on standard output, no traceback."""
    assert (run.exit_code, run.stdout) == (status, ""), run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    for words in said:
        assert words in run.stderr
    if status == 1:
        assert run.stderr.splitlines()[-1].startswith("pixelseek: error: ")


@pytest.mark.parametrize("sentence", ["", "   ", "x" * 1001])
def test_what_is_no_sentence(indexed: Path, weights: Path, sentence: str) -> None:
    assert_fails(pixelseek("search", sentence, "--library", indexed, "--weights", weights))


def test_a_missing_library(tmp_path: Path, weights: Path) -> None:
    options = ("--library", tmp_path / "nowhere", "--weights", weights)
    for command in (("search", SENTENCE), ("status",), ("library", "verify"), ("index",)):
        assert_fails(pixelseek(*command, *options), str(tmp_path / "nowhere"), "pixelseek index FOLDER")
    assert not (tmp_path / "nowhere").exists()


def test_other_machines_are_not_let_in_without_a_password(library: Path, weights: Path) -> None:
    run = pixelseek("serve", "--host", "0.0.0.0", "--library", library, "--weights", weights)
    assert_fails(run, "pixelseek library password")


def test_an_empty_library(tmp_path: Path, weights: Path) -> None:
    (tmp_path / "photos").mkdir()
    options = ("--library", tmp_path / "library", "--weights", weights)
    assert pixelseek("index", tmp_path / "photos", *options).exit_code == 0
    assert_fails(pixelseek("search", SENTENCE, *options), "index a folder first: pixelseek index FOLDER")


def test_weights_that_do_not_fit_the_library(indexed: Path, other_weights: Path) -> None:
    run = pixelseek("search", SENTENCE, "--library", indexed, "--weights", other_weights)
    assert_fails(run, f"pixelseek index --weights {other_weights} --library {indexed}")


def test_weights_that_do_not_exist(indexed: Path) -> None:
    assert_fails(
        pixelseek("search", SENTENCE, "--library", indexed, "--weights", "nothing"), "no weights called nothing"
    )


def test_a_folder_that_does_not_exist(tmp_path: Path, weights: Path) -> None:
    run = pixelseek("index", tmp_path / "nowhere", "--library", tmp_path / "library", "--weights", weights)
    assert_fails(run, str(tmp_path / "nowhere"))


def test_a_named_folder_that_cannot_be_read_is_an_error_and_the_others_are_indexed(
    tmp_path: Path, photos: Path, weights: Path
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    options = ("--library", tmp_path / "library", "--weights", weights)
    run = pixelseek("index", tmp_path / "loop", photos, *options)
    assert run.exit_code == 1
    assert "12 new" in run.stdout
    assert run.stderr.splitlines()[-1] == (
        f"pixelseek: error: {tmp_path / 'loop'} could not be read: Too many levels of symbolic links"
    )
    report = json.loads(pixelseek("index", tmp_path / "loop", "--json", *options).stdout)
    assert [path for path, _ in report["not_read"]] == [str(tmp_path / "loop")]


@pytest.mark.parametrize("command", [("caption", "LOOP", "a dog"), ("teach", "Rex", "LOOP"), ("similar", "LOOP")])
def test_a_link_to_itself_is_no_photo(library: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    run = pixelseek(*(str(loop) if word == "LOOP" else word for word in command), "--library", library)
    assert_fails(run, str(loop))


@pytest.mark.parametrize(
    "command",
    [
        ("index", ""),
        ("search", "dog", "--copy-to", ""),
        ("similar", ""),
        ("explain", "", "dog"),
        ("explain", "photo.jpg", "dog", "--output", ""),
        ("caption", "", "a dog"),
        ("teach", "Rex", "photo.jpg", "--not", ""),
        ("status", "--library", ""),
        ("serve", "--host", "0.0.0.0", "--root", ""),
        ("serve", "--log-file", ""),
        ("library", "remove", ""),
        ("library", "move", "old", ""),
        ("library", "backup", ""),
        ("model", "evaluate", "--data", ""),
        ("model", "train", "--recipe", "tiny", "--data", "photos.tar", "--output", ""),
    ],
    ids=" ".join,
)
def test_an_empty_path_is_not_the_current_folder(
    tmp_path: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    library = () if command[0] in ("explain", "model") or "--library" in command else ("--library", tmp_path)
    assert_fails(pixelseek(*command, *library), "it is empty. Is a variable of the shell not set?", status=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["nowhere", "~nobody", "a photo.jpg"])
def test_a_root_that_is_no_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "a photo.jpg").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:  # so that nothing is served
        port = str(taken.getsockname()[1])
        run = pixelseek("serve", "--port", port, "--root", tmp_path / name, "--library", tmp_path / "library")
    assert_fails(run, f"{tmp_path / name} is not a folder. Name one that exists with --root.")


def test_a_known_folder_that_is_away_is_an_error_when_it_is_named(tmp_path: Path, weights: Path) -> None:
    away, options = tmp_path / "away", ("--library", tmp_path / "library", "--weights", weights)
    away.mkdir()
    assert pixelseek("index", away, *options).exit_code == 0
    away.rmdir()
    named, not_named = pixelseek("index", away, *options), pixelseek("index", *options)
    assert (named.exit_code, not_named.exit_code) == (1, 0)
    assert "cannot be reached; its photos are kept" in named.stdout
    assert "cannot be reached; its photos are kept" in not_named.stdout


def test_an_entry_that_cannot_be_looked_at_is_named(tmp_path: Path, photos: Path, weights: Path) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    (folder / "x").symlink_to("x")
    run = pixelseek("index", folder, "--library", tmp_path / "library", "--weights", weights)
    assert run.exit_code == 0
    assert "12 new, 0 unchanged, 1 skipped, 1 could not be looked at" in run.stdout
    assert f"{folder / 'x'}: Too many levels of symbolic links" in run.stdout


def test_a_library_where_there_can_be_none(tmp_path: Path, photos: Path, weights: Path) -> None:
    (tmp_path / "file").touch()
    run = pixelseek("index", photos, "--library", tmp_path / "file", "--weights", weights)
    assert_fails(run, str(tmp_path / "file"))


def test_a_port_in_use(indexed: Path, weights: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        run = pixelseek("serve", "--port", port, "--library", indexed, "--weights", weights)
    assert_fails(run, f"127.0.0.1:{port}: Address already in use")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
@pytest.mark.parametrize("command", ["status", "status --json", "library export", "completion bash", "--help"])
def test_a_full_standard_output_is_named(indexed: Path, command: str) -> None:
    words = command.split()
    library = ("--library", str(indexed)) if words[0] in ("status", "library") else ()
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            [sys.executable, "-c", RUN, *words, *library], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (run.returncode, run.stderr) == (1, "pixelseek: error: standard output: No space left on device\n")


@pytest.mark.skipif(os.name != "posix", reason="closes as a POSIX shell does")
@pytest.mark.parametrize("closed", [">&-", "<&-", "<&- >&-", "2>&-", "<&- >&- 2>&-"])
def test_a_standard_stream_may_be_closed(library: Path, closed: str) -> None:
    before = (library / "catalog.sqlite").read_bytes()
    for command in ("status", "search type:jpg", "library export"):
        words = [sys.executable, "-c", RUN, *command.split(), "--library", str(library)]
        run = subprocess.run(
            ["sh", "-c", f'exec "$@" {closed}', "sh", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (run.returncode, run.stderr) == (0, "")
        assert bool(run.stdout) is (">&-" not in closed.replace("2>&-", ""))
    assert (library / "catalog.sqlite").read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("search",),
        ("search", SENTENCE, "--limit", "0"),
        ("search", SENTENCE, "--limit", "many"),
        ("search", SENTENCE, "--colour", "red"),
        ("model", "evaluate"),
        ("library",),
        ("model", "evaluate", "--data", "x.tar", "--split", "train"),
        ("serve", "--port", "99999"),
        ("find",),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert_fails(pixelseek(*arguments), "Usage: pixelseek", status=2)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("serach", "search"),
        ("Status", "status"),
        ("libary", "library"),
        ("explian", "explain"),
        ("completoin", "completion"),
        ("duplicats", "duplicates"),  # also those that are in a group
        ("verfy", "verify"),
        ("tarin", "train"),
        ("photos", None),
    ],
)
def test_a_slip_in_a_commands_name_is_told_the_right_one(typed: str, meant: str | None) -> None:
    run = pixelseek(typed, SENTENCE)
    assert_fails(run, f"No such command '{typed}'", status=2)
    assert ("Did you mean" in run.stderr) is (meant is not None)
    assert meant is None or f"'{meant}'" in run.stderr


@pytest.mark.parametrize(("told", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("delay_s", [0.0, 0.5, 1.0, 1.5])  # before the workers start, while they wake up, at work
def test_ctrl_c_and_sigterm_stop_an_indexing_run_and_the_next_one_goes_on(
    tmp_path: Path, weights: Path, told: signal.Signals, status: int, delay_s: float
) -> None:
    folder, random = tmp_path / "photos", np.random.default_rng(1)
    folder.mkdir()
    for row in range(120):
        (folder / f"{row}.jpg").write_bytes(draw(scenes()[row % 36], random))
    options = ("--library", str(tmp_path / "library"), "--weights", str(weights))
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, "index", str(folder), *options],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (tmp_path / "library" / "writer.txt").exists():
        assert run.poll() is None
        time.sleep(0.01)
    time.sleep(delay_s)
    os.killpg(run.pid, told)  # as a terminal and systemd do: to the command and its workers
    stdout, stderr = run.communicate(timeout=60)
    assert (run.returncode, stdout) == (status, ""), stderr
    assert stderr.splitlines()[-1].startswith("pixelseek: stopped; nothing is lost")
    assert "Traceback" not in stderr
    assert "leaked" not in stderr
    again = pixelseek("index", *options, folder)
    assert again.exit_code == 0, again.stderr
    assert "Photos   120" in pixelseek("status", *options).stdout


def assert_stopped(run: subprocess.CompletedProcess[str], status: int, *, stdout: str) -> None:
    """The command ended as one that was told to stop, without a traceback."""
    assert (run.returncode, run.stdout) == (status, stdout)
    assert run.stderr == "\npixelseek: stopped; nothing is lost, the same command goes on where it was\n"


@pytest.mark.parametrize(("told", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_ctrl_c_is_heard_where_python_drops_exceptions(told: str, status: int) -> None:
    script = f"""
import signal, time, weakref
import cli.main, cli.status

class Photo:
    pass

def forget(**_):
    photo = Photo()
    reference = weakref.ref(photo, lambda _: signal.raise_signal(signal.{told}))
    del photo
    for _ in range(100):
        time.sleep(0.1)

cli.status.status.callback = forget
cli.main.main()
"""
    run = pixelseek_alone("status", script=script)
    assert_stopped(run, status, stdout="")


@pytest.mark.parametrize(("told", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_ctrl_c_waits_until_an_import_is_done(tmp_path: Path, told: str, status: int) -> None:
    """Compiled modules abort the process, or say that their initialization failed, when one is raised in them."""
    (tmp_path / "compiled.py").write_text(
        f"import signal, time\ntry:\n    signal.raise_signal(signal.{told})\n    time.sleep(0.2)\n"
        "except KeyboardInterrupt:\n    raise ImportError('initialization failed')\nprint('whole')\n"
    )
    script = f"""
import sys, time
import cli.main, cli.status

def load(**_):
    sys.path.insert(0, {str(tmp_path)!r})
    import compiled
    for _ in range(100):
        time.sleep(0.1)

cli.status.status.callback = load
cli.main.main()
"""
    run = pixelseek_alone("status", script=script)
    assert_stopped(run, status, stdout="whole\n")


@pytest.mark.parametrize(("told", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
@pytest.mark.parametrize(
    ("work", "end"),
    [
        ("rollback", "connection.close()"),
        ("close", "connection.invalidate()"),
        ("close", "connection.close(); engine.dispose()"),
    ],
)
def test_ctrl_c_waits_until_a_connection_is_closed(told: str, status: int, work: str, end: str) -> None:
    """SQLAlchemy prints a traceback when one is raised meanwhile."""
    script = f"""
import signal, sqlite3, time
import cli.main, cli.status
from sqlalchemy import create_engine

class Connection(sqlite3.Connection):
    pass

def stop(self):
    signal.raise_signal(signal.{told})
    time.sleep(0.2)

def close(**_):
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(":memory:", factory=Connection))
    connection = engine.connect()
    Connection.{work} = stop
    {end}
    print("closed")
    for _ in range(100):
        time.sleep(0.1)

cli.status.status.callback = close
cli.main.main()
"""
    run = pixelseek_alone("status", script=script)
    assert_stopped(run, status, stdout="closed\n")


@pytest.mark.parametrize("raised", ["ValueError('a bug')", "ModuleNotFoundError(name='cli.nothing')", "KeyError('a')"])
def test_a_bug_gets_a_traceback(raised: str) -> None:
    script = f"""
import cli.main, cli.status

def fail(**_):
    raise {raised}

cli.status.status.callback = fail
cli.main.main()
"""
    run = pixelseek_alone("status", script=script)
    assert run.returncode == 1
    assert "Traceback" in run.stderr
    assert "pixelseek: error:" not in run.stderr


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (48_211, "48.2 kB"),
        (3_400_000, "3.4 MB"),
        (10**10, "10.0 GB"),
    ],
)
def test_a_size_is_never_nothing_point_nothing(size: int, said: str) -> None:
    assert readable_size(size) == said


@pytest.mark.parametrize(
    ("fraction", "drawn"),
    [(0.0, ""), (0.004, ""), (0.5, "█████"), (0.55, "█████▌"), (0.99, "█████████▉"), (1.0, "█" * 10)],
)
def test_a_bar_is_as_long_as_the_match(fraction: float, drawn: str) -> None:
    assert bar(fraction) == drawn.ljust(10)


def test_a_file_name_cannot_garble_the_terminal() -> None:
    assert printable("/été/\x1b[2J\n\udcff.jpg") == "/été/\\x1b[2J\\n\\udcff.jpg"
