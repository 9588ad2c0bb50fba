"""The one class that every exception of Pixelseek comes from."""

from __future__ import annotations


class PixelseekError(Exception):
    """Something went wrong that the person at the keyboard can do something about.

    The message is written for that person: it names what is wrong and the remedy. The command line prints it after
    `pixelseek: error: ` and exits with status 1. Any other exception is a bug, or the operating system's.
    """


class RerankerAway(PixelseekError):  # noqa: N818
    """A reranker on other machines has not answered; the message says why."""
