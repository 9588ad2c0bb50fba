"""Killing the indexer (-9) at any moment loses nothing and needs no repair."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

from indexer.catalog import location_table, photo_table
from indexer.library import Library
from indexer.verification import verify
from tests.indexer.colour_runtime import COLOURS, GENERATION, ColourRuntime
from tests.indexer.desk import Desk, scribble

ROOT = Path(__file__).parents[2]
PHOTOS = 250
KILLS = 6
LATEST_WRITE, LONGEST_DELAY_S = 4, 0.05
INDEX = """
import os, signal, sys, threading, time
from pathlib import Path
from sqlalchemy import Engine, event
from indexer.indexing import index_folders
from indexer.library import Library
from tests.indexer.colour_runtime import GENERATION, ColourRuntime, colour_processor

class SlowRuntime(ColourRuntime):
    def encode_image(self, images):
        time.sleep(0.05)
        return super().encode_image(images)

def die_at(write, delay):
    '''Die as by kill -9, `delay` seconds after the commit or rename with that number begins.'''
    begun = 0

    def begins(*_):
        nonlocal begun
        begun += 1
        if begun == write:
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()

    event.listen(Engine, "commit", begins)
    sys.addaudithook(lambda name, _: begins() if name == "os.rename" else None)

if __name__ == "__main__":
    if len(sys.argv) > 3:
        die_at(int(sys.argv[3]), float(sys.argv[4]))
    with Library.open(Path(sys.argv[1]), generation=GENERATION, create=True) as library:
        index_folders(library, [Path(sys.argv[2])], processor=colour_processor(), load_runtime=SlowRuntime)
"""


def contents(library: Library) -> dict[str, dict[str, Any]]:
    """Everything known of each file, ids aside."""
    query = select(location_table.c.path, location_table.c.size, location_table.c.failure, photo_table).outerjoin(
        photo_table
    )
    with library.catalog.connect() as connection:
        rows = {row[0]: dict(row._mapping) for row in connection.execute(query)}
    for row in rows.values():
        photo_id = row.pop("id")
        if photo_id is not None:
            row["embedding"] = library.embeddings([photo_id])[0]
            row["features"] = library.pixel_features([photo_id])[0]
    return rows


def test_a_library_whose_making_was_killed_again_and_again_equals_one_made_in_peace(desk: Desk, tmp_path: Path) -> None:
    for seed in range(PHOTOS):
        scribble(desk.photos / f"{seed % 7}" / f"{seed}.png", seed)
    (desk.photos / "empty.jpg").touch()
    (desk.photos / "words.jpg").write_text("only words")
    (desk.photos / "copy.png").write_bytes((desk.photos / "1" / "1.png").read_bytes())
    script = tmp_path / "index.py"
    script.write_text(INDEX)

    def index(*moment: object) -> int:
        command = [sys.executable, *map(str, (script, desk.library, desk.photos, *moment))]
        return subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False).returncode

    moments = random.Random(2)
    killed, stages = 0, []
    while killed < KILLS:
        # Before, in or after a write: the first table of the catalog, a batch's two commits, the index.
        status = index(moments.randint(1, LATEST_WRITE), moments.uniform(0.0, LONGEST_DELAY_S))
        if status == 0:
            break
        assert status == -signal.SIGKILL
        killed += 1
        with Library.open(desk.library, generation=GENERATION, create=True) as library:
            stages.append(library.photo_count())  # what was committed is never lost
    assert killed >= 3
    assert stages == sorted(stages)
    assert index() == 0

    peaceful = Desk(desk.photos, tmp_path / "peaceful")
    peaceful.index()
    with desk.open() as library, peaceful.open() as reference:
        assert verify(library) == []
        assert library.status().index_fresh
        found, expected = contents(library), contents(reference)
        assert found.keys() == expected.keys()
        for path, row in expected.items():
            for name, value in row.items():
                if isinstance(value, np.ndarray):
                    np.testing.assert_allclose(found[path][name], value, atol=1e-4)
                else:
                    assert found[path][name] == value, (path, name)
        sentences = [" ".join(colours) for colours in itertools.combinations_with_replacement(COLOURS, 2)]
        assert len(sentences) >= 20
        for embedding in ColourRuntime().encode_text(sentences).embeddings:
            names = [
                [photo.path for photo in one.photos(one.shortlist(embedding, 20)[0].tolist())]
                for one in (library, reference)
            ]
            assert names[0] == names[1]
