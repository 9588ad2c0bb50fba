"""The log of a command that runs for long: one line for each event, with its time, its level and what happened."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging.handlers import WatchedFileHandler
from pathlib import Path

from cli.output import printable
from model.errors import PixelseekError

_OURS = logging.getLogger("pixelseek")
_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_OTHERS = ("waitress", "watchfiles")
"""Packages that `--verbose` logs too, from INFO on: at DEBUG watchfiles reports each line added to the log itself."""
_TIME = "%Y-%m-%dT%H:%M:%S%z"
_EVENT = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} [A-Z]+ [\w.]+: ", re.MULTILINE)
"""How each event of a log of ours begins."""
_START_BYTES = 1 << 16


class LogFileRefused(PixelseekError):  # noqa: N818
    """A log cannot be written to that file; the message says why."""


class _OneLine(logging.Formatter):
    """Escapes line breaks and control characters: anybody may have chosen a file name or a sentence.

    The lines of a traceback are indented, so that none looks like an event.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The event in a line, and a bug's traceback below it."""
        record.message = record.getMessage()
        record.asctime = self.formatTime(record, self.datefmt)
        lines = [printable(self.formatMessage(record))]
        if record.exc_info and record.exc_info[0] is not None:
            lines += [f"    {printable(line)}" for line in self.formatException(record.exc_info).split("\n")]
        return "\n".join(lines)


class _LogFile(WatchedFileHandler):
    """A file that another program may rotate. When it cannot be written, the command goes on without it."""

    _is_reported = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Report once why the log has a gap."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._is_reported:
            self._is_reported = True
            sys.stderr.write(f"pixelseek: {printable(self.baseFilename)}: {error.strerror}; the log has a gap here\n")


@contextmanager
def logging_to(file: Path | None, *, verbose: bool) -> Iterator[None]:
    """Log to `file`, by default to standard error, until the end. `verbose` logs every request too.

    Packages that we use log their warnings alone; `verbose` adds news of the server and of the watched folders. What
    ends the command goes to the file as well. Raises OSError where the file cannot be opened, and LogFileRefused where
    it is no log.
    """
    handler: logging.Handler = logging.StreamHandler()
    if file is not None:
        _require_log(file)
        handler = _LogFile(file, encoding="utf-8")
    handler.setFormatter(_OneLine(_LINE, _TIME))
    root = logging.getLogger()
    loggers = [_OURS, *map(logging.getLogger, _OTHERS)]
    levels = [logger.level for logger in loggers]
    root.addHandler(handler)
    _OURS.setLevel(logging.DEBUG if verbose else logging.INFO)
    for logger in loggers[1:] if verbose else ():
        logger.setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    try:
        yield
    except Exception as error:
        if file is not None:  # `cli.main` writes to standard error
            is_bug = not isinstance(error, PixelseekError | OSError)
            _OURS.error("ended by: %s", error, exc_info=is_bug)
        raise
    finally:
        logging.captureWarnings(capture=False)
        root.removeHandler(handler)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        with suppress(OSError):  # it has been reported
            handler.close()


def _require_log(file: Path) -> None:
    """Raise LogFileRefused where `file` is one of the user's, such as a photo: a line more would change it."""
    if not file.is_file():  # a new one, a pipe or a device
        return
    with file.open("rb") as opened:
        start = opened.read(_START_BYTES)
    if start and not _EVENT.search(start):
        raise LogFileRefused(f"{file} exists and is no log of Pixelseek. Name a new file.")
