"""A GPU finds what the CPU finds. There is none here: PyTorch computes on the CPU, and FAISS is made to have one."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from indexer.library import gpu_search
from indexer.library.faiss_index import EXACT, SearchableIndex, new_index
from indexer.library.faiss_store import Snapshot
from indexer.library.gpu_search import gpu_engine, search_name
from indexer.library.settings import change
from indexer.library.view import LibraryView
from model.runtime.torch_search import TorchSearch
from tests.indexer.colour_runtime import GENERATION
from tests.indexer.desk import Desk, scribble

TORCH = "cpu:0"
"""A device like any other for PyTorch, and not the CPU's own search."""
SIZE = 16
MAX_ON_GPU = 2048
QUERY = np.random.default_rng(0).normal(size=32).astype(np.float32)
Products = tuple[list[int], list[float]]


class OneGpu:
    """FAISS with one GPU, as far as it is asked for here: an index of it is one on the CPU that rounds to fp16."""

    def __init__(self) -> None:
        self.memory = 1 << 40
        self.searches = 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        gpu = self

        class Resources:
            def setTempMemory(self, size: int) -> None:  # noqa: N802
                assert size > 0

        class Index(faiss.IndexFlatIP):
            def __init__(self, resources: Resources, width: int, config: Any) -> None:
                super().__init__(width)
                assert isinstance(resources, Resources)
                assert (config.device, config.useFloat16) == (0, True)

            def add(self, vectors: Any) -> None:
                if (self.ntotal + len(vectors)) * self.d * 2 > gpu.memory:
                    raise RuntimeError("StandardGpuResources: alloc fail (cudaMalloc error out of memory)")
                super().add(vectors)

            def search(self, queries: Any, count: int) -> Any:  # type: ignore[override]  # no filters there
                assert count <= MAX_ON_GPU, "GPU index only supports min/max-K selection up to 2048"
                gpu.searches += 1
                if gpu.memory == 0:
                    raise RuntimeError("CUDA error 719 unspecified launch failure")
                return super().search(queries.astype(np.float16).astype(np.float32), count)

        monkeypatch.setattr(gpu_search, "driver_finds_gpu", lambda: True)
        monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
        monkeypatch.setattr(faiss, "StandardGpuResources", Resources, raising=False)
        monkeypatch.setattr(faiss, "GpuIndexFlatConfig", lambda: type("Config", (), {})(), raising=False)
        monkeypatch.setattr(faiss, "GpuIndexFlatIP", Index, raising=False)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> OneGpu:
    made = OneGpu()
    made.install(monkeypatch)
    return made


def answers(snapshot: Snapshot, query: NDArray[np.float32], count: int, among: NDArray[np.int64] | None) -> Products:
    ids, products = snapshot.nearest(query, count, among)
    return ids.tolist(), products.tolist()


def indexed(desk: Desk, photos: int) -> None:
    for seed in range(len(list(desk.photos.glob("*.png"))), photos):
        scribble(desk.photos / f"{seed}.png", seed)
    desk.index()


def opened(desk: Desk, device: str) -> LibraryView:
    return LibraryView.open(desk.library, generation=GENERATION, device=device)


def snapshots(seed: int, photos: int, *, alike: int = 0, outlier: float = 1.0) -> dict[str, Snapshot]:
    """The same library searched by the CPU, by PyTorch and by a FAISS with a GPU, with hidden and newer photos.

    `alike` photos are the same, and one has a vector `outlier` times as long.
    """
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(photos, SIZE)).astype(np.float32)
    vectors[random.permutation(photos)[:alike]] = vectors[0]
    vectors[random.integers(photos)] *= np.float32(outlier)
    ids = random.permutation(3 * photos)[:photos].astype(np.int64)
    indexed = photos - photos // 10
    index, _ = new_index(SIZE, EXACT, photos)
    index.add_with_ids(vectors[:indexed], ids[:indexed])
    visible = random.random(indexed) > 0.2
    newer = vectors[indexed:].astype(np.float16)
    return {
        device: Snapshot(SearchableIndex(index, device), None, None, visible, ids[indexed:], newer)
        for device in ("cpu", TORCH, "auto")
    }


