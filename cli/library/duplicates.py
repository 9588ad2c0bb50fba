"""`pixelseek library duplicates`: photos that are nearly the same."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from cli.options import chosen_library, json_option, library_option, viewed_generation, viewed_weights_option
from cli.output import print_json, readable_size, shown_path

_ONLY = "  (the only one that can be reached now)"
_MARKS = {
    "here": "",
    "changed": "  (changed since it was indexed)",
    "offline": "  (not reachable now)",
    "gone": "  (gone)",
}


@click.command()
@click.option(
    "--agreement",
    type=click.FloatRange(min=0.0, max=1.0),
    help="How nearly the same: lower finds more, and more that are not.",
)
@library_option
@viewed_weights_option
@json_option
def duplicates(agreement: float | None, library: Path | None, weights: str | None, as_json: bool) -> None:
    """List photos that are nearly the same, in groups: copies, resized, compressed again, cropped a little.

    The largest of a group comes first. Several paths of one file (links) are one file. What cannot be reached now is
    gone, or has changed since it was indexed is marked, and so is the only file within reach. Nothing is deleted.

    Example: pixelseek library duplicates --json
    """
    from tqdm import tqdm

    from engine.duplicates import MIN_AGREEMENT, find_duplicates
    from indexer.library.view import LibraryView

    with (
        LibraryView.open(chosen_library(library), generation=viewed_generation(weights)) as opened,
        tqdm(desc="Comparing", unit=" photos", delay=0.5, dynamic_ncols=True) as bar,
    ):

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        groups = find_duplicates(opened, agreement=MIN_AGREEMENT if agreement is None else agreement, progress=show)
    if as_json:
        print_json({"groups": [{"copies": [asdict(copy) for copy in group]} for group in groups]})
        return
    for group in groups:
        here = sum(copy.state == "here" for copy in group)
        for copy in group:
            mark = _ONLY if here == 1 and copy.state == "here" else _MARKS[copy.state]
            size = f"{copy.width} x {copy.height}"
            click.echo(f"{size:>13}  {readable_size(copy.size):>9}  {shown_path(copy.path)}{mark}")
            for path in copy.links:
                click.echo(f"{'the same file:':>26} {shown_path(path)}")
        click.echo()
    click.echo(f"{len(groups):,} groups")
