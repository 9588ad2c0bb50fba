"""`pixelseek data`: captioned photos from the layouts they are published in, as shards for training and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import JsonOption
from cli.output import print_json, printable

if TYPE_CHECKING:
    from model.datasets.source import SourcePhoto


class Split(StrEnum):
    """What photos are for."""

    TRAIN = "train"
    DEV = "dev"
    TEST = "test"


ImagesOption = Annotated[Path, typer.Option("--images", metavar="DIR", help="The folder of the photos.")]
OutputOption = Annotated[Path, typer.Option("--output", metavar="DIR", help="Where the files go.")]
ShortSideOption = Annotated[
    int,
    typer.Option("--short-side", min=32, metavar="PIXELS", help="Photos with a longer short side are made smaller."),
]
SplitOption = Annotated[Split, typer.Option("--split", help="What photos without a split of their own are for.")]
KarpathyOption = Annotated[
    Path | None,
    typer.Option(
        "--karpathy", metavar="FILE", help="Karpathy's dataset_*.json: splits, and what to keep out of train."
    ),
]
TokensOption = Annotated[
    Path | None, typer.Option("--tokens", metavar="FILE", help="The token file: NAME.jpg#0<tab>caption.")
]
_SHORT_SIDE = 384

data_app = typer.Typer(no_args_is_help=True, help="Fetch captioned photos, and make shards of them.")
import_app = typer.Typer(no_args_is_help=True, help="Turn a published data set, or a folder of your own, into shards.")
data_app.add_typer(import_app, name="import")


class Published(StrEnum):
    """What can be fetched."""

    COCO_VAL2017 = "coco-val2017"
    COCO_KARPATHY = "coco-karpathy"


@data_app.command()
def download(dataset: Annotated[Published, typer.Argument(metavar="NAME")], output: OutputOption) -> None:
    """Fetch a published data set.

    NAME is coco-val2017 (1 GB) or coco-karpathy (20 GB: Karpathy's splits, all photos of COCO 2014). Fetched from its
    authors' servers, checked and unpacked. Stopped, it goes on where it was. Then: pixelseek data import coco.

    Example: pixelseek data download coco-val2017 --output coco
    """
    from model.datasets.downloading import DATASETS, download_files

    download_files(DATASETS[dataset.value], output)
    typer.echo(f"{dataset.value} is in {printable(str(output))}")


@import_app.command()
def coco(
    images: ImagesOption,
    output: OutputOption,
    annotations: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A caption file of COCO's: captions_train2014.json, ...")
    ] = None,
    karpathy: KarpathyOption = None,
    split: SplitOption = Split.TRAIN,
    short_side: ShortSideOption = _SHORT_SIDE,
    as_json: JsonOption = False,
) -> None:
    """COCO's captions.

    By a caption file of COCO's own, or by Karpathy's dataset_coco.json with all splits. With both, Karpathy's val
    and test photos are left out of train.

    Example: pixelseek data import coco --images coco --karpathy dataset_coco.json --output shards
    """
    from model.datasets.coco import read_coco
    from model.datasets.karpathy import held_out_coco_ids, read_karpathy

    left_out = 0
    if annotations is not None:
        held_out = None if karpathy is None else held_out_coco_ids(karpathy)
        photos, left_out = read_coco(annotations, images, split.value, held_out)
    elif karpathy is not None:
        photos = read_karpathy(karpathy, images, "coco")
    else:
        raise typer.BadParameter("name --annotations, --karpathy or both")
    _write(photos, output, "coco", short_side, as_json, left_out)


@import_app.command()
def flickr8k(
    images: ImagesOption,
    output: OutputOption,
    tokens: TokensOption = None,
    karpathy: KarpathyOption = None,
    short_side: ShortSideOption = _SHORT_SIDE,
    as_json: JsonOption = False,
) -> None:
    """Flickr8k's captions.

    By its token file, with the lists of its splits beside that, or by Karpathy's dataset_flickr8k.json.

    Example: pixelseek data import flickr8k --images Flicker8k_Dataset --tokens Flickr8k.token.txt --output shards
    """
    from model.datasets.flickr import read_flickr8k
    from model.datasets.karpathy import read_karpathy

    left_out = 0
    if karpathy is not None:
        photos = read_karpathy(karpathy, images, "flickr8k")
    elif tokens is not None:
        photos, left_out = read_flickr8k(tokens, images)
    else:
        raise typer.BadParameter("name --tokens or --karpathy")
    _write(photos, output, "flickr8k", short_side, as_json, left_out)


@import_app.command()
def flickr30k(
    images: ImagesOption,
    output: OutputOption,
    tokens: TokensOption = None,
    karpathy: KarpathyOption = None,
    split: SplitOption = Split.TRAIN,
    short_side: ShortSideOption = _SHORT_SIDE,
    as_json: JsonOption = False,
) -> None:
    """Flickr30k's captions.

    By its token file (one split for all), or by Karpathy's dataset_flickr30k.json.

    Example: pixelseek data import flickr30k --images flickr30k-images --karpathy dataset_flickr30k.json --output shards
    """
    from model.datasets.flickr import read_flickr30k
    from model.datasets.karpathy import read_karpathy

    if karpathy is not None:
        photos = read_karpathy(karpathy, images, "flickr30k")
    elif tokens is not None:
        photos = read_flickr30k(tokens, images, split.value)
    else:
        raise typer.BadParameter("name --tokens or --karpathy")
    _write(photos, output, "flickr30k", short_side, as_json)


@import_app.command(name="visual-genome")
def visual_genome(
    images: ImagesOption,
    output: OutputOption,
    regions: Annotated[Path, typer.Option(metavar="FILE", help="region_descriptions.json")],
    image_data: Annotated[Path, typer.Option("--image-data", metavar="FILE", help="image_data.json")],
    karpathy: Annotated[
        Path, typer.Option(metavar="FILE", help="Karpathy's dataset_coco.json: its val and test photos are left out.")
    ],
    short_side: ShortSideOption = _SHORT_SIDE,
    as_json: JsonOption = False,
) -> None:
    """Visual Genome's phrases, for training.

    What people said of a region counts as a caption of its photo.

    Example: pixelseek data import visual-genome --images vg --regions region_descriptions.json
    --image-data image_data.json --karpathy dataset_coco.json --output shards
    """
    from model.datasets.karpathy import held_out_coco_ids
    from model.datasets.visual_genome import read_visual_genome

    photos, left_out = read_visual_genome(regions, image_data, images, held_out_coco_ids(karpathy))
    _write(photos, output, "visual-genome", short_side, as_json, left_out)


@import_app.command()
def folder(
    images: ImagesOption,
    output: OutputOption,
    captions: Annotated[
        Path, typer.Option(metavar="FILE", help="JSON Lines or CSV with file_name, caption and perhaps split.")
    ],
    name: Annotated[str, typer.Option(help="What to call the data set.")] = "photos",
    split: SplitOption = Split.TRAIN,
    short_side: ShortSideOption = _SHORT_SIDE,
    as_json: JsonOption = False,
) -> None:
    """A folder of your own.

    Its captions are in one file, by file name.

    Example: pixelseek data import folder --images ~/Pictures --captions captions.jsonl --output shards
    """
    from model.datasets.folder import read_folder

    _write(read_folder(captions, images, name, split.value), output, name, short_side, as_json)


def _write(
    photos: Sequence[SourcePhoto], output: Path, dataset: str, short_side: int, as_json: bool, left_out: int = 0
) -> None:
    from model.datasets.importing import import_photos

    report = import_photos(photos, output, dataset=dataset, short_side=short_side)
    if as_json:
        print_json({**asdict(report), "left_out": left_out})
        return
    splits = ", ".join(f"{count:,} {split}" for split, count in report.splits.items())
    typer.echo(f"{report.photos:,} photos ({splits}) with {report.captions:,} captions: {len(report.shards)} shards")
    for shard in report.shards:
        typer.echo(f"  {printable(shard)}")
    if left_out:
        typer.echo(f"{left_out:,} photos left out: held out for testing, or in no split")
