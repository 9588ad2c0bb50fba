"""A real Ray cluster of machines with a CPU each, all of them processes here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.commands import ROOT

ENVIRONMENT = {
    **os.environ,
    "OMP_WAIT_POLICY": "PASSIVE",
    "PYTHONPATH": str(ROOT),
    "RAY_USAGE_STATS_ENABLED": "0",
}
_OBJECTS_BYTES = 100 * 1024**2
_START = """
import sys
from ray.cluster_utils import Cluster
machine = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": int(sys.argv[2]), "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args=machine)
for _ in range(int(sys.argv[1]) - 1):
    cluster.add_node(**machine)
print("address", cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@contextmanager
def ray_cluster(machines: int, *, blind_to: Path | None = None) -> Iterator[str]:
    """The address of a running cluster, and its end. Its machines see an empty folder at `blind_to` (needs root)."""
    folder = tempfile.mkdtemp(prefix="ray-")  # short, because sockets lie in it
    command = [sys.executable, "-c", _START, str(machines), str(_OBJECTS_BYTES)]
    if blind_to is not None:
        command = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(blind_to), *command]
    environment = {**ENVIRONMENT, "RAY_TMPDIR": folder}
    try:
        with subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if line.startswith("address "):
                    break
            else:
                raise AssertionError("the cluster did not start: " + "".join(said))
            yield line.split()[1]
            process.stdin.close()
            process.wait(timeout=60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
