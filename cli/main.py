"""The `pixelseek` command: its subcommands, and how each of them fails.

Exit status: 0 done, 1 it could not be done, 2 wrong usage, 130 stopped with Ctrl-C, 143 with SIGTERM. Results go to
standard output, everything else to standard error. Command modules import what is heavy inside their functions.
"""

from __future__ import annotations

import _thread
import errno
import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TextIO, cast

import click

from cli.groups import LazyGroup
from model.errors import PixelseekError

_SECTIONS = {
    "Commands": ("index", "watch", "search", "similar", "explain", "caption", "teach", "serve", "status", "config"),
    "More commands": ("library", "model", "completion"),
    "Experimental": ("ask",),
}
_MOVED = dict.fromkeys(("data", "train", "evaluate", "calibrate", "heads"), "model") | dict.fromkeys(
    ("verify", "export", "duplicates", "remove", "password", "demo"), "library"
)
"""Commands that had no group once, and the group they are in: scripts go on working."""
_LITTLE_LATER_S = 0.05
_IMPORTING = "<frozen importlib._bootstrap>"
_CLOSING = ("_close_connection", "_finalize_fairy")  # of sqlalchemy.pool.base
_OBJECTS_TO_COLLECT = 100_000
"""Imports make so many objects that a collection after every 700 takes a tenth of a second at start-up."""
_stopped_by = signal.SIGINT


def _stop(number: int, frame: FrameType | None) -> None:
    """End on Ctrl-C or SIGTERM with a KeyboardInterrupt, which every command handles.

    Not during an import: where a compiled module is being loaded, it would be an ImportError, or abort the process.
    Nor while a connection to a database is being closed: SQLAlchemy would print a traceback.
    """
    global _stopped_by
    _stopped_by = signal.Signals(number)
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTING or frame.f_code.co_name in _CLOSING:
            return _stop_later()
        frame = frame.f_back
    raise KeyboardInterrupt


def _stop_later() -> None:
    threading.Timer(_LITTLE_LATER_S, _thread.interrupt_main, [_stopped_by]).start()


def _stop_again(dropped: sys.UnraisableHookArgs) -> None:
    """Try again a little later where Python dropped the KeyboardInterrupt: in the callback of a weak reference."""
    if issubclass(dropped.exc_type, KeyboardInterrupt):
        _stop_later()
    else:
        sys.__unraisablehook__(dropped)


class _StandardOutput:
    """Standard output, whose errors bear its name: the disk that it goes to may be full."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write as a file does."""
        with self._named():
            return self._stream.write(text)

    def flush(self) -> None:
        """Flush as a file does."""
        with self._named():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @staticmethod
    @contextmanager
    def _named() -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, "standard output") from error


class _Pixelseek(LazyGroup):
    """Runs a command, and reports its failure in one line: only a bug gets a traceback."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, also by the name it had before it was put into a group."""
        if cmd_name in _MOVED:
            group = super().get_command(ctx, _MOVED[cmd_name])
            return group.get_command(ctx, cmd_name) if isinstance(group, LazyGroup) else None
        return super().get_command(ctx, cmd_name)

    def possible_names(self) -> list[str]:
        """The names that a command goes by."""
        return [*super().possible_names(), *_MOVED]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("\npixelseek: stopped; nothing is lost, the same command goes on where it was", err=True)
            sys.exit(128 + _stopped_by)
        except Exception as error:
            _tell(error)
            sys.exit(1)


def _tell(error: Exception) -> None:
    """Print what the user can do something about; raise any other error."""
    message = _for_the_user(error)
    if message is None:
        raise error
    click.echo(f"pixelseek: error: {message}", err=True)


def _for_the_user(error: Exception) -> str | None:
    """The message of an error the user can do something about; None for any other, which is a bug."""
    if isinstance(error, PixelseekError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name and find_spec(error.name.partition(".")[0]) is None:
        return f"this needs {error.name}, which is not installed: pip install 'pixelseek[train]'"
    if isinstance(error, OSError) and error.errno != errno.EPIPE:
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return None


def _print_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"pixelseek {version('pixelseek')}")
        ctx.exit()


@click.group(
    cls=_Pixelseek,
    package="cli",
    sections=_SECTIONS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 110},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
@click.pass_context
def app(ctx: click.Context) -> None:
    """Find your own photos with a sentence.

    \b
    pixelseek index ~/Pictures
    pixelseek search "a dog running on the beach"
    """
    if ctx.invoked_subcommand is None:
        from cli.next_steps import print_next_steps

        print_next_steps()


def main() -> None:
    """Run the command line."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    sys.stdout = cast(TextIO, _StandardOutput(sys.stdout))
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` and shells tell programs in the background
            signal.signal(number, _stop)
    gc.set_threshold(_OBJECTS_TO_COLLECT)
    sys.unraisablehook = _stop_again
    try:
        app(prog_name="pixelseek")
    except SystemExit as end:
        _leave(end.code)
    except OSError as error:  # of what Click prints itself, such as the help
        _tell(error)
        _leave(1)


def _open_what_is_closed() -> None:
    """Put what swallows all in the place of a standard stream that is closed, as by `>&-`.

    Python has None there, and the system gives its number to the file that is opened next: perhaps to the catalog.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115  # until the process ends


def _leave(code: str | int | None) -> NoReturn:
    """End at once: the regular shutdown of the interpreter takes a fifth of a second and frees nothing we need."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # a pipe whose reader has gone, or a full disk, of which `_Pixelseek` has told
        pass
    os._exit(code if isinstance(code, int) else code is not None)
