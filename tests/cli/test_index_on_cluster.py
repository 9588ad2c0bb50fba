"""`pixelseek index --cluster` on a real Ray cluster of two machines with a CPU each."""

from __future__ import annotations

import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.search import SearchEngine
from indexer.cluster import (
    ClusterError,
    EncodingWorker,
    Workers,
    WorkerSettings,
    connected,
    files_in_task,
    workers_of,
)
from indexer.decoding import Failure
from indexer.library.settings import FILE
from indexer.library.verification import verify
from indexer.library.view import LibraryView
from model.image_processor import PixelBertImageProcessor
from model.weights import DEFAULT, find_weights, generation
from tests.cli.commands import ROOT, pixelseek_alone
from tests.cli.ray_cluster import ENVIRONMENT, ray_cluster
from tests.indexer.desk import scribble

WITHOUT_RAY = "Ray is not installed: pip install 'pixelseek[scale]'"
TOLERANCE = 1e-7
"""Of an embedding, where one of the two runs encoded the photo in a batch of its own."""
SUBJECTS = (
    "a dog",
    "two children",
    "a man",
    "a woman in red",
    "a bird",
    "a boat",
    "a bicycle",
    "a crowd",
    "snow",
    "sand",
)
PLACES = ("on a beach", "in a street", "in the grass", "near water", "at night", "on a mountain", "indoors", "in a car")
SENTENCES = [" ".join(words) for words in itertools.product(SUBJECTS, PLACES, ("", "running", "sitting"))][:200]
_RERANKED = 16
MOUNTS = "unshare --mount mount -t tmpfs none /mnt 2>/dev/null"


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    if find_spec("ray") is None:
        pytest.skip(WITHOUT_RAY)
    with ray_cluster(machines=2) as address:
        yield address


def new_library(folder: Path) -> Path:
    """One in which no text is read: that is not done on the cluster."""
    folder.mkdir()
    (folder / FILE).write_text("read_text = false\n")
    return folder


def command(library: Path, photos: Path, address: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "cli",
        "index",
        "--library",
        str(library),
        "--cluster",
        address,
        "--json",
        str(photos),
    ]


