"""The life of a library in chapters, each killed (-9) at random moments and told again until it comes to its end.

A second library lives the same life in peace, and after every chapter the two must be equal. `test_crash` tells the
short form, `benchmarks.crashes` the long one. Run as a program, this tells one chapter, and dies where it is told to.
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
_ALIKE = 1e-4
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
    UPDATE alembic_version SET version_num = '0001';
"""


@dataclass
class Outcome:
    """What the kills have done."""

    kills: Counter[str] = field(default_factory=Counter)
    """By chapter."""
    lost: int = 0
    """Photos that were in the catalog once and later were not."""
    repairs: list[str] = field(default_factory=list)
    """Problems after a kill that the next run would not have mended by itself."""
    differences: list[str] = field(default_factory=list)
    """Where the library was not the one that lived in peace."""
    chapters: int = 0
    photos: int = 0
    """In the end."""


def live(
    home: Path,
    *,
    kills: int,
    most_a_chapter: int,
    seed: int,
    photos: int = 60,
    told: Callable[[Outcome], None] | None = None,
) -> Outcome:
    """Lead a library through chapters until it was killed `kills` times; `told` hears of every kill."""
    random, outcome = Random(seed), Outcome()
    disk = _Disk(home, random)
    victim, peaceful = home / "victim", home / "peaceful"
    known: set[bytes] = set()
    for chapter in _chapters(disk, photos):
        outcome.chapters += 1
        if chapter.command == "migrate":
            for library in (victim, peaceful):
                age(library)
        started = time.monotonic()
        _tell(peaceful, chapter)
        length = time.monotonic() - started
        for _ in range(1 if chapter.command == "migrate" else random.randint(1, most_a_chapter)):
            if sum(outcome.kills.values()) == kills or not _tell_and_kill(victim, chapter, random, length):
                break
            outcome.kills[chapter.command] += 1
            with LibraryView.open(victim, generation=_answering(victim), create=True) as opened:
                outcome.repairs += [str(one) for one in verify(opened) if "--repair" in one.message]
                now = _digests(opened)
            outcome.lost += len(known - now)
            known |= now
            if told is not None:
                told(outcome)
        _run(victim, chapter, _NEVER)
        with _open(victim, chapter) as one, _open(peaceful, chapter) as other:
            outcome.differences += [f"{chapter.command}: {line}" for line in differences(one, other)]
            outcome.photos = one.photo_count()
            now = _digests(one)
        outcome.lost += len(known - now)
        known |= now
        if sum(outcome.kills.values()) == kills:
            return outcome
    raise AssertionError("there is always another chapter")


@dataclass(frozen=True)
class Chapter:
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
        """Edit, move, copy and delete as many photos each; one is cut short, and what was is mended."""
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


