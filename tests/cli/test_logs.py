"""The log of `serve` and `watch`: one line an event, whatever files, sentences and browsers are called."""

from __future__ import annotations

import logging
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.logs import logging_to
from model.errors import PixelseekError
from tests.cli.commands import ROOT, RUN, pixelseek
from tests.web.applications import opened
from web.access import set_password

EVENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} (DEBUG|INFO|WARNING|ERROR) [\w.]+: ")
FORGED = "2026-01-01T00:00:00+0000 INFO pixelseek: all is well"
LINE_ENDS = [
    "\n",
    "\r",
    "\r\n",
    "\x0b",
    "\x0c",
    "\x1b[2K\r",
    "\x1c",
    "\x85",
    "\u2028",
    "\u2029",
    "\x00",
    "\udc0a",
    "\u202e",
]


def events(log: Path) -> list[str]:
    """The lines of the log; each is an event, or belongs to the traceback of the one above."""
    text = log.read_bytes().decode()
    assert text.isprintable() or set(filter(lambda character: not character.isprintable(), text)) == {"\n"}
    lines = text.splitlines()
    assert all(EVENT.match(line) or line.startswith("    ") for line in lines), lines
    return [line for line in lines if not line.startswith("    ")]


@pytest.mark.parametrize("end", LINE_ENDS, ids=ascii)
def test_nothing_begins_a_line_of_its_own(tmp_path: Path, end: str) -> None:
    log = tmp_path / "log"
    with logging_to(log, verbose=False):
        logging.getLogger("pixelseek.test").warning("%s cannot be read", f"/photos/a{end}{FORGED}.jpg")
        try:
            raise ValueError(f"a bug{end}{FORGED}")
        except ValueError:
            logging.getLogger("pixelseek.test").exception("failed with %s", end)
    assert len(events(log)) == 2
    assert "Traceback" in log.read_text()


def test_our_events_are_logged_and_the_warnings_of_packages(tmp_path: Path) -> None:
    for verbose, expected in ((False, ["INFO", "WARNING"]), (True, ["DEBUG", "INFO", "INFO", "WARNING"])):
        log = tmp_path / f"verbose {verbose}"
        with logging_to(log, verbose=verbose):
            for name, level in (
                ("pixelseek.web", logging.DEBUG),
                ("pixelseek.web", logging.INFO),
                ("watchfiles.main", logging.DEBUG),
                ("waitress", logging.INFO),
                ("waitress", logging.WARNING),
            ):
                logging.getLogger(name).log(level, "happened")
        logging.getLogger("pixelseek.web").info("happened later")
        assert [line.split()[1] for line in events(log)] == expected


def test_without_a_file_standard_error_has_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to(None, verbose=False):
        logging.getLogger("pixelseek.test").info("happened")
    out, err = capsys.readouterr()
    assert out == ""
    assert EVENT.match(err)


def test_a_log_that_is_rotated_goes_on_in_a_new_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with logging_to(log, verbose=False):
        logging.getLogger("pixelseek.test").info("before")
        log.rename(tmp_path / "log.1")
        logging.getLogger("pixelseek.test").info("after")
    assert [len(events(tmp_path / name)) for name in ("log.1", "log")] == [1, 1]
    with logging_to(log, verbose=False):
        logging.getLogger("pixelseek.test").info("the next run")
    assert len(events(log)) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_told_once_and_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to(Path("/dev/full"), verbose=False):
        for _ in range(3):
            logging.getLogger("pixelseek.test").info("happened")
    assert capsys.readouterr().err == "pixelseek: /dev/full: No space left on device; the log has a gap here\n"


def test_what_ends_the_command_is_in_the_file_with_a_traceback_if_it_is_a_bug(tmp_path: Path) -> None:
    ends = {"ours": PixelseekError("no such folder"), "disk": OSError(28, "No space left"), "bug": KeyError("photo")}
    for name, error in ends.items():
        with pytest.raises(type(error)), logging_to(tmp_path / name, verbose=False):
            raise error
        assert len(events(tmp_path / name)) == 1
        assert ("Traceback" in (tmp_path / name).read_text()) is (name == "bug")


