"""How results are printed."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from cli.paths import link, short_path, takes_links
from engine.results import Hit, SearchResult

BEST, MORE = "Best", "More like this"
"""The headings of the two groups of a result."""
_BAR_CELLS = 10
_NUMBERS = re.compile(r"\[\n[-+.,\s\deE]*\]")
"""A list of numbers over several lines. No text has a line break: JSON escapes it."""


def print_json(value: Any) -> None:
    """Print `value` as JSON. Pure ASCII: any file name survives any pipe and any terminal.

    Raises ValueError for NaN and infinity, which JSON has not, before anything is printed.
    """
    click.echo(_NUMBERS.sub(_in_one_line, json.dumps(value, indent=2, allow_nan=False)))


def _in_one_line(numbers: re.Match[str]) -> str:
    return " ".join(numbers[0].split()).replace("[ ", "[").replace(" ]", "]")


def print_result(
    result: SearchResult,
    *,
    verbose: bool = False,
    options: Sequence[str] = (),
    draw: Callable[[Hit], None] | None = None,
) -> None:
    """The hits of a search in their two groups, each under its heading; `verbose`: each with its match.

    Where nothing was reranked there are no groups; each hit has its similarity, or without a sentence its date.
    Commands to try instead, with the same `options`, go to standard error. `draw` draws a hit below its line.
    """
    best, others = result.hits[: result.line], result.hits[result.line :]
    measure = (_match if verbose else _nothing) if result.reranked else _similarity
    if result.absence is not None:
        click.echo(printable(result.absence))
    if best:
        click.echo(BEST)
        _print_lines(best, measure, 1, draw)
    if best and others:
        click.echo(f"\n{MORE}")
    _print_lines(others, measure, 1 + result.line, draw)
    if not result.hits and not result.hints:
        click.echo("No photo was found.", err=True)
    for hint in result.suggestions:
        click.echo(printable(hint.text), err=True)
        if hint.query is not None:
            words = ["--", hint.query] if hint.query.startswith("--") else [hint.query]
            click.echo(printable(f"Try: {shlex.join(['pixelseek', 'search', *options, *words])}"), err=True)


def print_hits(hits: Sequence[Hit], draw: Callable[[Hit], None] | None = None) -> None:
    """One line a hit: rank, similarity, path."""
    _print_lines(hits, _similarity, 1, draw)


def _print_lines(
    hits: Sequence[Hit], measure: Callable[[Hit], str], rank: int, draw: Callable[[Hit], None] | None
) -> None:
    for number, hit in enumerate(hits, start=rank):
        away = "" if hit.online else "  (not reachable now)"
        click.echo(f"{number:4}  {measure(hit)}{shown_path(hit.path)}{away}")
        if draw is not None:
            draw(hit)


def _nothing(_hit: Hit) -> str:
    return ""


def _match(hit: Hit) -> str:
    return f"{'-':>5}  {'':{_BAR_CELLS}}  " if hit.match is None else f"{hit.match:5.0%}  {bar(hit.match)}  "


def _similarity(hit: Hit) -> str:
    """The similarity; of a photo that was found by filters alone, when it was taken."""
    return _date(hit) if hit.similarity is None else f"{hit.similarity:6.3f}  "


def _date(hit: Hit) -> str:
    """As exact as it is known, to the minute."""
    return f"{(hit.taken_at or '-')[: len('2021-07-14T10:30')].replace('T', ' '):16}  "


def bar(fraction: float) -> str:
    """`fraction` (0 to 1) as a bar of fixed width, drawn to an eighth of a character."""
    full, eighths = divmod(round(fraction * _BAR_CELLS * 8), 8)
    return ("█" * full + " ▏▎▍▌▋▊▉"[eighths]).rstrip().ljust(_BAR_CELLS)


def counted(count: int, thing: str) -> str:
    """Such as `1 photo` and `2,000 photos`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def readable_size(size: int) -> str:
    """`size` bytes as people read it."""
    for unit, suffix in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:,.1f} {suffix}"
    return f"{size} bytes"


def shown_path(path: str) -> str:
    """The absolute `path` as it is printed: for a person short and a link, in a pipe whole."""
    if not sys.stdout.isatty():
        return printable(path)
    text = printable(short_path(path))
    return link(text, path) if takes_links() else text


def printable(path: str) -> str:
    """`path` with what would garble a terminal (control characters, undecodable bytes) escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in path
    )
