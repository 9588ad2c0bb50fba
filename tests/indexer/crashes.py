"""A series of commands on a library, each killed (-9) at random moments and repeated until it completes.

A second library, the control, runs the same commands without kills. After every step the two must be equal.
`test_crash` runs a short series, `benchmarks.crashes` a long one. Run as a program, this executes one step, and kills
itself at the given moment.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, event, select

from indexer.indexing import index_folders
from indexer.library.catalog import annotation_table, folder_table, location_table, photo_table, text_index_table
from indexer.library.errors import PhotoMissing
from indexer.library.library import Library
from indexer.library.verification import verify
from indexer.library.view import LibraryView
from indexer.library.writer import LibraryWriter
from model.runtime.protocol import EncodedImages
from tests.indexer.colour_runtime import COLOURS, GENERATION, ColourRuntime, colour_processor
from tests.indexer.desk import scribble

ROOT = Path(__file__).parents[2]
_SENTENCES = [" ".join(colours) for colours in itertools.combinations_with_replacement(COLOURS, 2)]
_TOLERANCE = 1e-4
_LATEST_WRITE, _AFTER_A_WRITE_S = 8, 0.01
_NEVER = "never"
_AGE = """
    DROP TABLE annotation;
    DROP TABLE written;
    ALTER TABLE location DROP COLUMN previous_photo_id;
    ALTER TABLE photo DROP COLUMN title;
    ALTER TABLE photo DROP COLUMN description;
    ALTER TABLE photo DROP COLUMN keywords;
    UPDATE photo SET taken_at = NULL, taken_offset = NULL WHERE taken_source IN ('name', 'file');
    ALTER TABLE photo DROP COLUMN taken_microsecond;
    ALTER TABLE photo DROP COLUMN taken_precision;
    ALTER TABLE photo DROP COLUMN taken_source;
    ALTER TABLE photo DROP COLUMN author;
    ALTER TABLE photo DROP COLUMN note;
    ALTER TABLE photo DROP COLUMN own;
    ALTER TABLE photo DROP COLUMN metadata_version;
    ALTER TABLE location DROP COLUMN sidecar_ns;
    ALTER TABLE location DROP COLUMN sidecar;
    ALTER TABLE folder DROP COLUMN exclude;
    ALTER TABLE folder DROP COLUMN include;
    DROP TABLE passed_over;
    DROP TABLE departed;
    ALTER TABLE photo DROP COLUMN city;
    ALTER TABLE photo DROP COLUMN region;
    ALTER TABLE photo DROP COLUMN country;
    DROP TABLE saved_search;
    DROP TABLE found_text;
    DROP TABLE found;
    DROP TABLE not_shown;
    DROP TABLE taught_word;
    UPDATE alembic_version SET version_num = '0001';
