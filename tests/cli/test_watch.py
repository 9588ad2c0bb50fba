from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from indexer.library import Library
from indexer.verification import verify
from model.weights import generation
from tests.cli.commands import ROOT, RUN


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_watch_tells_of_what_is_new_until_it_is_stopped(
    tmp_path: Path, photos: Path, weights: Path, number: signal.Signals, status: int
) -> None:
    folder, library = tmp_path / "photos", tmp_path / "library"
    folder.mkdir()
    shutil.copy(photos / "scene 01.jpg", folder)
    command = ("watch", str(folder), "--library", str(library), "--weights", str(weights))
    run = subprocess.Popen(
        [sys.executable, "-u", "-c", RUN, *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert run.stdout is not None
        assert "1 new, 0 unchanged" in run.stdout.readline()
        shutil.copy(photos / "scene 02.jpg", folder)
        assert "1 new, 1 unchanged" in run.stdout.readline()
        with Library.open(library, generation=generation(weights)) as opened, opened.writing():
            shutil.copy(photos / "scene 03.jpg", folder)
            time.sleep(4)
        assert "1 new, 2 unchanged" in run.stdout.readline()
        run.send_signal(number)
        _, stderr = run.communicate(timeout=60)
    finally:
        run.kill()
    assert run.returncode == status
    assert stderr.count("is being written by") == 1, "said once, however long it takes"
    assert "stopped; nothing is lost" in stderr
    assert "Traceback" not in stderr
    with Library.open(library, generation=generation(weights)) as opened:
        assert verify(opened) == []
        assert opened.photo_count() == 3
