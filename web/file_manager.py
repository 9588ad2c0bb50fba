"""Show a file in the file manager of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from threading import Thread


def can_show_files() -> bool:
    """Whether a file manager can be started: there is a desktop, and the program that opens folders."""
    return _command("/") is not None


def show_file(path: str) -> bool:
    """Open the folder of the file at `path`, where the system can with the file selected. False where nothing can."""
    command = _command(path)
    if command is None:
        return False
    try:
        # No shell: a name is never read as a command. A session of its own, so that Ctrl-C does not close it.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    Thread(target=process.wait, daemon=True).start()
    return True


def _command(path: str) -> list[str] | None:
    """The program with its arguments. `path` is absolute, so that it is never read as an option."""
    if sys.platform == "darwin":
        program, arguments = shutil.which("open"), ["-R", path]
    elif sys.platform == "win32":
        program, arguments = shutil.which("explorer"), [f"/select,{path}"]
    elif os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        program, arguments = shutil.which("xdg-open"), [str(Path(path).parent)]
    else:
        return None
    return None if program is None else [program, *arguments]
