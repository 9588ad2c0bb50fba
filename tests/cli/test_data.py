from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from cli.model.data import PUBLISHED
from model.data.downloading import DATASETS
from model.data.shards import read_shards
from tests.cli.commands import pixelseek


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("1.jpg", "2.jpg"):
        Image.new("RGB", (64, 48), "red").save(tmp_path / name)
    lines = [{"file_name": "1.jpg", "caption": "a red thing"}, {"file_name": "2.jpg", "captions": ["another", "one"]}]
    (tmp_path / "captions.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return tmp_path


def test_a_folder_becomes_shards(folder: Path) -> None:
    options = ("--images", folder, "--captions", folder / "captions.jsonl", "--output", folder / "shards")
    run = pixelseek("model", "data", "import", "folder", *options, "--split", "test")
    assert run.exit_code == 0, run.stderr
    assert "2 photos (2 test) with 3 captions: 1 shards" in run.stdout
    assert len(read_shards([folder / "shards" / "photos-000.tar"], "test")) == 2


def test_the_report_as_json(folder: Path) -> None:
    options = ("--images", folder, "--captions", folder / "captions.jsonl", "--output", folder / "shards", "--json")
    report = json.loads(pixelseek("model", "data", "import", "folder", *options).stdout)
    assert (report["photos"], report["captions"], report["left_out"]) == (2, 3, 0)


def test_what_is_missing_is_named(folder: Path) -> None:
    (folder / "2.jpg").unlink()
    options = ("--images", folder, "--captions", folder / "captions.jsonl", "--output", folder / "shards")
    run = pixelseek("model", "data", "import", "folder", *options)
    assert run.exit_code == 1
    assert run.stderr.splitlines()[-1] == f"pixelseek: error: 1 of 2 photos are missing: {folder / '2.jpg'}"


@pytest.mark.parametrize("source", ["coco", "flickr8k", "flickr30k"])
def test_captions_must_be_named(folder: Path, source: str) -> None:
    run = pixelseek("model", "data", "import", source, "--images", folder, "--output", folder / "shards")
    assert run.exit_code == 2
    assert "--karpathy" in run.stderr


@pytest.mark.parametrize(
    "command",
    ["download", *(f"import {source}" for source in ("coco", "flickr8k", "flickr30k", "visual-genome", "folder"))],
)
def test_help_has_an_example(command: str) -> None:
    run = pixelseek("model", "data", *command.split(), "--help")
    assert run.exit_code == 0
    assert f"Example: pixelseek model data {command}" in run.stdout


def test_every_data_set_that_can_be_named_can_be_fetched() -> None:
    assert set(PUBLISHED) == DATASETS.keys()
