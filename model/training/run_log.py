"""The log of a run: a JSON object a line, of one step each."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from model.atomic import replacing


class RunLog:
    """The file `path`, which only one process may write."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, record: Mapping[str, object]) -> None:
        """Append a record; it has a `step`."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def forget_after(self, step: int) -> None:
        """Drop the records of steps after `step`, which a killed run has lost and will take again."""
        if not self.path.exists():
            return
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        with replacing(self.path) as new:
            new.write_text("".join(f"{line}\n" for line in lines if _step_of(line) <= step), encoding="utf-8")


def _step_of(line: str) -> float:
    """Infinite where the line was cut short by a kill."""
    try:
        return float(json.loads(line)["step"])
    except (KeyError, TypeError, ValueError):
        return math.inf
