"""Run where the system gives few watches: `python -m tests.indexer.blind FOLDER` says how watching went there."""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from threading import Event, Thread

from indexer import notifications
from indexer.indexing import IndexReport
from indexer.watching import watch_folders
from tests.indexer.colour_runtime import colour_processor
from tests.indexer.desk import Desk, scribble

_PATIENCE_S = 60


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _watch(desk: Desk, reports: list[IndexReport], stop: Event) -> None:
    with desk.open() as library:
        watch_folders(
            library,
            [desk.photos],
            processor=colour_processor(),
            load_runtime=lambda: desk.runtime,
            indexed=reports.append,
            delayed=lambda _: None,
            stop=stop,
        )


def main(folder: Path) -> None:
    """Watch a folder of five folders, add photos, and print what was found and said, and at what cost."""
    notifications._POLL_S, notifications._QUIET_S = 1.0, 0.25
    desk = Desk(folder / "photos", folder / "library")
    for number in range(5):
        (desk.photos / str(number)).mkdir(parents=True)
    log, reports, stop = _Lines(), list[IndexReport](), Event()
    logging.getLogger("pixelseek").addHandler(log)
    thread = Thread(target=_watch, args=(desk, reports, stop))
    thread.start()
    end = time.monotonic() + _PATIENCE_S
    while not reports and time.monotonic() < end:
        time.sleep(0.1)
    for number, place in enumerate(("0", "4", "new/er")):
        scribble(desk.photos / place / "a.png", number)
        for more in range(5):
            (desk.photos / place / f"{more}").mkdir(parents=True, exist_ok=True)
    while sum(report.added for report in reports) < 3 and time.monotonic() < end:
        time.sleep(0.1)
    cpu, clock = time.process_time(), time.monotonic()
    time.sleep(2)
    cores = (time.process_time() - cpu) / (time.monotonic() - clock)
    stop.set()
    thread.join()
    sys.stdout.write(json.dumps({"added": sum(report.added for report in reports), "log": log.lines, "cores": cores}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
