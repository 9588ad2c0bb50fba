"""Commands that write to one library side by side, each in a process of its own, while a server answers from it.

`test_contention` does it for some seconds, `benchmarks.contention` for longer.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from indexer.library.verification import verify
from indexer.library.view import LibraryView
from tests.cli.commands import ROOT, RUN, pixelseek
from tests.cli.test_serve import free_port, get
from tests.engine.libraries import SENTENCE
from tests.indexer.desk import scribble

KINDS = ("index", "caption", "remove", "watch", "serve")
_KEPT, _AT_ONCE = 12, 3
_TURNED_AWAY = "is being written by"
_PATIENCE_S, _LET_OTHERS_IN_S = 120.0, 0.5
_WRITE = "from tests.cli.contention import write; write()"


@dataclass
class Outcome:
    """What came of it."""

    seconds: float
    operations: Counter[str] = field(default_factory=Counter)
    """By kind, those that were done."""
    turned_away: Counter[str] = field(default_factory=Counter)
    """Those that were told to wait for another writer, as promised."""
    errors: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    photos: int = 0
    """In the end."""


@dataclass(frozen=True)
class _Desk:
    """The folders of photos, each with its own owner, and the library of them all."""

    home: Path
    weights: Path

    @property
    def library(self) -> Path:
        return self.home / "library"

    def folder(self, name: str) -> Path:
        return self.home / name

    def command(self, *arguments: str | Path) -> list[str]:
        """That command on the library; with the weights, where it needs a model."""
        weights = ["--weights", str(self.weights)] if arguments[0] in ("index", "watch", "serve", "search") else []
        return [*map(str, arguments), "--library", str(self.library), *weights]

    def fill(self, name: str, count: int, seeds: Iterator[int]) -> list[Path]:
        return [scribble(self.folder(name) / f"{seed}.png", seed) for seed, _ in zip(seeds, range(count), strict=False)]


def contend(home: Path, weights: Path, seconds: float) -> Outcome:
    """Index, caption, remove, watch and serve one library for so long; then see what is in it."""
    desk = _Desk(home, weights)
    desk.fill("kept", _KEPT, iter(range(_KEPT)))
    for name in ("growing", "coming and going", "watched"):
        desk.folder(name).mkdir()
    first = pixelseek(*desk.command("index", desk.folder("kept"), desk.folder("watched")))
    assert first.exit_code == 0, first.output
    outcome = Outcome(seconds)
    with ExitStack() as stack:
        address = stack.enter_context(_serving(desk, outcome))
        stack.enter_context(_watching(desk, outcome))
        started = time.monotonic()
        writers = {kind: _start(kind, desk, seconds) for kind in ("index", "caption", "remove")}
        dropped = _ask_and_drop(desk, address, started + seconds, outcome)
        outcome.seconds = time.monotonic() - started
        reports = {kind: _report(kind, run, outcome) for kind, run in writers.items()}
        _wait_until_watched(desk, dropped, outcome)
    _see_what_is_there(desk, [*dropped, *map(Path, reports["index"]["files"])], reports["caption"]["captions"], outcome)
    return outcome


def _ask_and_drop(desk: _Desk, address: str, end: float, outcome: Outcome) -> list[Path]:
    """Search in the browser, and now and then drop photos into the watched folder."""
    seeds, dropped = iter(range(10**6, 2 * 10**6)), list[Path]()
    asked = [
        f"/api/v1/search?{urllib.parse.urlencode({'q': SENTENCE, 'limit': 100})}",
        f"/?{urllib.parse.urlencode({'q': 'blue'})}",
        "/api/v1/photos/1",
        "/api/v1/photos/1/duplicates",
        "/api/v1/facets",
        "/api/v1/status",
    ]
    while time.monotonic() < end:
        dropped += desk.fill("watched", 1, seeds)
        for path in asked:
            try:
                with urllib.request.urlopen(address + path, timeout=60) as answer:
                    answer.read()
                outcome.operations["serve"] += 1
            except urllib.error.HTTPError as error:
                outcome.errors.append(f"serve: {path} {error.code} {error.read().decode()[:300]}")
            except OSError as error:
                outcome.errors.append(f"serve: {path} {error}")
    return dropped


def _see_what_is_there(desk: _Desk, files: list[Path], captions: dict[str, str], outcome: Outcome) -> None:
    with LibraryView.open(desk.library) as library:
        outcome.photos = library.photo_count()
        for path in files:
            try:
                library.photo_at(path)
            except Exception as error:
                outcome.losses.append(f"{path.name}: {error}")
        for name, caption in captions.items():
            kept = library.photo_at(Path(name)).caption
            if kept != caption:
                outcome.losses.append(f"{Path(name).name}: the caption is {kept!r}, not {caption!r}")
        outcome.losses += [str(problem) for problem in verify(library) if "--repair" in problem.message]


@contextmanager
def _serving(desk: _Desk, outcome: Outcome) -> Iterator[str]:
    port = free_port()
    with _running(desk.command("serve", "--port", str(port)), "serve", outcome, ends_with=0):
        address = f"http://127.0.0.1:{port}"
        get(f"{address}/healthz")
        yield address


@contextmanager
def _watching(desk: _Desk, outcome: Outcome) -> Iterator[None]:
    with _running(desk.command("watch", desk.folder("watched")), "watch", outcome, ends_with=128 + signal.SIGINT):
        yield


@contextmanager
def _running(arguments: list[str], kind: str, outcome: Outcome, ends_with: int) -> Iterator[None]:
    """A command that runs until it is stopped; what it says of trouble counts as an error."""
    log = Path(arguments[arguments.index("--library") + 1]).with_name(f"{kind}.log")
    with log.open("w") as output:
        run = subprocess.Popen([sys.executable, "-c", RUN, *arguments], cwd=ROOT, stdout=output, stderr=output)
        try:
            yield
            run.send_signal(signal.SIGINT)
            run.wait(_PATIENCE_S)
        finally:
            run.kill()
            run.wait()
    said = log.read_text()
    if run.returncode != ends_with or any(sign in said for sign in ("Traceback", "pixelseek: error", "locked")):
        outcome.errors.append(f"{kind}: status {run.returncode}: {said[-2000:]}")
    if kind == "watch":
        outcome.operations[kind] += said.count(" new, ")
        outcome.turned_away[kind] += said.count(_TURNED_AWAY)


def _wait_until_watched(desk: _Desk, dropped: list[Path], outcome: Outcome) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        with LibraryView.open(desk.library) as library:
            known = library.photo_count()
            missing = [path for path in dropped if path.name not in _names(library)]
        if not missing:
            return
        time.sleep(0.5)
    outcome.errors.append(f"watch: {len(missing)} of {len(dropped)} photos are not indexed, {known} are")


def _names(library: LibraryView) -> set[str]:
    return {Path(photo.path).name for photo in library.photos(library.photo_ids().tolist())}


def _start(kind: str, desk: _Desk, seconds: float) -> subprocess.Popen[str]:
    # Not as a module: the processes that decode photos would import that module, too.
    command = [sys.executable, "-c", _WRITE, kind, str(desk.home), str(desk.weights), str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _report(kind: str, run: subprocess.Popen[str], outcome: Outcome) -> dict[str, Any]:
    stdout, stderr = run.communicate()
    if run.returncode != 0:
        raise AssertionError(f"{kind} ended with status {run.returncode}: {stderr}")
    report: dict[str, Any] = json.loads(stdout.splitlines()[-1])
    outcome.operations[kind] += report["done"]
    outcome.turned_away[kind] += report["turned_away"]
    outcome.errors += [f"{kind}: {error}" for error in report["errors"]]
    return report


class _Writer:
    """One who gives the same command again and again."""

    def __init__(self, desk: _Desk, end: float) -> None:
        self._desk, self._end = desk, end
        self._random = Random(0)
        self.report: dict[str, Any] = {"done": 0, "turned_away": 0, "errors": [], "files": [], "captions": {}}

    def work(self, kind: str) -> None:
        """Until it is time to stop."""
        act: dict[str, Callable[[], None]] = {"index": self._index, "caption": self._caption, "remove": self._remove}
        while time.monotonic() < self._end:
            act[kind]()

    def _give(self, *arguments: str | Path) -> bool:
        """Whether the command was carried out."""
        result = pixelseek(*self._desk.command(*arguments))
        if result.exit_code == 0:
            self.report["done"] += 1
            if arguments[0] != "caption":
                time.sleep(_LET_OTHERS_IN_S)
        elif _TURNED_AWAY in result.stderr:
            self.report["turned_away"] += 1
            time.sleep(self._random.uniform(0.0, _LET_OTHERS_IN_S))
        else:
            self.report["errors"].append(f"{arguments[0]}: {result.output[-500:]}")
        return result.exit_code == 0

    def _index(self) -> None:
        seeds = iter(range(10**4 + len(self.report["files"]), 10**6))
        new = self._desk.fill("growing", _AT_ONCE, seeds)
        if self._give("index", self._desk.folder("growing")):
            self.report["files"] += map(str, new)

    def _caption(self) -> None:
        photo = self._desk.folder("kept") / f"{self._random.randrange(_KEPT)}.png"
        text = f"written as number {self.report['done']}"
        if self._give("caption", photo, text):
            self.report["captions"][str(photo)] = text

    def _remove(self) -> None:
        folder = self._desk.folder("coming and going")
        shutil.rmtree(folder, ignore_errors=True)
        self._desk.fill("coming and going", _AT_ONCE, iter(range(2 * 10**6 + self.report["done"], 3 * 10**6)))
        while not self._give("index", folder) and time.monotonic() < self._end:
            pass
        while time.monotonic() < self._end and not self._give("library", "remove", folder):
            pass


def write() -> None:
    """Be one of those who write."""
    writer = _Writer(_Desk(Path(sys.argv[2]), Path(sys.argv[3])), time.monotonic() + float(sys.argv[4]))
    writer.work(sys.argv[1])
    sys.stdout.write(json.dumps(writer.report))
