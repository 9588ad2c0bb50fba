"""Run the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from cli.main import app

ROOT = Path(__file__).parents[2]
RUN = "from cli.main import main; main()"


def pixelseek(*arguments: str | Path, typed: str | None = None) -> Result:
    """What `pixelseek` with these arguments prints when somebody types that, and its exit status; a bug is raised."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="pixelseek", input=typed)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def pixelseek_alone(*arguments: str | Path, script: str = RUN) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own; `script` is what runs there."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)