def test_a_log_goes_on_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "log").touch()  # as another program may make it, with permissions of its own
    for _ in range(3):
        with logging_to(tmp_path / "log", verbose=False):
            logging.getLogger("pixelseek.test").info("happened")
    assert len(events(tmp_path / "log")) == 3
    (tmp_path / "log").write_text("Pixelseek is at http://127.0.0.1:8080\n" + (tmp_path / "log").read_text())
    with logging_to(tmp_path / "log", verbose=False):
        logging.getLogger("pixelseek.test").info("happened")
    assert len((tmp_path / "log").read_text().splitlines()) == 5


@pytest.mark.parametrize("command", ["serve", "watch"])
def test_a_log_that_cannot_be_opened_is_named(indexed: Path, weights: Path, tmp_path: Path, command: str) -> None:
    log = tmp_path / "nowhere" / "log"
    run = pixelseek(command, "--library", indexed, "--weights", weights, "--log-file", log)
    assert run.exit_code == 1
    assert f"error: {log}: No such file or directory" in run.stderr


def test_what_is_searched_for_is_logged_only_when_asked_for(indexed: Path, weights: Path, tmp_path: Path) -> None:
    for verbose in (False, True):
        log = tmp_path / f"verbose {verbose}"
        with opened(indexed, weights) as app, logging_to(log, verbose=verbose):
            for address in ("/?q=secret%0A" + FORGED, "/api/v1/search?q=secret", "/photos/999?q=secret", "/secret%0Ax"):
                app.test_client().get(address)
        assert len(events(log)) == 4 * verbose
        assert log.read_text().count("secret") == 4 * verbose


def test_what_a_stranger_tries_is_logged(library: Path, weights: Path, tmp_path: Path) -> None:
    set_password(library, "correct horse")
    log = tmp_path / "log"
    with opened(library, weights) as app, logging_to(log, verbose=False):
        client = app.test_client()
        client.get("/", auth=("anyone", "my other password"))
        known = {"auth": ("anyone", "correct horse")}
        client.post("/library/index", data={"folder": f"a\n{FORGED}"}, **known)
        client.post("/api/v1/index", headers={"Origin": "https://elsewhere.example"}, **known)
    wrong, form, api = events(log)
    assert "WARNING pixelseek.web: a wrong password from 127.0.0.1" in wrong
    assert "pages.start_indexing is refused: its form has no valid token" in form
    assert "api.start_indexing is refused: another site sent it" in api
    assert "password" not in log.read_text().replace("a wrong password from", "")


def test_a_bug_is_logged_with_its_traceback(indexed: Path, weights: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with opened(indexed, weights) as app, logging_to(log, verbose=False):
        app.add_url_rule("/broken", view_func=lambda: dict[str, str]()[f"photo\n{FORGED}"])
        assert app.test_client().get("/broken").status_code == 500
        assert app.test_client().get("/?q=camera:").status_code < 500
    assert len(events(log)) == 1
    assert "KeyError" in log.read_text()


def test_watch_logs_what_it_did_even_into_a_folder_it_watches(
    tmp_path: Path, photos: Path, quick_weights: Path
) -> None:
    folder, log = tmp_path / "photos", tmp_path / "photos" / "watch.log"
    folder.mkdir()
    shutil.copy(photos / "scene 01.jpg", folder)
    command = ("watch", str(folder), "--library", str(tmp_path / "library"), "--weights", str(quick_weights))
    run = subprocess.Popen(
        [sys.executable, "-u", "-c", RUN, *command, "--log-file", str(log), "--verbose"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert run.stdout is not None
        assert "1 new" in run.stdout.readline()
        shutil.copy(photos / "scene 02.jpg", folder)
        assert "1 new, 1 unchanged" in run.stdout.readline()
        time.sleep(3)
        run.send_signal(signal.SIGTERM)
        _, stderr = run.communicate(timeout=60)
    finally:
        run.kill()
    assert "indexed: 1 new, 1 unchanged" in log.read_text()
    assert len(events(log)) < 10, "a line in the log is no news of the folder"
    assert not any(EVENT.match(line) for line in stderr.splitlines())
