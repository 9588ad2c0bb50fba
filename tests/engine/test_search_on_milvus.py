"""A library with its vectors on Milvus gives the hits and scores that it gives with FAISS."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from engine.search import SearchEngine
from indexer.library.settings import change
from indexer.library.view import LibraryView
from indexer.library.writer import LibraryWriter
from model.bundle import TrainedModel
from tests.engine.libraries import PHOTO_COUNT
from tests.milvus_server import MilvusTestServer
from tests.model.scenes import caption, scenes, swapped

pytestmark = pytest.mark.scale

SENTENCES = [
    sentence
    for scene in scenes()
    for sentence in (
        caption(scene),
        caption(swapped(scene)),
        f"{scene[0]} {scene[1]} -{scene[3]}",
        f"a {scene[2]} {scene[3]} {'folder:deeper' if scene[0] == 'red' else 'type:jpg'}",
    )
][:200]


def test_200_sentences_find_the_same_hits_with_the_same_scores(
    word_weights: Path, indexed: Path, tmp_path: Path, milvus: MilvusTestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.library.milvus_store._FEW", 0)  # Milvus proposes, although the photos are few
    model = TrainedModel(word_weights, device="cpu")
    on_faiss, on_milvus = (shutil.copytree(indexed, tmp_path / name) for name in ("faiss", "milvus"))
    change(on_milvus, "vectors", [milvus.url])
    for library in (on_faiss, on_milvus):
        with (
            LibraryView.open(library, generation=model.generation, photo_vectors=model.photo_vectors) as view,
            LibraryWriter.lock(view) as writer,
        ):
            writer.update_index()
            assert view.vectors.covered() == PHOTO_COUNT
    with SearchEngine.over(on_faiss, model) as by_faiss, SearchEngine.over(on_milvus, model) as by_milvus:
        for sentence in SENTENCES:
            expected = [asdict(hit) for hit in by_faiss.search(sentence, shortlist=5, limit=PHOTO_COUNT).hits]
            found = [asdict(hit) for hit in by_milvus.search(sentence, shortlist=5, limit=PHOTO_COUNT).hits]
            assert len(found) == (1 if "folder:" in sentence else PHOTO_COUNT)
            assert found == expected, sentence
