"""Paths as people type them, with `~` for their home folder."""

from __future__ import annotations

import os
from pathlib import Path

_HERE = os.path.join(os.curdir, "")  # noqa: PTH118  # Path drops the dot


def expanded(path: str | Path) -> Path:
    """`path` with the home folder in place of the first part `~`, unless there is a file or folder of that very name.

    A shell has put in the home folder already, but not where `~` follows a `=`, is in a variable or comes from a form.
    `./~` is no home folder, and neither is `~mary`: that is a name like any other. Nothing is raised.
    """
    text = os.fspath(path)
    if text.startswith(_HERE) and _begins_at_home(text.removeprefix(_HERE)):
        return Path.cwd() / text
    if _begins_at_home(text) and not os.path.lexists(text):
        return Path(os.path.expanduser(text))  # noqa: PTH111  # where there is no home folder, Path raises RuntimeError
    return Path(text)


def resolved(path: str | Path) -> Path:
    """The absolute path that `expanded` leads to, by whatever links; of a loop of links, itself.

    Path raises RuntimeError there.
    """
    return Path(os.path.realpath(expanded(path)))


def home_folder() -> Path:
    """The home folder of this person; `~` where the system knows of none."""
    return Path(os.path.expanduser("~"))  # noqa: PTH111


def _begins_at_home(text: str) -> bool:
    return text == "~" or text.startswith(("~/", f"~{os.sep}"))
