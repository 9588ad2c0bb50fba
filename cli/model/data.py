"""`pixelseek model data`: captioned photos, from the layouts they are published in, made into shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import FILE, json_option
from cli.output import print_json, printable

if TYPE_CHECKING:
    from model.data.source import SourcePhoto


_SPLITS = ("train", "dev", "test")
PUBLISHED = ("coco-val2017", "coco-karpathy")

_images_option = click.option("--images", type=FILE, metavar="DIR", required=True, help="The folder of the photos.")
_output_option = click.option("--output", type=FILE, metavar="DIR", required=True, help="Where the files go.")
_short_side_option = click.option(
    "--short-side",
    type=click.IntRange(min=32),
    metavar="PIXELS",
    default=384,
    help="Photos with a longer short side are made smaller.",
)
_split_option = click.option(
    "--split", type=click.Choice(_SPLITS), default="train", help="What photos without a split of their own are for."
)
_karpathy_option = click.option(
    "--karpathy",
    type=FILE,
    metavar="FILE",
    help="Karpathy's dataset_*.json: splits, and what to keep out of train.",
)
_tokens_option = click.option("--tokens", type=FILE, metavar="FILE", help="The token file: NAME.jpg#0<tab>caption.")


@click.group()
def data() -> None:
    """Fetch captioned photos, and make shards of them.

    Example: pixelseek model data import folder --images ~/Pictures --captions captions.jsonl --output shards
    """


@data.group(name="import")
def import_() -> None:
    """Turn a published data set, or a folder of your own, into shards."""


@data.command()
@click.argument("dataset", type=click.Choice(PUBLISHED), metavar="NAME")
@_output_option
def download(dataset: str, output: Path) -> None:
    """Fetch a published data set.

    NAME is coco-val2017 (1 GB) or coco-karpathy (20 GB: Karpathy's splits, all photos of COCO 2014). Fetched from its
    authors' servers, checked and unpacked. Stopped, it goes on where it was. Then: pixelseek model data import coco.

    Example: pixelseek model data download coco-val2017 --output coco
    """
    from model.data.downloading import DATASETS, download_files

    download_files(DATASETS[dataset], output)
    click.echo(f"{dataset} is in {printable(str(output))}")


@import_.command()
@_images_option
@_output_option
@click.option("--annotations", type=FILE, metavar="FILE", help="A caption file of COCO's: captions_train2014.json, ...")
@_karpathy_option
@_split_option
@_short_side_option
@json_option
def coco(
    images: Path,
    output: Path,
    annotations: Path | None,
    karpathy: Path | None,
    split: str,
    short_side: int,
    as_json: bool,
) -> None:
    """COCO's captions.

    By a caption file of COCO's own, or by Karpathy's dataset_coco.json with all splits. With both, Karpathy's val
    and test photos are left out of train.

    Example: pixelseek model data import coco --images coco --karpathy dataset_coco.json --output shards
    """
    from model.data.coco import read_coco
    from model.data.karpathy import held_out_coco_ids, read_karpathy

    left_out = 0
    if annotations is not None:
        held_out = None if karpathy is None else held_out_coco_ids(karpathy)
        photos, left_out = read_coco(annotations, images, split, held_out)
    elif karpathy is not None:
        photos = read_karpathy(karpathy, images, "coco")
    else:
        raise click.UsageError("name --annotations, --karpathy or both")
    _write(photos, output, "coco", short_side, as_json, left_out)


@import_.command()
@_images_option
@_output_option
@_tokens_option
@_karpathy_option
@_short_side_option
@json_option
def flickr8k(
    images: Path, output: Path, tokens: Path | None, karpathy: Path | None, short_side: int, as_json: bool
) -> None:
    """Flickr8k's captions.

    By its token file, with the lists of its splits beside that, or by Karpathy's dataset_flickr8k.json.

    Example: pixelseek model data import flickr8k --images Flicker8k_Dataset --tokens Flickr8k.token.txt --output shards
    """
    from model.data.flickr import read_flickr8k
    from model.data.karpathy import read_karpathy

    left_out = 0
    if karpathy is not None:
        photos = read_karpathy(karpathy, images, "flickr8k")
    elif tokens is not None:
        photos, left_out = read_flickr8k(tokens, images)
    else:
        raise click.UsageError("name --tokens or --karpathy")
    _write(photos, output, "flickr8k", short_side, as_json, left_out)


@import_.command()
@_images_option
@_output_option
@_tokens_option
@_karpathy_option
@_split_option
@_short_side_option
@json_option
def flickr30k(
    images: Path, output: Path, tokens: Path | None, karpathy: Path | None, split: str, short_side: int, as_json: bool
) -> None:
    """Flickr30k's captions.

    By its token file (one split for all), or by Karpathy's dataset_flickr30k.json.

    Example: pixelseek model data import flickr30k --images flickr30k-images --karpathy dataset_flickr30k.json
    --output shards
    """
    from model.data.flickr import read_flickr30k
    from model.data.karpathy import read_karpathy

    if karpathy is not None:
        photos = read_karpathy(karpathy, images, "flickr30k")
    elif tokens is not None:
        photos = read_flickr30k(tokens, images, split)
    else:
        raise click.UsageError("name --tokens or --karpathy")
    _write(photos, output, "flickr30k", short_side, as_json)


@import_.command(name="visual-genome")
@_images_option
@_output_option
@click.option("--regions", type=FILE, metavar="FILE", required=True, help="region_descriptions.json")
@click.option("--image-data", type=FILE, metavar="FILE", required=True, help="image_data.json")
@click.option(
    "--karpathy",
    type=FILE,
    metavar="FILE",
    required=True,
    help="Karpathy's dataset_coco.json: its val and test photos are left out.",
)
@_short_side_option
@json_option
def visual_genome(
    images: Path, output: Path, regions: Path, image_data: Path, karpathy: Path, short_side: int, as_json: bool
) -> None:
    """Visual Genome's phrases, for training.

    What people said of a region counts as a caption of its photo.

    Example: pixelseek model data import visual-genome --images vg --regions region_descriptions.json
    --image-data image_data.json --karpathy dataset_coco.json --output shards
    """
    from model.data.karpathy import held_out_coco_ids
    from model.data.visual_genome import read_visual_genome

    photos, left_out = read_visual_genome(regions, image_data, images, held_out_coco_ids(karpathy))
    _write(photos, output, "visual-genome", short_side, as_json, left_out)


@import_.command()
@_images_option
@_output_option
@click.option("--questions", type=FILE, metavar="FILE", required=True, help="v2_OpenEnded_mscoco_*_questions.json")
@click.option("--annotations", type=FILE, metavar="FILE", required=True, help="v2_mscoco_*_annotations.json")
@_karpathy_option
@_split_option
@_short_side_option
@json_option
def vqa2(
    images: Path,
    output: Path,
    questions: Path,
    annotations: Path,
    karpathy: Path | None,
    split: str,
    short_side: int,
    as_json: bool,
) -> None:
    """VQA v2: ten people's answers to each question about COCO's photos.

    Example: pixelseek model data import vqa2 --images train2014
    --questions v2_OpenEnded_mscoco_train2014_questions.json
    --annotations v2_mscoco_train2014_annotations.json --output shards
    """
    from model.data.karpathy import held_out_coco_ids
    from model.data.vqa import read_vqa2

    held_out = None if karpathy is None else held_out_coco_ids(karpathy)
    photos, left_out = read_vqa2(questions, annotations, images, split, held_out)
    _write(photos, output, f"vqa2-{split}", short_side, as_json, left_out)


@import_.command()
@_images_option
@_output_option
@click.option("--annotations", type=FILE, metavar="FILE", required=True, help="train.json, dev.json or test1.json")
@_split_option
@_short_side_option
@json_option
def nlvr2(images: Path, output: Path, annotations: Path, split: str, short_side: int, as_json: bool) -> None:
    """NLVR2: statements about pairs of photos.

    Example: pixelseek model data import nlvr2 --images images/train --annotations train.json --output shards
    """
    from model.data.nlvr2 import read_nlvr2

    _write(read_nlvr2(annotations, images, split), output, f"nlvr2-{split}", short_side, as_json)


@import_.command()
@_images_option
@_output_option
@click.option(
    "--captions",
    type=FILE,
    metavar="FILE",
    required=True,
    help="JSON Lines or CSV with file_name, caption and perhaps split.",
)
@click.option("--name", default="photos", help="What to call the data set.")
@_split_option
@_short_side_option
@json_option
def folder(images: Path, output: Path, captions: Path, name: str, split: str, short_side: int, as_json: bool) -> None:
    """A folder of your own.

    Its captions are in one file, by file name.

    Example: pixelseek model data import folder --images ~/Pictures --captions captions.jsonl --output shards
    """
    from model.data.folder import read_folder

    _write(read_folder(captions, images, name, split), output, name, short_side, as_json)


def _write(
    photos: Sequence[SourcePhoto], output: Path, dataset: str, short_side: int, as_json: bool, left_out: int = 0
) -> None:
    from model.data.importing import import_photos

    report = import_photos(photos, output, dataset=dataset, short_side=short_side)
    if as_json:
        print_json({**asdict(report), "left_out": left_out})
        return
    splits = ", ".join(f"{count:,} {split}" for split, count in report.splits.items())
    counts = {"captions": report.captions, "questions": report.questions, "statements": report.statements}
    contents = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    click.echo(f"{report.photos:,} photos ({splits}) with {contents}: {len(report.shards)} shards")
    for shard in report.shards:
        click.echo(f"  {printable(shard)}")
    if left_out:
        click.echo(f"{left_out:,} photos left out: held out for testing, or in no split")
