"""`pixelseek library demo`: index a few photos and search them, in one command."""

from __future__ import annotations

import os
import shlex
from importlib.util import find_spec
from pathlib import Path

import click

from cli.options import FILE, library_option, weights_option
from model.errors import PixelseekError
from model.paths import resolved
from model.weights import DEFAULT

# The photographs among the pictures that come inside scikit-image and scikit-learn.
_SAMPLES = {
    "skimage": (
        "data",
        "astronaut.png brick.png camera.png chelsea.png clock_motion.png coffee.png coins.png grass.png gravel.png "
        "moon.png motorcycle_left.png rocket.jpg",
    ),
    "sklearn": ("datasets/images", "china.jpg flower.jpg"),
}
_SAMPLE_SENTENCES = ("a cat looking at the camera", "a cup of coffee on a table", "a motorcycle")
_SENTENCES = ("a dog running on grass", "people outdoors", "food on a table")
_HITS = 5


class DemoError(PixelseekError):
    """The demo lacks something; the message says how to get it."""


@click.command()
@click.option("--photos", type=FILE, metavar="DIR", help="A folder of photos. Default: sample photos.")
@library_option
@weights_option
def demo(photos: Path | None, library: Path | None, weights: str) -> None:
    """Index a folder, or sample photos, and search it.

    It makes a library apart from yours.

    Example: pixelseek library demo --photos ~/Pictures
    """
    from cli.index import index_photos, print_report
    from cli.output import print_result
    from engine.search import SearchEngine

    home = _home(photos) if library is None else library
    folder = copy_samples(home.with_name(f"{home.name}-photos")) if photos is None else photos
    click.echo(f"Indexing {folder}", err=True)
    print_report(*index_photos(home, [folder], weights))
    with SearchEngine.open(home, weights=weights) as engine:
        for sentence in _SAMPLE_SENTENCES if photos is None else _SENTENCES:
            result = engine.search(sentence, limit=_HITS)
            click.echo(f"\n{sentence}  ({result.timings_ms['total']:.0f} ms)")
            print_result(result)
    again = shlex.join(["--library", str(home)] + ([] if weights == DEFAULT else ["--weights", weights]))
    click.echo(f'\nNow say it in your own words:\n  pixelseek search "..." {again}\nOr in a browser:')
    click.echo(f"  pixelseek serve {again}\nYour own photos:\n  pixelseek index ~/Pictures")


def _home(photos: Path | None) -> Path:
    """A library apart from the user's own, one for each folder."""
    from hashlib import blake2b

    from indexer.library.defaults import default_library

    name = "samples"
    if photos is not None:
        name = blake2b(os.fsencode(resolved(photos)), digest_size=4).hexdigest()
    return default_library().with_name("pixelseek-demo") / name


def copy_samples(folder: Path) -> Path:
    """Copy the sample photographs into `folder`, where none of the user's is replaced.

    Nothing is downloaded: they are inside the two packages.
    """
    from cli.originals import copy_originals

    samples: list[Path] = []
    for package, (below, names) in _SAMPLES.items():
        spec = find_spec(package)
        if spec is None or spec.submodule_search_locations is None:
            raise DemoError(
                "the sample photos are not installed: pip install 'pixelseek[demo]', or name a folder with --photos"
            )
        source = Path(spec.submodule_search_locations[0], below)
        samples += [source / name for name in names.split() if (source / name).exists()]
    for sample, reason in copy_originals(samples, folder).failed:
        raise DemoError(f"{sample} cannot be copied to {folder}: {reason}. Name another --library.")
    return folder