def test_it_finds_the_same_photos_with_the_same_products(gpu: OneGpu) -> None:
    @settings(max_examples=40, deadline=None)
    @given(
        seed=st.integers(0, 1000),
        photos=st.sampled_from([10, 300, 6000]),
        alike=st.sampled_from([0, 5, 2500]),
        outlier=st.sampled_from([1.0, 100.0]),
        count=st.sampled_from([1, 64, 1500, 10_000]),
        kept=st.sampled_from([None, 1.0, 0.3, 0.01]),
        width=st.sampled_from([SIZE, SIZE // 2]),
        length=st.sampled_from([1.0, 1e6, 1e-6, 0.0]),
    )
    def compare(
        seed: int, photos: int, alike: int, outlier: float, count: int, kept: float | None, width: int, length: float
    ) -> None:
        random = np.random.default_rng(seed)
        searched = snapshots(seed, photos, alike=alike, outlier=outlier)
        query = (length * random.normal(size=width)).astype(np.float32)
        among = None if kept is None else np.flatnonzero(random.random(3 * photos) < kept)
        expected = answers(searched["cpu"], query, count, among)
        assert answers(searched[TORCH], query, count, among) == expected
        assert answers(searched["auto"], query, count, among) == expected

    compare()
    assert gpu.searches


def test_it_compares_every_photo_where_the_cpu_has_candidates_proposed(gpu: OneGpu) -> None:
    random = np.random.default_rng(1)
    vectors = random.normal(size=(20_000, SIZE)).astype(np.float32)
    index, training = new_index(SIZE, "IVF64,RaBitQfs", len(vectors))
    index.train(vectors[:training])
    index.add_with_ids(vectors, np.arange(len(vectors)))
    query = random.normal(size=SIZE).astype(np.float32)
    nearest = np.argsort(-(vectors.astype(np.float16).astype(np.float32) @ query))[:64].tolist()
    for device in (TORCH, "auto"):
        searched = SearchableIndex(index, device)
        assert not searched.has_coarse_index()
        snapshot = Snapshot(searched, None, None, None, np.empty(0, np.int64), np.empty((0, SIZE), np.float16))
        assert snapshot.nearest(query, 64)[0].tolist() == nearest
    assert gpu.searches
    assert SearchableIndex(index).has_coarse_index()


def test_the_search_follows_the_device_and_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_search, "driver_finds_gpu", lambda: False)
    assert [gpu_engine(device) for device in ("auto", "cpu", "cuda", "mps")] == [None, None, "PyTorch", "PyTorch"]
    monkeypatch.setattr(gpu_search, "driver_finds_gpu", lambda: True)
    assert [gpu_engine(device) for device in ("auto", "cpu", "cuda:1")] == ["PyTorch", None, "PyTorch"]
    monkeypatch.setattr("indexer.library.gpu_search.find_spec", lambda _: None)
    assert [gpu_engine(device) for device in ("auto", "cpu", "cuda")] == [None, None, None]
    OneGpu().install(monkeypatch)
    assert [gpu_engine(device) for device in ("auto", "cpu", "cuda", "cuda:1")] == ["FAISS", None, "FAISS", None]
    monkeypatch.setattr("indexer.library.gpu_search.find_spec", lambda _: True)
    names = [search_name(device) for device in ("cpu", "auto", "cuda:1", "mps")]
    assert names == ["FAISS on the CPU", "FAISS on the GPU", "PyTorch on the GPU", "PyTorch on mps"]


def test_what_a_gpu_does_not_hold_the_cpu_searches_and_each_library_says_so_once(
    gpu: OneGpu, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.memory = 100
    indexed(desk, 4)
    with desk.open() as on_cpu, opened(desk, "auto") as full, opened(desk, "cuda:1") as none, opened(desk, "x") as odd:
        for count in (3, 4):
            expected = on_cpu.shortlist(QUERY, count)[0].tolist()
            assert [library.shortlist(QUERY, count)[0].tolist() for library in (full, none, odd)] == [expected] * 3
            indexed(desk, 5)  # the index becomes another one
    assert sum("The CPU searches." in record.message for record in caplog.records) == 3


def test_a_gpu_that_fails_leaves_the_search_to_the_cpu(gpu: OneGpu, caplog: pytest.LogCaptureFixture) -> None:
    searched = snapshots(2, 3000)
    query = np.random.default_rng(2).normal(size=SIZE).astype(np.float32)
    expected = answers(searched["cpu"], query, 5, None)
    assert answers(searched["auto"], query, 5, None) == expected
    gpu.memory, before = 0, gpu.searches
    for _ in range(2):
        assert answers(searched["auto"], query, 5, None) == expected
    assert gpu.searches == before + 1
    assert "CUDA error 719" in caplog.text


def test_a_new_index_goes_to_the_gpu_as_the_old_one_did(gpu: OneGpu, desk: Desk) -> None:
    indexed(desk, 4)
    with opened(desk, "auto") as library:
        assert library.status().search == "FAISS on the GPU"
        for photos in (4, 5):
            indexed(desk, photos)
            searches = gpu.searches
            assert len(library.shortlist(QUERY, photos - 1)[0]) == photos - 1
            assert gpu.searches > searches
        change(library.path, "device", ["cpu"])
        assert library.status().search == "FAISS on the CPU"


def test_a_gpu_without_room_for_the_network_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    of_gpu = type("Tensor", (), {"device": torch.device("cuda")})
    monkeypatch.setattr(torch, "empty", lambda *_, **__: of_gpu)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1 << 30, 8 << 30))
    with pytest.raises(RuntimeError, match=r"2\.0 GiB of memory are needed, 1\.0 are free"):
        TorchSearch(np.zeros((10, SIZE), dtype=np.float16), "cuda")