def index(library: Path, photos: Path, address: str) -> dict[str, Any]:
    """The report of a run on the cluster."""
    run = subprocess.run(
        command(library, photos, address), cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    report: dict[str, Any] = json.loads(run.stdout)
    return report


def open_library(folder: Path) -> LibraryView:
    return LibraryView.open(folder, generation=generation(find_weights(DEFAULT)))


def encodings(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Embedding, pixel features and pooled features of each photo, by its name."""
    with open_library(folder) as library:
        ids = library.encodings.photo_ids().tolist()
        names = {photo.id: Path(photo.path).name for photo in library.photos(ids)}
        vectors = library.encodings.vectors(ids)
        features, pooled = library.encodings.pixel_features(ids), library.encodings.pooled_features(ids)
        return {names[key]: (vectors[key], features[key], pooled[key]) for key in ids}


def failures(folder: Path) -> dict[str, str]:
    with open_library(folder) as library:
        return {Path(path).name: reason for path, reason in library.status().failures}


@pytest.mark.scale
def test_a_cluster_makes_the_library_that_this_machine_makes(shared: Path, cluster: str, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in sorted((shared / "photos").glob("*.jpg"))[:70]:
        shutil.copy(path, photos)
    shutil.copy(path, photos / "copy.jpg")
    (photos / "empty.jpg").touch()
    (photos / "words.jpg").write_text("no photo at all, only words")
    (photos / "cut.jpg").write_bytes(path.read_bytes()[:2000])
    (photos / os.fsdecode(b"caf\xe9.jpg")).write_bytes(sorted(photos.glob("*.jpg"))[0].read_bytes()[:-4] + b"more")
    here, there = new_library(tmp_path / "here"), new_library(tmp_path / "there")

    run = pixelseek_alone("index", photos, "--library", here, "--json")
    assert run.returncode == 0, run.stderr
    reports = [json.loads(run.stdout), index(there, photos, cluster)]
    for report in reports:
        report.pop("seconds")
    assert reports[0] == reports[1]
    assert len(failures(here)) == 3
    assert failures(here) == failures(there)

    local, remote = encodings(here), encodings(there)
    assert local.keys() == remote.keys()
    for name, (vector, features, pooled) in local.items():
        assert np.array_equal(features, remote[name][1]), name
        assert np.array_equal(pooled, remote[name][2]), name
        assert np.abs(vector - remote[name][0]).max() <= TOLERANCE, name
    with SearchEngine.open(here) as first, SearchEngine.open(there) as second:
        for sentence in SENTENCES:
            hits, others = (engine.search(sentence, shortlist=_RERANKED).hits for engine in (first, second))
            assert [hit.path for hit in hits] == [hit.path for hit in others], sentence
            assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in others], abs=1e-5), sentence

    again = index(there, photos, cluster)
    assert (again["added"], again["encoded"], again["unchanged"]) == (0, 0, reports[0]["added"])


def many_photos(folder: Path, count: int) -> Path:
    for number in range(count):
        scribble(folder / f"{number}.png", number)
    return folder


def stored(library: Path) -> int:
    """How many encodings are stored."""
    try:
        with open_library(library) as opened:
            return opened.encodings.count()
    except Exception:  # it is being made
        return 0


def wait_for_photos(library: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 500
    while not stored(library):
        assert process.poll() is None, "it has ended"
        assert time.monotonic() < deadline, "nothing was stored"
        time.sleep(0.2)


def actors() -> list[int]:
    """The processes that encode."""
    titles = ((entry, entry / "cmdline") for entry in Path("/proc").iterdir() if entry.name.isdigit())
    found = []
    for entry, title in titles:
        try:
            if title.read_bytes().startswith(b"ray::MapWorker"):
                found.append(int(entry.name))
        except OSError:  # it has ended
            continue
    return found


@pytest.mark.scale
def test_what_a_killed_worker_had_is_encoded_by_another(cluster: str, tmp_path: Path) -> None:
    photos, library = many_photos(tmp_path / "photos", 320), new_library(tmp_path / "library")
    with subprocess.Popen(
        command(library, photos, cluster), cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        wait_for_photos(library, run)
        for actor in actors()[:1]:
            os.kill(actor, signal.SIGKILL)
        output, errors = run.communicate(timeout=500)
    assert run.returncode == 0, errors
    report = json.loads(output)
    assert (report["added"], report["encoded"], report["failed"]) == (320, 320, 0)
    with open_library(library) as opened:
        assert verify(opened) == []


@pytest.mark.scale
@pytest.mark.parametrize("last_signal", [signal.SIGKILL, signal.SIGINT])
def test_the_run_after_one_that_was_ended_goes_on(cluster: str, tmp_path: Path, last_signal: signal.Signals) -> None:
    photos, library = many_photos(tmp_path / "photos", 320), new_library(tmp_path / "library")
    with subprocess.Popen(
        command(library, photos, cluster), cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        wait_for_photos(library, run)
        run.send_signal(last_signal)
        _, errors = run.communicate(timeout=120)
    if last_signal == signal.SIGINT:
        assert run.returncode == 130
        assert b"Traceback" not in errors
        assert b"stopped; nothing is lost" in errors
    before = stored(library)
    assert 0 < before < 320
    report = index(library, photos, cluster)
    assert 0 < report["encoded"] < 320
    assert report["added"] + report["unchanged"] == 320
    assert stored(library) == 320
    with open_library(library) as opened:
        assert verify(opened) == []


def slow_jpeg() -> bytes:
    """A photo whose last scan is repeated until decoding it takes minutes."""
    file = io.BytesIO()
    Image.new("L", (8000, 8000)).save(file, "JPEG", progressive=True)
    content = file.getvalue()
    last_scan = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + last_scan * 5000 + content[-2:]


INDEX = """
import sys
from pathlib import Path
from indexer.cluster import WorkerSettings, connected
from indexer.indexing import index_folders
from indexer.library.view import LibraryView
from model.bundle import TrainedModel

library, photos, address = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
model = TrainedModel()
settings = WorkerSettings(
    model.name, model.generation, model.processor.image_processor, time_limit_s=10, memory_limit_bytes=400 * 1024**2
)
with (
    LibraryView.open(library, generation=model.generation, create=True) as opened,
    connected(address, settings) as encoder,
):
    index_folders(opened, [photos], processor=settings.processor, load_runtime=lambda: 1 / 0, encoder=encoder)
"""


@pytest.mark.scale
def test_photos_that_take_too_much_time_or_memory_cost_nothing_but_themselves(cluster: str, tmp_path: Path) -> None:
    photos, library = many_photos(tmp_path / "photos", 5), new_library(tmp_path / "library")
    (photos / "slow.jpg").write_bytes(slow_jpeg())
    Image.new("L", (13_000, 13_000)).save(photos / "vast.png")
    run = subprocess.run(
        [sys.executable, "-c", INDEX, library, photos, cluster],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert failures(library) == {"slow.jpg": Failure.TIMED_OUT, "vast.png": Failure.OUT_OF_MEMORY}
    assert stored(library) == 5


@pytest.mark.scale
def test_a_worker_with_other_weights_ends_the_run_and_says_so(cluster: str, tmp_path: Path) -> None:
    photos, library = many_photos(tmp_path / "photos", 1), new_library(tmp_path / "library")
    other = INDEX.replace("model.generation, model", "'another', model") + "\n"
    run = subprocess.run(
        [sys.executable, "-c", other, library, photos, cluster],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"its weights {DEFAULT} are not those of the machine that indexes" in run.stderr.splitlines()[-1]


@pytest.mark.scale
@pytest.mark.skipif(find_spec("ray") is None, reason=WITHOUT_RAY)
@pytest.mark.skipif(subprocess.run(["sh", "-c", MOUNTS], check=False).returncode != 0, reason="needs root, to mount")
def test_a_machine_that_does_not_see_the_photos_ends_the_run_and_stores_nothing(tmp_path: Path) -> None:
    photos, library = many_photos(tmp_path / "photos", 3), new_library(tmp_path / "library")
    with ray_cluster(machines=1, blind_to=photos) as address:
        run = subprocess.run(
            command(library, photos, address), cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
    assert run.returncode == 1
    assert f"of the cluster has no {photos}" in run.stderr.splitlines()[-1]
    with open_library(library) as opened:
        assert (opened.status().photos, opened.status().failed) == (0, 0)


@pytest.mark.scale
@pytest.mark.skipif(find_spec("ray") is None, reason=WITHOUT_RAY)
@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1:9", "no cluster answers at 127.0.0.1:9"),
        ("127.0.0.1:99999", "no cluster answers at 127.0.0.1:99999"),
        ("nonsense", "not the address of a cluster"),
        ("ray://127.0.0.1:10001", "not the address of a cluster"),
    ],
)
def test_an_address_without_a_cluster_is_an_error(address: str, reason: str) -> None:
    settings = WorkerSettings(DEFAULT, "generation", PixelBertImageProcessor())
    with pytest.raises(ClusterError, match=reason), connected(address, settings):
        pass


def test_without_the_extra_the_remedy_is_named(tmp_path: Path) -> None:
    script = "import sys\nsys.modules['ray'] = None\nfrom cli.main import main\nmain()"
    run = pixelseek_alone("index", tmp_path, "--library", tmp_path / "library", "--cluster", "auto", script=script)
    assert run.returncode == 1
    assert run.stderr == "pixelseek: error: --cluster needs the extra scale: pip install 'pixelseek[scale]'\n"


def machine(cpus: float, gpus: float = 0, *, alive: bool = True) -> dict[str, Any]:
    return {"Alive": alive, "Resources": {"CPU": cpus, "memory": 1e9, **({"GPU": gpus} if gpus else {})}}


@pytest.mark.parametrize(
    ("machines", "device", "workers"),
    [
        ([machine(1), machine(1)], "auto", Workers(2, 1, 0)),
        ([machine(16), machine(6), machine(2)], "auto", Workers(5, 4, 0)),
        ([machine(16), machine(64, alive=False)], "auto", Workers(4, 4, 0)),
        ([machine(4), machine(16, 4), machine(32, 1)], "auto", Workers(5, 4, 1)),
        ([machine(2, 4)], "cuda", Workers(4, 1, 1)),
        ([machine(8, 1)], "cpu", Workers(2, 4, 0)),
    ],
)
def test_there_is_a_worker_for_each_gpu_or_else_for_each_four_cpus(
    machines: list[dict[str, Any]], device: str, workers: Workers
) -> None:
    assert workers_of(machines, device) == workers


@pytest.mark.parametrize(("machines", "device"), [([machine(4)], "cuda"), ([machine(0)], "auto"), ([], "auto")])
def test_a_cluster_without_the_device_is_refused(machines: list[dict[str, Any]], device: str) -> None:
    with pytest.raises(ClusterError):
        workers_of(machines, device)


@pytest.mark.parametrize(("files", "workers", "size"), [(1, 8, 32), (500, 2, 32), (10_000, 8, 128), (10**7, 8, 1024)])
def test_every_worker_gets_several_tasks_and_no_task_is_large(files: int, workers: int, size: int) -> None:
    assert files_in_task(files, workers) == size


def test_a_machine_with_another_pixelseek_encodes_nothing() -> None:
    settings = WorkerSettings(DEFAULT, "generation", PixelBertImageProcessor())
    worker = EncodingWorker(settings, Workers(1, 1, 0), "0.0.1")
    with pytest.raises(ClusterError, match=r"not 0\.0\.1"):
        worker(None)
