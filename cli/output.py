"""How results are printed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from engine.results import Hit

_BAR_CELLS = 10


def print_json(value: Any) -> None:
    """Print `value` as JSON. Pure ASCII: any file name survives any pipe and any terminal."""
    click.echo(json.dumps(value, indent=2))


def print_hits(hits: Sequence[Hit], *, cutoff: float = 0.0) -> None:
    """One line a hit: rank, match as a percentage and a bar, path; a rule above the matches below `cutoff`.

    Where none has a match, the similarity instead; neither where there was no sentence.
    """
    reranked = any(hit.match is not None for hit in hits)
    strong = sum(hit.match is not None and hit.match >= cutoff for hit in hits)
    for rank, hit in enumerate(hits, start=1):
        if reranked and rank == strong + 1:
            click.echo(f"      {'weaker matches' if strong else 'only weak matches'}")
        if hit.similarity is None:
            measure = ""
        elif not reranked:
            measure = f"{hit.similarity:6.3f}"
        elif hit.match is None:
            measure = f"{'-':>5}  {'':{_BAR_CELLS}}"
        else:
            measure = f"{hit.match:5.0%}  {bar(hit.match)}"
        away = "" if hit.online else "  (not reachable now)"
        click.echo(f"{rank:4}  {measure}{'  ' if measure else ''}{printable(hit.path)}{away}")


def bar(fraction: float) -> str:
    """`fraction` (0 to 1) as a bar of fixed width, drawn to an eighth of a character."""
    full, eighths = divmod(round(fraction * _BAR_CELLS * 8), 8)
    return ("█" * full + " ▏▎▍▌▋▊▉"[eighths]).rstrip().ljust(_BAR_CELLS)


def readable_size(size: int) -> str:
    """`size` bytes as people read it."""
    for unit, suffix in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:,.1f} {suffix}"
    return f"{size} bytes"


def printable(path: str) -> str:
    """`path` with what would garble a terminal (control characters, undecodable bytes) escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in path
    )
