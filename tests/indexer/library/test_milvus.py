"""What only vectors on Milvus have: a server that goes away and comes back, and that several libraries share."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import delete, insert

from indexer.library import milvus_collection
from indexer.library.catalog import encoded_table, folder_table, location_table, photo_table
from indexer.library.errors import LibraryError, VectorsUnreachable
from indexer.library.faiss_store import FaissStore
from indexer.library.generations import index_path
from indexer.library.milvus_collection import read_stamp, stamp_path
from indexer.library.milvus_server import MilvusServer
from indexer.library.milvus_store import MAX_PROPOSED
from indexer.library.photo_vectors import PhotoVectors as MakesVectors
from indexer.library.settings import FILE, change
from indexer.library.verification import verify
from indexer.library.view import LibraryView
from indexer.library.writer import LibraryWriter
from model.runtime.protocol import EncodedImages
from model.scoring.photo_vectors import PhotoVectors
from tests.indexer.colour_runtime import EMBEDDING_SIZE, GENERATION
from tests.indexer.desk import Desk, scribble
from tests.indexer.library.scored import FEATURES, PARAMETERS
from tests.milvus_server import MilvusTestServer

pytestmark = [pytest.mark.scale, pytest.mark.sqlite]

ROOT = Path(__file__).parents[3]
PHOTOS, ALIKE = 3000, 1200
_AT_ONCE = 1000


@pytest.fixture
def vectors(milvus: MilvusTestServer) -> str:
    return milvus.url


def add_photos(desk: Desk, ids: range, *, alike: int = 0) -> None:
    """Photos that were encoded somehow, the first `alike` of them in the same way."""
    desk.photo_vectors = PhotoVectors(PARAMETERS)
    random = np.random.default_rng(ids.start)
    embeddings = random.normal(size=(len(ids), EMBEDDING_SIZE)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    pooled = np.abs(random.normal(size=(len(ids), FEATURES)) / FEATURES).astype(np.float32)
    embeddings[:alike], pooled[:alike] = embeddings[0], pooled[0]
    photos = [{"id": n, "digest": n.to_bytes(16), "size": n, "width": 640, "height": 480} for n in ids]
    files = [{"folder_id": 1, "path": f"{n}.jpg", "mtime_ns": n, "size": n, "photo_id": n} for n in ids]
    with desk.open() as library:
        for start in range(0, len(ids), _AT_ONCE):
            rows = slice(start, start + _AT_ONCE)
            features = [np.zeros((1, EMBEDDING_SIZE), dtype=np.float32)] * len(ids[rows])
            library.encodings.add(list(ids[rows]), EncodedImages(embeddings[rows], features, pooled[rows]))
        with library.catalog.begin() as catalog:
            if ids.start == 1:
                catalog.execute(insert(folder_table).values(id=1, path="/photos", mount_point="/", online=True))
            catalog.execute(insert(photo_table), photos)
            catalog.execute(insert(location_table), files)
            catalog.execute(insert(encoded_table), [{"generation": GENERATION, "photo_id": n} for n in ids])


def hide(library: LibraryView, photo_ids: list[int]) -> None:
    with library.catalog.begin() as catalog:
        catalog.execute(delete(location_table).where(location_table.c.photo_id.in_(photo_ids)))


def sync(library: LibraryView) -> None:
    with LibraryWriter.lock(library) as writer:
        writer.update_index()


@contextmanager
def faiss_of(library: LibraryView, photo_vectors: MakesVectors | None) -> Iterator[FaissStore]:
    """FAISS over the same encodings."""
    path = index_path(library.path, library.generation)
    with closing(FaissStore(path, library.catalog, library.encodings, library.generation, photo_vectors)) as store:
        store.sync(factory="auto")
        yield store


def queries(count: int, width: int) -> NDArray[np.float32]:
    vectors = np.random.default_rng(9).normal(size=(count, width)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def nearest_of(library: LibraryView) -> list[int]:
    """The 20 nearest photos for one query."""
    order: list[int] = library.shortlist(queries(1, EMBEDDING_SIZE)[0], 20)[0].tolist()
    return order


def collections(server: MilvusTestServer) -> set[str]:
    """The names of all collections, with the numbers of their rows."""
    import pymilvus

    client = pymilvus.MilvusClient(uri=server.url.replace("milvus:", "http:"), timeout=30)
    try:
        return set(client.list_collections())
    finally:
        client.close()


def rows_of(desk: Desk) -> int:
    """How many rows the collection of a library has."""
    stamp = read_stamp(stamp_path(desk.library, GENERATION))
    assert stamp is not None
    with desk.open() as library, closing(MilvusServer(library.vectors.name)) as server:
        return server.count(stamp.alias)


def assert_same(
    store: FaissStore,
    library: LibraryView,
    query: NDArray[np.float32],
    count: int,
    among: NDArray[np.int64] | None = None,
) -> None:
    """Both find the same photos, in the same order, with the same numbers to the last bit."""
    expected_ids, expected = store.search(query, count, among)
    ids, products = library.shortlist(query, count, among)
    assert ids[:MAX_PROPOSED].tolist() == expected_ids[:MAX_PROPOSED].tolist()
    np.testing.assert_array_equal(products[:MAX_PROPOSED], expected[:MAX_PROPOSED])
    assert sorted(ids.tolist()) == sorted(expected_ids.tolist())
    np.testing.assert_allclose(products, expected, atol=1e-5)
    assert (np.diff(products) <= 0).all()


class TestSameAsFaiss:
    @pytest.fixture
    def desk(self, desk: Desk) -> Desk:
        add_photos(desk, range(1, PHOTOS + 1), alike=ALIKE)
        with desk.open() as library:
            sync(library)
        add_photos(desk, range(PHOTOS + 1, PHOTOS + 41))  # newer ones
        return desk

    def test_photos_order_and_numbers_are_the_same_for_any_query_count_and_filter(self, desk: Desk) -> None:
        random, everything = np.random.default_rng(1), np.arange(1, PHOTOS + 41)
        with desk.open() as library, faiss_of(library, desk.photo_vectors) as store:
            width = library.photo_vectors(np.array([1]))[1].shape[1]
            hide(library, random.choice(everything, 300, replace=False).tolist())
            assert library.vectors.covered() == PHOTOS
            assert library.photo_count() == store.count() == PHOTOS + 40 - 300
            for query in [*queries(100, width), *queries(100, EMBEDDING_SIZE)]:
                assert_same(store, library, query, 64, None)
            alike = library.photo_vectors(np.array([1]))[1][0].astype(np.float32)
            for query in (alike, -alike, *queries(2, width)):  # where 1,200 are nearest, or farthest
                for count in (1, 130, MAX_PROPOSED, MAX_PROPOSED + 1, 10_000):
                    assert_same(store, library, query, count, None)
                for size in (1, 255, 257, 400, 1500, 2900, len(everything)):
                    among = random.choice(everything, size, replace=False)
                    for count in (1, 64, 2000):
                        assert_same(store, library, query, count, among)
            ids = random.choice(everything, 500, replace=False)
            for mine, its in zip(library.photo_vectors(ids), store.vectors_of(ids), strict=True):
                np.testing.assert_array_equal(mine, its)

    def test_filters_longer_than_one_expression_are_asked_in_parts(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("indexer.library.milvus_store.MAX_NUMBERS", 300)
        monkeypatch.setattr("indexer.library.milvus_store.MAX_ROWS", 700)
        monkeypatch.setattr("indexer.library.milvus_store._SPARSITY", 1)
        random = np.random.default_rng(2)
        with desk.open() as library, faiss_of(library, desk.photo_vectors) as store:
            for query in queries(3, EMBEDDING_SIZE):
                for size in (400, 1500, 2900):
                    assert_same(store, library, query, 64, random.choice(PHOTOS, size, replace=False) + 1)
                assert_same(store, library, query, 10_000, None)


class TestErrors:
    def test_a_missing_server_a_missing_database_and_a_missing_client_are_named_with_the_remedy(
        self, desk: Desk, milvus: MilvusTestServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add_photos(desk, range(1, 11))
        wrong = {
            "milvus://me:sesame@127.0.0.1:9/photos": "cannot be reached.*Start the server, or correct the setting",
            f"{milvus.url}/nothing": "has no database nothing.*create_database",
        }
        for url, message in wrong.items():
            change(desk.library, "vectors", [url])
            with desk.open() as library:
                assert library.photo_count() == 10
                assert library.status().search == f"Milvus at {url.replace('sesame', '***')}"
                assert len(nearest_of(library)) == 10, "they are compared here while Milvus holds nothing"
                with pytest.raises(LibraryError, match=message) as error:
                    sync(library)
                assert "sesame" not in str(error.value)
        monkeypatch.setitem(sys.modules, "pymilvus", None)
        with desk.open() as library, pytest.raises(LibraryError, match=r"pip install 'pixelseek\[milvus\]'"):
            sync(library)

    def test_an_index_that_milvus_does_not_have_is_named(self, desk: Desk) -> None:
        add_photos(desk, range(1, 11))
        for factory in ("IVF512,RaBitQfs", "HNSW1", "PQ16", "IVF0,Flat"):
            change(desk.library, "index_factory", [factory])
            with desk.open() as library, pytest.raises(LibraryError, match="no index of vectors on Milvus"):
                sync(library)


class TestServerAway:
    def test_a_search_says_so_and_works_again_when_the_server_is_back(
        self, desk: Desk, milvus: MilvusTestServer
    ) -> None:
        add_photos(desk, range(1, 401))
        with desk.open() as library:
            sync(library)
            before = nearest_of(library)
            milvus.kill()
            try:
                with pytest.raises(VectorsUnreachable, match=f"{milvus.url} cannot be reached"):
                    nearest_of(library)
                assert library.photo_count() == 400
                assert [str(problem) for problem in verify(library) if "cannot be reached" in str(problem)]
            finally:
                milvus.start()
            deadline = time.monotonic() + 120
            while True:
                try:
                    assert nearest_of(library) == before
                    break
                except VectorsUnreachable:
                    assert time.monotonic() < deadline
                    time.sleep(0.5)

    def test_a_writer_waits_for_the_server_and_goes_on(
        self, desk: Desk, milvus: MilvusTestServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("indexer.library.photo_vectors._PHOTOS_AT_ONCE", 50)
        monkeypatch.setattr(milvus_collection, "_RETURN_WAIT_S", 180.0)
        add_photos(desk, range(1, 1001))
        back: list[threading.Thread] = []

        def kill_once(done: int, _: int) -> None:
            if done >= 500 and not back:
                milvus.kill()
                back.append(threading.Timer(2.0, milvus.start))
                back[0].start()

        with desk.open() as library, LibraryWriter.lock(library) as writer:
            writer.update_index(progress=kill_once)
            back[0].join()
            assert library.vectors.covered() == 1000
            assert not [problem for problem in verify(library) if problem.subject == library.vectors.name]
        assert rows_of(desk) == 1000

    def test_a_writer_that_is_killed_leaves_nothing_twice_and_the_next_one_goes_on(self, desk: Desk) -> None:
        add_photos(desk, range(1, 101))
        with desk.open() as library:
            sync(library)
        add_photos(desk, range(101, 1001))
        for target in (300, 700):
            script = (
                "import os, signal, sys\n"
                "from pathlib import Path\n"
                "from indexer.library import photo_vectors\n"
                "from tests.indexer.desk import Desk\n"
                "from indexer.library.writer import LibraryWriter\n"
                "from model.scoring.photo_vectors import PhotoVectors\n"
                "from tests.indexer.library.scored import PARAMETERS\n"
                "photo_vectors._PHOTOS_AT_ONCE = 50\n"
                "def killed(done, total):\n"
                f"    if done >= {target} - (1000 - 100 - total): os.kill(os.getpid(), signal.SIGKILL)\n"
                f"desk = Desk(Path('/'), Path({str(desk.library)!r}), photo_vectors=PhotoVectors(PARAMETERS))\n"
                "with desk.open() as library, LibraryWriter.lock(library) as writer:\n"
                "    writer.update_index(progress=killed)\n"
            )
            run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
            assert run.returncode == -signal.SIGKILL, run.stderr
            with desk.open() as library:
                assert (library.vectors.covered(), library.photo_count()) == (100, 1000)
                assert len(library.shortlist(queries(1, EMBEDDING_SIZE)[0], 5000)[0]) == 1000
        added: list[int] = []
        with desk.open() as library, LibraryWriter.lock(library) as writer:
            writer.update_index(progress=lambda done, _: added.append(done))
            assert library.vectors.covered() == 1000
            assert not [problem for problem in verify(library) if problem.subject == library.vectors.name]
        assert added[-1] < 900 - 600, "what was added before is not added again"
        assert rows_of(desk) == 1000


class TestCollections:
    def test_two_libraries_on_one_server_do_not_mix(self, desk: Desk, milvus: MilvusTestServer, tmp_path: Path) -> None:
        add_photos(desk, range(1, 301))
        other = Desk(desk.photos, tmp_path / "other")
        other.library.mkdir()
        (other.library / FILE).write_text(f'vectors = "{milvus.url}"\n')
        add_photos(other, range(1, 501), alike=300)
        for owner in (desk, other):
            with owner.open() as library:
                sync(library)
        for owner in (desk, other):
            with owner.open() as library, faiss_of(library, owner.photo_vectors) as store:
                for query in queries(3, EMBEDDING_SIZE):
                    assert_same(store, library, query, 100, None)

    def test_a_copy_of_a_library_makes_its_own_vectors_when_it_changes(self, desk: Desk, tmp_path: Path) -> None:
        add_photos(desk, range(1, 301))
        with desk.open() as library:
            sync(library)
        copy = Desk(desk.photos, Path(shutil.copytree(desk.library, tmp_path / "copy")), desk.runtime)
        add_photos(desk, range(301, 341))
        add_photos(copy, range(301, 331), alike=20)  # other photos with the same ids and numbers
        for owner in (desk, copy, desk):
            with owner.open() as library:
                sync(library)
        for owner, photos in ((desk, 340), (copy, 330)):
            with owner.open() as library, faiss_of(library, owner.photo_vectors) as store:
                assert library.vectors.covered() == photos
                assert not [problem for problem in verify(library) if problem.subject == library.vectors.name]
                for query in queries(3, EMBEDDING_SIZE):
                    assert_same(store, library, query, 500, None)
        assert rows_of(desk) == 340
        assert rows_of(copy) == 330

    def test_a_collection_that_somebody_deletes_or_empties_costs_no_result(
        self, desk: Desk, caplog: pytest.LogCaptureFixture
    ) -> None:
        add_photos(desk, range(1, 301))
        with desk.open() as library, closing(MilvusServer(library.vectors.name)) as server:
            sync(library)
            before = nearest_of(library)
            stamp = read_stamp(stamp_path(library.path, GENERATION))
            assert stamp is not None
            server.remove(stamp.alias, np.arange(1, 101))
            with desk.open() as opened:
                assert nearest_of(opened) == before
                assert "are incomplete: 200 of 300" in caplog.text
                assert any("lacks 100 vectors" in str(problem) for problem in verify(opened))
                sync(opened)
                assert not [problem for problem in verify(opened) if problem.subject == opened.vectors.name]
            stamp = read_stamp(stamp_path(library.path, GENERATION))
            assert stamp is not None
            assert nearest_of(library) == before
            server.drop(stamp.collection)
            assert nearest_of(library) == before, "it notices in the middle of a search"
            assert any("is not there" in str(problem) for problem in verify(library))
            sync(library)
            assert nearest_of(library) == before
            assert not [problem for problem in verify(library) if problem.subject == library.vectors.name]

    def test_searches_find_everything_while_another_process_adds_and_builds_anew(self, desk: Desk) -> None:
        add_photos(desk, range(1, 401))
        with desk.open() as library:
            sync(library)
        known, done = [400], threading.Event()
        failures: list[str] = []

        def search() -> None:
            with desk.open() as library:
                while not done.is_set():
                    least = known[0]
                    ids = library.shortlist(queries(1, EMBEDDING_SIZE)[0], 1000)[0].tolist()
                    if len(ids) < least or len(set(ids)) != len(ids):
                        failures.append(f"{len(ids)} photos of {least}")

        with ThreadPoolExecutor(2) as searchers:
            searches = [searchers.submit(search) for _ in range(2)]
            try:
                for step, factory in enumerate(("auto", "HNSW8", "SQfp16")):
                    add_photos(desk, range(401 + 40 * step, 441 + 40 * step))
                    known[0] += 40
                    change(desk.library, "index_factory", [factory])
                    with desk.open() as library:
                        sync(library)
            finally:
                done.set()
            for run in searches:
                run.result()
        assert failures == []
        assert rows_of(desk) == 520

    def test_new_weights_take_over_at_once_and_the_old_collection_is_deleted(
        self, desk: Desk, milvus: MilvusTestServer
    ) -> None:
        for seed in range(5):
            scribble(desk.photos / f"{seed}.png", seed)
        before = collections(milvus)
        desk.index()
        old = collections(milvus) - before
        with desk.open() as running:
            found = nearest_of(running)
            desk.index(generation="newer")
            assert not running.is_current()
        new = collections(milvus) - before
        assert len(old) == len(new) == 1
        assert old != new
        with desk.open(generation="newer") as library:
            assert library.vectors.covered() == 5
            assert nearest_of(library) == found

    def test_a_large_library_is_searched_by_an_index_and_misses_little(self, desk: Desk) -> None:
        add_photos(desk, range(1, PHOTOS + 1))
        change(desk.library, "index_factory", ["SQfp16"])
        with desk.open() as library:
            sync(library)
            change(desk.library, "index_factory", ["HNSW16"])
            sync(library)
            stamp = read_stamp(stamp_path(library.path, GENERATION))
            assert stamp is not None
            assert stamp.factory == "HNSW16"
            with faiss_of(library, desk.photo_vectors) as store:
                hits = 0
                for query in queries(40, EMBEDDING_SIZE):
                    ids, _ = library.shortlist(query, 100)
                    hits += len(np.intersect1d(ids, store.search(query, 100)[0]))
                    among = np.arange(1, PHOTOS, 3)
                    assert len(library.shortlist(query, 100, among)[0]) == 100
                    everything = library.shortlist(query, 10_000)
                    assert sorted(everything[0].tolist()) == list(range(1, PHOTOS + 1))
                    assert everything[0][:100].tolist() == ids.tolist()
                assert hits > 0.99 * 40 * 100
        add_photos(desk, range(PHOTOS + 1, PHOTOS + 41))
        with desk.open() as library:
            sync(library)
            assert library.vectors.covered() == PHOTOS + 40
            for photo_id in range(PHOTOS + 1, PHOTOS + 41):
                assert library.shortlist(library.embeddings([photo_id])[photo_id], 1)[0].tolist() == [photo_id]


def test_the_process_goes_on_without_the_client_of_milvus_where_it_is_not_needed() -> None:
    script = "import sys, indexer.library.vector_store; print('pymilvus' in sys.modules, 'pandas' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ
    )
    assert run.stdout.split() == ["False", "False"]
