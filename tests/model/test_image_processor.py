"""The image transform: what becomes of a photo, and that the processes that decode photos get nothing else."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.image_processor import Aspect, PixelBertImageProcessor
from model.processor import PixelBertProcessor
from model.weights import WeightsError


def test_squash_makes_a_square() -> None:
    assert PixelBertImageProcessor(image_size=96).resize(Image.new("RGB", (400, 100))).shape == (96, 96, 3)


@pytest.mark.parametrize(
    ("size", "expected"), [((1000, 600), (480, 288)), ((600, 1000), (288, 480)), ((4000, 100), (480, 32))]
)
def test_keep_keeps_the_ratio_in_multiples_of_32(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert PixelBertImageProcessor(image_size=300, aspect="keep").target_size(*size) == expected


def test_padding_is_told_apart_from_black_and_grey_pixels() -> None:
    grey = np.full((64, 64, 3), 127, dtype=np.uint8)
    inputs = PixelBertImageProcessor().normalize([grey, np.zeros((96, 64, 3), dtype=np.uint8)])
    assert inputs["pixel_values"].shape == (2, 3, 96, 64)
    assert inputs["pixel_mask"].sum(axis=(1, 2)).tolist() == [64 * 64, 96 * 64]


@pytest.mark.parametrize(
    ("aspect", "size", "count", "grid"),
    [("squash", (640, 480), 64, (8, 8)), ("squash", (10, 900), 256, (16, 16)), ("keep", (640, 480), 80, (8, 10))],
)
def test_pixel_tokens_are_a_grid_over_the_photo(
    aspect: Aspect, size: tuple[int, int], count: int, grid: tuple[int, int]
) -> None:
    image_processor = PixelBertImageProcessor(aspect=aspect)
    assert image_processor.grid(*size, count) == grid
    with pytest.raises(ValueError, match="does not become 7 tokens"):
        image_processor.grid(*size, 7)


def test_it_is_loaded_without_the_tokenizer(processor: PixelBertProcessor, tmp_path: Path) -> None:
    processor.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    assert PixelBertImageProcessor.from_pretrained(tmp_path) == processor.image_processor


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("aspect", "stretch"),
        ("image_size", 0),
        ("image_size", 5000),
        ("image_size", 96.5),
        ("image_size", "96"),
        ("image_size", None),
        ("image_mean", [127.0]),
        ("image_mean", "grey"),
        ("image_mean", [1.0, 2.0, float("nan")]),
        ("image_std", [1.0, 0.0, 1.0]),
        ("image_std", 128.0),
        ("image_sise", 96),
    ],
)
def test_settings_that_cannot_be_used_are_refused_by_file(
    processor: PixelBertProcessor, tmp_path: Path, key: str, value: object
) -> None:
    processor.save_pretrained(tmp_path)
    path = tmp_path / "processor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    for kind in (PixelBertImageProcessor, PixelBertProcessor):
        with pytest.raises(WeightsError, match=r"processor_config\.json does not fit"):
            kind.from_pretrained(tmp_path)


def test_a_decoding_process_is_sent_no_tokenizer() -> None:
    assert len(pickle.dumps(PixelBertImageProcessor())) < 1000
    script = "import sys, indexer.workers; print('tokenizers' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"]