"""


@dataclass
class Outcome:
    """What the kills have done."""

    kills: Counter[str] = field(default_factory=Counter)
    """By step."""
    lost: int = 0
    """Photos that were in the catalog and later were not."""
    repairs: list[str] = field(default_factory=list)
    """Problems after a kill that the next run would not have repaired by itself."""
    differences: list[str] = field(default_factory=list)
    """Differences from the control."""
    steps: int = 0
    photos: int = 0
    """Photos at the end."""


def run_with_kills(
    home: Path,
    *,
    kills: int,
    max_kills_per_step: int,
    seed: int,
    photos: int = 60,
    on_kill: Callable[[Outcome], None] | None = None,
) -> Outcome:
    """Execute steps on a library until it was killed `kills` times; `on_kill` is called after every kill."""
    random, outcome = Random(seed), Outcome()
    disk = _Disk(home, random)
    victim, control = home / "victim", home / "control"
    known: set[bytes] = set()
    for step in _steps(disk, photos):
        outcome.steps += 1
        if step.command == "migrate":
            for library in (victim, control):
                age(library)
        started = time.monotonic()
        _execute(control, step)
        length = time.monotonic() - started
        for _ in range(1 if step.command == "migrate" else random.randint(1, max_kills_per_step)):
            if sum(outcome.kills.values()) == kills or not _execute_and_kill(victim, step, random, length):
                break
            outcome.kills[step.command] += 1
            with LibraryView.open(victim, generation=_answering(victim), create=True) as opened:
                outcome.repairs += [str(problem) for problem in verify(opened) if "--repair" in problem.message]
                now = _digests(opened)
            outcome.lost += len(known - now)
            known |= now
            if on_kill is not None:
                on_kill(outcome)
        _run(victim, step, _NEVER)
        with _open(victim, step) as killed, _open(control, step) as undisturbed:
            outcome.differences += [f"{step.command}: {line}" for line in differences(killed, undisturbed)]
            outcome.photos = killed.photo_count()
            now = _digests(killed)
        outcome.lost += len(known - now)
        known |= now
        if sum(outcome.kills.values()) == kills:
            return outcome
    raise AssertionError("there is always another step")


@dataclass(frozen=True)
class Step:
    """A command and its files, for a generation of the model."""

    command: str
    generation: str
    paths: list[str]


class _Disk:
    """Two folders of photos that change."""

    def __init__(self, home: Path, random: Random) -> None:
        self.folders = [home / "album", home / "camera"]
        self._random = random
        self._seeds = itertools.count()
        for folder in self.folders:
            folder.mkdir()

    def add(self, count: int) -> None:
        for seed in itertools.islice(self._seeds, count):
            scribble(self.folders[seed % 2] / f"{seed % 5}" / f"{seed}.png", seed)
        for folder in self.folders:
            (folder / "words.jpg").write_text("only words")
            (folder / "empty.jpg").touch()

    def change(self, count: int) -> None:
        """Edit, move, copy and delete `count` photos each; truncate one, and restore an earlier truncated one."""
        files = self.files()
        self._random.shuffle(files)
        parts = iter([files[start : start + count] for start in range(0, 4 * count, count)])
        for path in next(parts):
            scribble(path, next(self._seeds))
        for path in next(parts):
            path.rename(path.with_name(f"moved-{next(self._seeds)}.png"))
        for path in next(parts):
            path.with_name(f"copy-{next(self._seeds)}.png").write_bytes(path.read_bytes())
        for path in next(parts):
            path.unlink()
        cut = files[4 * count]
        for path in self.folders[0].rglob("*.cut"):
            path.rename(path.with_suffix(""))
        cut.with_name(f"{cut.name}.cut").write_bytes(cut.read_bytes())
        cut.write_bytes(cut.read_bytes()[:60])

    def files(self) -> list[Path]:
        return sorted(path for folder in self.folders for path in folder.rglob("*.png"))


def _steps(disk: _Disk, photos: int) -> Iterator[Step]:
    everywhere = [str(folder) for folder in disk.folders]
    for number in itertools.count(1):
        now, later = f"colours-{number}", f"colours-{number + 1}"
        disk.add(photos)
        yield Step("index", now, everywhere)
        yield Step("annotate", now, [str(path) for path in disk.files()[:: max(1, len(disk.files()) // 20)]])
        disk.change(photos // 8)
        yield Step("index", now, everywhere)
        yield Step("remove", now, everywhere[1:])
        disk.change(photos // 8)
        yield Step("index", now, everywhere)
        yield Step("migrate", now, [])
        yield Step("change of weights", later, everywhere)
        for path in disk.files()[: -2 * photos]:  # so that it does not grow for ever
            path.unlink()


def _open(library: Path, step: Step) -> LibraryView:
    return LibraryView.open(library, generation=step.generation, create=True)


def _answering(library: Path) -> str:
    """The generation that answers searches."""
    with Library.open(library, create=True) as opened:
        return opened.current_generation() or GENERATION


def _execute(library: Path, step: Step) -> None:
    with _open(library, step) as opened:
        if step.command in ("index", "change of weights"):
            folders = [Path(path) for path in step.paths]
            index_folders(opened, folders, processor=colour_processor(), load_runtime=_SlowRuntime, workers=1)
        elif step.command == "remove":
            (folder,) = step.paths
            if folder in [known.path for known in opened.status().folders]:  # or it was done before the kill
                with LibraryWriter.lock(opened) as writer:
                    writer.remove_folder(Path(folder))
        elif step.command == "annotate":
            for path in step.paths:
                try:
                    photo = opened.photo_at(Path(path))
                except PhotoMissing:
                    continue  # cut short
                stem = Path(path).stem
                opened.annotate(photo.id, caption=f"what {stem} shows", tags=["written", stem], favourite=True)


class _SlowRuntime(ColourRuntime):
    def encode_image(self, images: Any) -> EncodedImages:
        time.sleep(0.05)
        return super().encode_image(images)


def _execute_and_kill(library: Path, step: Step, random: Random, length: float) -> bool:
    """Whether the kill came before the end. Half of them come close after the beginning of a write."""
    if random.random() < 0.5:
        return _run(library, step, f"write {random.randint(1, _LATEST_WRITE)} {random.uniform(0, _AFTER_A_WRITE_S)}")
    return _run(library, step, f"time {random.uniform(0, length)}")


def _run(library: Path, step: Step, death: str) -> bool:
    command = [sys.executable, "-m", "tests.indexer.crashes", death, str(library), json.dumps(asdict(step))]
    run = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    if run.returncode not in (0, -signal.SIGKILL):
        raise AssertionError(f"{step.command} ended with status {run.returncode}: {run.stderr}")
    return run.returncode != 0


def _die(when: str) -> None:
    """As by kill -9: so many seconds from now, or after the commit, rename or deletion with that number begins."""

    def die(delay: str) -> None:
        threading.Timer(float(delay), os.kill, (os.getpid(), signal.SIGKILL)).start()

    kind, *numbers = when.split()
    if kind == "time":
        die(*numbers)
    elif kind == "write":
        begun = itertools.count(1)

        def begins(*_: object) -> None:
            if next(begun) == int(numbers[0]):
                die(numbers[1])

        event.listen(Engine, "commit", begins)
        sys.addaudithook(lambda name, _: begins() if name in ("os.rename", "os.remove") else None)


def age(library: Path) -> None:
    """Make the catalog one of the first schema."""
    with closing(sqlite3.connect(library / "catalog.sqlite")) as connection:
        connection.executescript(f"BEGIN; {_AGE} COMMIT;")


def _digests(library: LibraryView) -> set[bytes]:
    with library.catalog.connect() as connection:
        return set(connection.execute(select(photo_table.c.digest)).scalars())


def contents(library: LibraryView) -> dict[str, dict[str, Any]]:
    """All data of each file and each photo, except ids."""
    photos: dict[int, dict[str, Any]] = {}
    files: dict[str, dict[str, Any]] = {}
    with library.catalog.connect() as connection:
        for row in connection.execute(select(photo_table)).mappings():
            photos[row["id"]] = {**row, "tokens": ""}
        for row in connection.execute(select(annotation_table)).mappings():
            photos[row["photo_id"]] |= {name: row[name] for name in ("caption", "tags", "favourite")}
        for photo_id, tokens in connection.execute(select(text_index_table.c.rowid, text_index_table.c.tokens)):
            photos[photo_id]["tokens"] = tokens
        for row in connection.execute(
            select(folder_table.c.path.label("folder"), location_table).join_from(location_table, folder_table)
        ).mappings():
            files[str(Path(row["folder"], row["path"]))] = dict(row)
    encodings, ids = library.encodings, list(photos)
    stored = {
        "embedding": encodings.vectors(ids),
        "features": encodings.pixel_features(ids),
        "pooled": encodings.pooled_features(ids),
    }
    for photo_id, photo in photos.items():
        photo |= {name: values.get(photo_id) for name, values in stored.items()}
    entries: dict[str, dict[str, Any]] = {
        photo["digest"].hex(): {name: value for name, value in photo.items() if name != "id"}
        for photo in photos.values()
    }
    for path, file in files.items():
        entries[path] = {name: file[name] for name in ("mtime_ns", "size", "failure")}
        for name in ("photo_id", "previous_photo_id"):
            entries[path][name] = None if file[name] is None else photos[file[name]]["digest"]
    return entries


def differences(library: LibraryView, other: LibraryView) -> list[str]:
    """The differences between two libraries, except ids; vectors that differ by less than 1e-4 are equal."""
    first, second = contents(library), contents(other)
    lines = [f"{subject} is in one library only" for subject in sorted(first.keys() ^ second.keys())]
    for subject in first.keys() & second.keys():
        for name, value in second[subject].items():
            if not _is_equal(first[subject].get(name), value):
                lines.append(f"{subject}: {name} is {first[subject].get(name)!r}, not {value!r}")
    for sentence, embedding in zip(_SENTENCES, ColourRuntime().encode_text(_SENTENCES).embeddings, strict=True):
        results, expected = _top(library, embedding), _top(other, embedding)
        if results != expected:
            lines.append(f"{sentence}: {results} are found, not {expected}")
    return lines + [str(problem) for problem in verify(library)]


def _is_equal(value: Any, other: Any) -> bool:
    if isinstance(value, np.ndarray) and isinstance(other, np.ndarray):
        return value.shape == other.shape and bool(np.abs(value - other).max() <= _TOLERANCE)
    return bool(value == other)


def _top(library: LibraryView, embedding: NDArray[np.float32]) -> list[str]:
    ids, similarities = library.shortlist(embedding, 20)
    order = sorted(
        zip(-similarities.round(4), library.photos(ids.tolist()), strict=True), key=lambda pair: (pair[0], pair[1].path)
    )
    return [photo.path for _, photo in order]


if __name__ == "__main__":
    _die(sys.argv[1])
    _execute(Path(sys.argv[2]), Step(**json.loads(sys.argv[3])))
