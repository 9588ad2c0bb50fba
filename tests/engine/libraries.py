"""Tiny weights, a folder of generated photos, and the library made of them: shared with the tests of cli and web."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from engine.results import Hit
from engine.search import SearchEngine
from indexer.indexing import index_folders
from indexer.library.view import LibraryView
from model.bundle import TrainedModel
from model.image_processor import PixelBertImageProcessor
from model.processor import PixelBertProcessor, learn_vocabulary, wordpiece_tokenizer
from model.runtime.loading import load_runtime
from model.scoring.calibration import Calibration
from model.scoring.parameters import ScoringParameters
from model.scoring.word_detectors import WordDetectors
from model.weights import generation
from tests.model.heads import add_head
from tests.model.scenes import caption, draw, scenes
from tests.sharing import made_once

SENTENCE = "a red circle and a blue square"
PHOTO_COUNT = 12
HIT_FIELDS = (
    "path",
    "photo_id",
    "similarity",
    "match",
    "score",
    "width",
    "height",
    "size",
    "taken_at",
    "online",
    "copies",
)
"""Of a hit in JSON."""


def write_weights(folder: Path, *, seed: int, layers: int = 2) -> Path:
    """A whole Pixel-BERT with heads for questions and pairs, small and untrained."""
    import torch

    from model.network.configuration import PixelBertConfig
    from model.network.pixelbert import PixelBertForImageTextRetrieval

    tokenizer = wordpiece_tokenizer(learn_vocabulary([caption(scene) for scene in scenes()], 200))
    config = PixelBertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
        initializer_range=0.5,  # wide, so that photos and sentences differ although nothing was learned
        backbone="test_resnet",
        fusion_layer=1,
        embedding_size=16,
    )
    torch.manual_seed(seed)
    PixelBertForImageTextRetrieval(config).save_pretrained(folder)
    PixelBertProcessor(PixelBertImageProcessor(image_size=96), tokenizer, max_tokens=32).save_pretrained(folder)
    for task in ("vqa", "pairs"):
        add_head(folder, task)
    return folder


def with_detectors(weights: Path, folder: Path, log_odds: dict[str, float]) -> Path:
    """A copy of weights, of the same generation, with detectors by which each word speaks so much for any photo."""
    shutil.copytree(weights, folder)
    processor, runtime = PixelBertProcessor.from_pretrained(folder), load_runtime(folder, device="cpu")
    bias_of_piece = {processor.tokenize([word])["input_ids"][0, 1]: value for word, value in log_odds.items()}
    ids = np.array(sorted(bias_of_piece))
    bias = np.array([bias_of_piece[piece] for piece in ids], dtype=np.float32)
    width = runtime.encode_image([np.zeros((96, 96, 3), dtype=np.uint8)]).pooled_features.shape[1]
    random = np.random.default_rng(0).normal(0, 0.02, (len(ids), width)).astype(np.float32)
    detectors = WordDetectors(ids, random, bias, np.zeros_like(bias))
    ScoringParameters(detectors=detectors).save(folder, generation(folder))
    return folder


def index(library: Path, photos: Path, weights: Path) -> None:
    """Make a library of a folder of photos. The text in them is not read: that takes longer than all else."""
    processor = PixelBertImageProcessor.from_pretrained(weights)
    model = TrainedModel(weights)
    with LibraryView.open(
        library, generation=model.generation, photo_vectors=model.photo_vectors, create=True
    ) as opened:
        index_folders(
            opened,
            [photos],
            processor=processor,
            load_runtime=lambda: load_runtime(weights),
            weights=str(weights),
            workers=1,
            read_text=False,
        )


def similarities_of(hits: Sequence[Hit]) -> list[float]:
    """Of hits that have one."""
    return [hit.similarity for hit in hits if hit.similarity is not None]


SPREAD = Calibration(match_scale=3.0, match_bias=-12.6, cutoff=0.3)
"""With it the matches of SENTENCE go from 0.9 down to almost 0, and some photos are the best."""


def recalibrate(engine: SearchEngine, monkeypatch: pytest.MonkeyPatch, calibration: Calibration = SPREAD) -> None:
    """Let the ranker of `engine` have that calibration for the time of a test."""
    monkeypatch.setattr(engine._ranker, "parameters", ScoringParameters(calibration))
    monkeypatch.setattr(engine._ranker, "cutoff", calibration.cutoff)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("weights"), seed=0)


@pytest.fixture(scope="session")
def quick_weights(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Path:
    """The same weights with their graphs: a process of its own is up in a second, because it imports no PyTorch."""
    from model.runtime.graphs import write_graphs

    return made_once(tmp_path_factory, "quick-weights", lambda folder: write_graphs(shutil.copytree(weights, folder)))


@pytest.fixture(scope="session")
def other_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("other-weights"), seed=1)


@pytest.fixture(scope="session")
def word_weights(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Path:
    """The same weights with word detectors: of the words of SENTENCE, red and square are seen in every photo."""
    log_odds = {"red": 6.0, "circle": 1.0, "and": 0.0, "blue": -2.0, "square": 4.0}
    return with_detectors(weights, tmp_path_factory.mktemp("word-weights") / "weights", log_odds)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve photos, one of them in a folder and under a name that is not text, and a file that is no photo."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for row, scene in enumerate(scenes()[:PHOTO_COUNT]):
        (folder / f"scene {row:02}.jpg").write_bytes(draw(scene, random))
    (folder / "deeper").mkdir()
    (folder / "scene 00.jpg").rename(folder / "deeper" / os.fsdecode(b"caf\xe9\n.jpg"))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut short")
    return folder


@pytest.fixture(scope="session")
def indexed(tmp_path_factory: pytest.TempPathFactory, photos: Path, weights: Path) -> Path:
    """The library of `photos`: to be read only."""
    folder = tmp_path_factory.mktemp("library")
    index(folder, photos, weights)
    return folder


@pytest.fixture
def library(indexed: Path, tmp_path: Path) -> Path:
    """A copy of that library, to do things to."""
    return shutil.copytree(indexed, tmp_path / "library")