def _chapters(disk: _Disk, photos: int) -> Iterator[Chapter]:
    everywhere = [str(folder) for folder in disk.folders]
    for number in itertools.count(1):
        now, later = f"colours-{number}", f"colours-{number + 1}"
        disk.add(photos)
        yield Chapter("index", now, everywhere)
        yield Chapter("annotate", now, [str(path) for path in disk.files()[:: max(1, len(disk.files()) // 20)]])
        disk.change(photos // 8)
        yield Chapter("index", now, everywhere)
        yield Chapter("remove", now, everywhere[1:])
        disk.change(photos // 8)
        yield Chapter("index", now, everywhere)
        yield Chapter("migrate", now, [])
        yield Chapter("change of weights", later, everywhere)
        for path in disk.files()[: -2 * photos]:  # so that it does not grow for ever
            path.unlink()


def _open(library: Path, chapter: Chapter) -> LibraryView:
    return LibraryView.open(library, generation=chapter.generation, create=True)


def _answering(library: Path) -> str:
    """The generation that answers searches."""
    with Library.open(library, create=True) as opened:
        return opened.current_generation() or GENERATION


def _tell(library: Path, chapter: Chapter) -> None:
    with _open(library, chapter) as opened:
        if chapter.command in ("index", "change of weights"):
            folders = [Path(path) for path in chapter.paths]
            index_folders(opened, folders, processor=colour_processor(), load_runtime=_SlowRuntime, workers=1)
        elif chapter.command == "remove":
            (folder,) = chapter.paths
            if folder in [known.path for known in opened.status().folders]:  # or it was done before the kill
                with LibraryWriter.lock(opened) as writer:
                    writer.remove_folder(Path(folder))
        elif chapter.command == "annotate":
            for path in chapter.paths:
                try:
                    photo = opened.at(Path(path))
                except PhotoMissing:
                    continue  # cut short
                opened.annotate(photo.id, caption=f"what {Path(path).stem} shows", tags=["written", Path(path).stem])


class _SlowRuntime(ColourRuntime):
    def encode_image(self, images: Any) -> EncodedImages:
        time.sleep(0.05)
        return super().encode_image(images)


def _tell_and_kill(library: Path, chapter: Chapter, random: Random, length: float) -> bool:
    """Whether the kill came before the end. Half of them come close after the beginning of a write."""
    if random.random() < 0.5:
        return _run(library, chapter, f"write {random.randint(1, _LATEST_WRITE)} {random.uniform(0, _AFTER_A_WRITE_S)}")
    return _run(library, chapter, f"time {random.uniform(0, length)}")


def _run(library: Path, chapter: Chapter, death: str) -> bool:
    command = [sys.executable, "-m", "tests.indexer.crashes", death, str(library), json.dumps(asdict(chapter))]
    run = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    if run.returncode not in (0, -signal.SIGKILL):
        raise AssertionError(f"{chapter.command} ended with status {run.returncode}: {run.stderr}")
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
    """Everything known of each file and of each photo without one, ids aside."""
    photos: dict[int, dict[str, Any]] = {}
    files: dict[str, dict[str, Any]] = {}
    with library.catalog.connect() as connection:
        for row in connection.execute(select(photo_table)).mappings():
            photos[row["id"]] = {**row, "tokens": ""}
        for row in connection.execute(select(annotation_table)).mappings():
            photos[row["photo_id"]] |= {"caption": row["caption"], "tags": row["tags"]}
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
        photo |= {name: found.get(photo_id) for name, found in stored.items()}
    told: dict[str, dict[str, Any]] = {
        photo["digest"].hex(): {name: value for name, value in photo.items() if name != "id"}
        for photo in photos.values()
    }
    for path, file in files.items():
        told[path] = {name: file[name] for name in ("mtime_ns", "size", "failure")}
        for name in ("photo_id", "previous_photo_id"):
            told[path][name] = None if file[name] is None else photos[file[name]]["digest"]
    return told


def differences(library: LibraryView, other: LibraryView) -> list[str]:
    """In what two libraries differ, ids aside; vectors nearer than 1e-4 are the same."""
    one, two = contents(library), contents(other)
    lines = [f"{subject} is in one only" for subject in sorted(one.keys() ^ two.keys())]
    for subject in one.keys() & two.keys():
        for name, value in two[subject].items():
            if not _same(one[subject].get(name), value):
                lines.append(f"{subject}: {name} is {one[subject].get(name)!r}, not {value!r}")
    for sentence, embedding in zip(_SENTENCES, ColourRuntime().encode_text(_SENTENCES).embeddings, strict=True):
        first, second = (_top(each, embedding) for each in (library, other))
        if first != second:
            lines.append(f"{sentence}: {first} are found, not {second}")
    return lines + [str(problem) for problem in verify(library)]


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(two, np.ndarray):
        return one.shape == two.shape and bool(np.abs(one - two).max() <= _ALIKE)
    return bool(one == two)


def _top(library: LibraryView, embedding: NDArray[np.float32]) -> list[str]:
    ids, similarities = library.shortlist(embedding, 20)
    order = sorted(
        zip(-similarities.round(4), library.photos(ids.tolist()), strict=True), key=lambda pair: (pair[0], pair[1].path)
    )
    return [photo.path for _, photo in order]


if __name__ == "__main__":
    _die(sys.argv[1])
    _tell(Path(sys.argv[2]), Chapter(**json.loads(sys.argv[3])))
