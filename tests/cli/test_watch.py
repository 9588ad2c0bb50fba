from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from indexer.library.defaults import recorded_weights
from indexer.library.verification import verify
from indexer.library.view import LibraryView
from indexer.library.writer import LibraryWriter
from model.weights import find_weights, generation
from tests.cli.commands import ROOT, RUN
from tests.waiting import wait_until


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_watch_tells_of_what_is_new_until_it_is_stopped(
    tmp_path: Path, photos: Path, quick_weights: Path, number: signal.Signals, status: int
) -> None:
    folder, library, log = tmp_path / "photos", tmp_path / "library", tmp_path / "log"
    folder.mkdir()
    shutil.copy(photos / "scene 01.jpg", folder)
    command = ("watch", str(folder), "--library", str(library), "--weights", str(quick_weights))
    with log.open("w") as stderr:
        run = subprocess.Popen(
            [sys.executable, "-u", "-c", RUN, *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True
        )
    try:
        assert run.stdout is not None
        assert "1 new, 0 unchanged" in run.stdout.readline()
        shutil.copy(photos / "scene 02.jpg", folder)
        assert "1 new, 1 unchanged" in run.stdout.readline()
        with LibraryView.open(library, generation=generation(quick_weights)) as opened, LibraryWriter.lock(opened):
            shutil.copy(photos / "scene 03.jpg", folder)
            wait_until(lambda: "is being written by" in log.read_text())
            time.sleep(2)  # it tries again meanwhile
        assert "1 new, 2 unchanged" in run.stdout.readline()
        run.send_signal(number)
        run.communicate(timeout=60)
    finally:
        run.kill()
    assert run.returncode == status
    told = log.read_text()
    assert told.count("is being written by") == 1, "said once, however long it takes"
    assert "stopped; nothing is lost" in told
    assert "Traceback" not in told
    with LibraryView.open(library, generation=generation(quick_weights)) as opened:
        assert verify(opened) == []
        assert opened.photo_count() == 3


def changed(weights: Path) -> None:
    """Other weights of the same size and layout in the place of these, as a copying person leaves them."""
    file = weights / "model.safetensors"
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 100_000] = content[middle - 100_000 : middle]
    file.write_bytes(content)


def test_weights_replaced_before_the_first_photo_are_not_mixed_with_those_it_began_with(
    tmp_path: Path, photos: Path
) -> None:
    weights = shutil.copytree(find_weights(), tmp_path / "weights")
    folder, library = tmp_path / "photos", tmp_path / "library"
    folder.mkdir()
    command = ("watch", str(folder), "--library", str(library), "--weights", str(weights))
    run = subprocess.Popen(
        [sys.executable, "-u", "-c", RUN, *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: recorded_weights(library) is not None)  # it has been through the empty folder
        changed(weights)
        shutil.copy(photos / "scene 01.jpg", folder)
        stdout, stderr = run.communicate(timeout=120)
    finally:
        run.kill()
    assert run.returncode == 1, (stdout, stderr)
    assert f"{weights} holds other weights than when it was opened: model.safetensors changed" in stderr
    assert "Traceback" not in stderr
    with LibraryView.open(library) as opened:
        assert opened.encodings.photo_ids().size == 0
        assert verify(opened) == []
