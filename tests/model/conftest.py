"""What the tests of the model share: a processor, generated scenes, and a network trained on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.image_processor import PixelBertImageProcessor
from model.processor import PixelBertProcessor, learn_vocabulary, wordpiece_tokenizer
from model.training.loop import train
from tests.model.scenes import caption, scenes, write_scenes
from tests.sharing import made_once


@pytest.fixture(scope="session")
def processor() -> PixelBertProcessor:
    """Reads sentences about scenes, and photos squashed to 96 pixels."""
    sentences = [caption(scene) for scene in scenes()]
    tokenizer = wordpiece_tokenizer(learn_vocabulary(sentences, 100))
    return PixelBertProcessor(PixelBertImageProcessor(image_size=96), tokenizer, max_tokens=32)


@pytest.fixture(scope="session")
def image_processor(processor: PixelBertProcessor) -> PixelBertImageProcessor:
    return processor.image_processor


@pytest.fixture(scope="session")
def scene_shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard of generated scenes."""
    return write_scenes(tmp_path_factory.mktemp("shards") / "scenes.tar")


@pytest.fixture(scope="session")
def trained_on_scenes(scene_shard: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of weights that recipe `tiny` leaves: a minute or two of training."""
    folder = made_once(tmp_path_factory, "tiny", lambda folder: train("tiny", [scene_shard], folder, device="cpu"))
    return folder / "weights"
