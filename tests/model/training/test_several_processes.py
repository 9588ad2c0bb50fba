"""A run of several processes, as `torchrun` starts it on several machines: here two, on the CPU."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from model.data.shards import write_shard
from model.training.loop import train
from tests.conftest import ROOT
from tests.indexer.object_server import ObjectServer
from tests.model.scenes import photos
from tests.model.training.test_training import SHORT

pytestmark = pytest.mark.scale
STEPS = 16
LOSS_TOLERANCE = 1e-3
"""The processes add the same gradients in another order."""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "short.toml"
    text = SHORT.format(frozen="0").replace("batch_size = 8", "batch_size = 8\ngradient_accumulation_steps = 2")
    text = text.replace("epochs = 4", f"epochs = {STEPS // 2}").replace("every_epochs = 1", "every_epochs = 4")
    path.write_text(f"{text}[objectives]\nnegative_images = 3\n")
    return path


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    path = tmp_path / "short.tar"
    write_shard(path, photos(16, "train", 0) + photos(6, "dev", 1))
    return path


def command(recipe: Path, shard: Path | str, output: Path, *options: str) -> list[str]:
    arguments = ["--device", "cpu", "--recipe", str(recipe), "--data", str(shard), "--output", str(output), *options]
    return ["-m", "cli", "model", "train", *arguments]


def launched(*arguments: str, processes: int = 2) -> subprocess.Popen[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*launcher, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def losses(run: Path) -> dict[int, float]:
    if not (run / "log.jsonl").exists():
        return {}
    records = (json.loads(line) for line in (run / "log.jsonl").read_text().splitlines())
    return {record["step"]: record["loss"] for record in records if "loss" in record}


def assert_same_run(one: Path, other: Path) -> None:
    assert losses(one).keys() == losses(other).keys()
    assert losses(one) == pytest.approx(losses(other), abs=LOSS_TOLERANCE)


def process_of_rank(launcher: int, rank: int) -> int:
    """The process that `torchrun` started for that rank."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = re.search(r"PPid:\t(\d+)", (folder / "status").read_text())
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if parent is not None and int(parent[1]) == launcher and b"RANK=%d" % rank in environment:
            return int(folder.name)
    raise AssertionError("there is no such process")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the processes apart")
def test_a_run_on_shards_in_object_storage_whose_worker_was_killed_goes_on_and_is_the_run_of_one_process(
    recipe: Path, shard: Path, tmp_path: Path, s3: ObjectServer
) -> None:
    train(recipe, [shard], tmp_path / "alone", device="cpu")
    bucket, together = s3.new_bucket("shards-of-several-processes"), tmp_path / "together"
    bucket.write("train.tar", shard.read_bytes())
    arguments = command(recipe, f"{bucket.url}/train.tar", together)
    run = launched(*arguments)
    end = time.monotonic() + 300
    while not (together / "checkpoint.pt").exists() and run.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(process_of_rank(run.pid, 1), signal.SIGKILL)
    output, _ = run.communicate(timeout=300)
    assert run.returncode != 0, output
    assert "exitcode  : -9" in output, output
    assert STEPS not in losses(together)
    again = launched(*arguments, "--resume")
    output, _ = again.communicate(timeout=600)
    assert again.returncode == 0, output
    assert_same_run(tmp_path / "alone", together)


AGREEING = """
import os
from model.training.processes import Processes

processes = Processes("cpu")
rank = os.environ["RANK"]
answers = [processes.agree(b"the same"), processes.agree(f"of {rank}".encode()), processes.agree(b"again the same")]
print(f"process {rank}: {answers}", flush=True)
processes.wait()
"""


def test_all_processes_know_whether_they_agree(tmp_path: Path) -> None:
    script = tmp_path / "agreeing.py"
    script.write_text(AGREEING)
    run = launched(str(script), processes=3)
    output, _ = run.communicate(timeout=300)
    assert all(f"process {rank}: [True, False, True]" in output for rank in range(3)), output
