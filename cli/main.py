"""The `pixelseek` command: its subcommands, and how every one of them fails.

Exit status: 0 done, 1 it could not be done, 2 wrong usage, 130 stopped with Ctrl-C, 143 with SIGTERM. Results go to
standard output, everything else to standard error. Command modules import what is heavy inside their functions.
"""

from __future__ import annotations

import errno
import signal
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli import (
    calibrate,
    caption,
    data,
    demo,
    duplicates,
    evaluate,
    explain,
    export,
    export_onnx,
    index,
    password,
    remove,
    search,
    serve,
    similar,
    status,
    train,
    verify,
    watch,
)

_OUR_PACKAGES = frozenset({"cli", "engine", "indexer", "model", "web"})


_stopped_by = signal.SIGINT


def _stop(number: int, _frame: object) -> None:
    """End as on Ctrl-C: all that is being done knows how to."""
    global _stopped_by
    _stopped_by = signal.Signals(number)
    raise KeyboardInterrupt


class _Pixelseek(TyperGroup):
    """Tells the user in one line what went wrong; only a bug gets a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("\npixelseek: stopped; nothing is lost, the same command goes on where it was", err=True)
            raise typer.Exit(128 + _stopped_by) from None
        except Exception as error:
            message = _for_the_user(error)
            if message is None:
                raise
            typer.echo(f"pixelseek: error: {message}", err=True)
            raise typer.Exit(1) from None


def _for_the_user(error: Exception) -> str | None:
    """The message of an error the user can do something about; None for any other.

    Exception classes of our own are written for the user, every one of them. Known by where they are defined,
    so that reporting one imports nothing.
    """
    if isinstance(error, ModuleNotFoundError) and str(error.name).partition(".")[0] not in _OUR_PACKAGES:
        return f"this needs {error.name}, which is not installed: pip install 'pixelseek[train]'"
    if isinstance(error, OSError) and error.errno != errno.EPIPE:
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return str(error) if type(error).__module__.partition(".")[0] in _OUR_PACKAGES else None


app = typer.Typer(
    cls=_Pixelseek,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"pixelseek {version('pixelseek')}")
        raise typer.Exit


@app.callback()
def pixelseek(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Find your own photos with a sentence.

    \b
    pixelseek index ~/Pictures
    pixelseek search "a dog running on the beach"
    """


_COMMANDS: tuple[Callable[..., None], ...] = (
    index.index,
    watch.watch,
    search.search,
    similar.similar,
    explain.explain,
    caption.caption,
    duplicates.duplicates,
    serve.serve,
    password.password,
    status.status,
    verify.verify,
    export.export,
    remove.remove,
    demo.demo,
    train.train,
    evaluate.evaluate,
    calibrate.calibrate,
    export_onnx.export_onnx,
)
for _command in _COMMANDS:
    app.command()(_command)
app.add_typer(data.data_app, name="data")


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    signal.signal(signal.SIGTERM, _stop)
    app(prog_name="pixelseek")
