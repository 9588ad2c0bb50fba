"""Pixelseek beside other searches for one's own photos, in one run, on the same photos.

    python -m benchmarks.peers --photos FOLDER --envs DIR

Each gets a virtual environment in DIR (made once, from PyPI) and is run from the shell there, so that what is measured
is what a user waits for. Their published weights are not downloaded: networks of the same shape with random weights
take the same time. Nothing here says how well they find: with their own weights they have learned from far more photos
than ours.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.machine import machine
from indexer.scanning import PHOTO_SUFFIXES

SENTENCE = "a dog running on the beach"
RUNS = 5
_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_MEASURED = (  # runs a command and says on its last line what it took
    "import resource, subprocess, sys, time\nstart = time.perf_counter()\n"
    "done = subprocess.run(sys.argv[1:], capture_output=True, text=True)\n"
    "took = time.perf_counter() - start\nsys.stderr.write(done.stderr)\n"
    "print(took, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000, done.stdout.count('.jpg'))\n"
    "sys.exit(done.returncode)"
)
_WARM = (  # Pixelseek's library has no command that stays: this asks it several times
    "import statistics, sys\nfrom pathlib import Path\nfrom engine.search import SearchEngine\n"
    "rerank = sys.argv[3] == '--rerank'\n"
    "with SearchEngine.open(Path(sys.argv[1])) as engine:\n"
    "    taken = [engine.search(sys.argv[2], rerank=rerank).timings_ms['total'] for _ in range(8)]\n"
    "sys.stderr.write(f'warm: {statistics.median(taken)}\\n')"
)


@dataclass(frozen=True)
class Peer:
    """One way to search photos."""

    name: str
    environment: str
    """Its name; peers may share one."""
    packages: Sequence[str]
    make: Sequence[str]
    """The command that makes its weights; placeholders as in the others."""
    index: Sequence[str]
    """The command that indexes, with {env}, {weights}, {photos}, {store} and {sentence} to fill in."""
    query: Sequence[str]
    warm: Sequence[str] | None
    """The command that says on standard error how many milliseconds a query takes that is not the first."""
    weights: Sequence[str]
    """What of the weights it needs, relative to their folder."""
    variables: dict[str, str] = field(default_factory=dict)


def _clip(library: str, action: str, *rest: str) -> list[str]:
    return ["{env}/bin/python", str(_HERE / "clip_pipeline.py"), library, action, "{weights}/" + library, *rest]


def _clip_peer(name: str, library: str, weights: str) -> Peer:
    query = _clip(library, "query", "{store}", "{sentence}")
    return Peer(
        name,
        library,
        [library.replace("_", "-").replace("open-clip", "open_clip_torch"), *_EXTRA[library]],
        _clip(library, "make"),
        _clip(library, "index", "{photos}", "{store}"),
        query,
        query,
        [f"{library}/{weights}"],
    )


def _pixelseek(name: str, how: str) -> Peer:
    return Peer(
        f"Pixelseek, {name}",
        "pixelseek",
        [str(_ROOT)],
        [],
        ["{env}/bin/pixelseek", "index", "{photos}", "--library", "{store}"],
        ["{env}/bin/pixelseek", "search", "{sentence}", "--library", "{store}", how],
        ["{env}/bin/python", "-c", _WARM, "{store}", "{sentence}", how],
        [],  # inside the package
    )


_EXTRA = {"open_clip": ["onnx", "onnxscript"], "sentence_transformers": ["open_clip_torch"]}
PEERS = (
    _pixelseek("64 reranked", "--rerank"),
    _pixelseek("shortlist alone", "--no-rerank"),
    _clip_peer("open_clip ViT-B/32, numpy", "open_clip", "model.pt"),
    _clip_peer("sentence-transformers, CLIP ViT-B/32", "sentence_transformers", "clip"),
    Peer(
        "rclip, ViT-B/32 at 256 pixels",
        "rclip",
        ["rclip"],
        [],  # open_clip's has made them
        ["{env}/bin/rclip", "--top", "1", "{sentence}"],
        ["{env}/bin/rclip", "--no-indexing", "--top", "20", "{sentence}"],
        None,
        ["open_clip/rclip"],
        {"RCLIP_DATADIR": "{store}"},
    ),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--envs", type=Path, required=True, help="Takes about 15 GB.")
    arguments = parser.parse_args()

    photos, envs = arguments.photos.resolve(), arguments.envs.resolve()
    count = sum(path.suffix.lower() in PHOTO_SUFFIXES for path in photos.rglob("*"))
    columns = ("install MB", "photos/s indexed", "query cold s", "query warm ms", "peak MB", "index kB a photo")
    print(f"| {count} photos | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for peer in PEERS:
        with TemporaryDirectory() as folder:
            print(
                f"| {peer.name} | {' | '.join(_row(peer, photos, envs, Path(folder) / 'store', count))} |", flush=True
            )
    print(f"\nMedians of {RUNS}; indexing once, from the start of the command to its end. {machine()}")


def _row(peer: Peer, photos: Path, envs: Path, store: Path, count: int) -> list[str]:
    env, weights = envs / peer.environment, envs / "weights"
    filled = {"env": env, "weights": weights, "photos": photos, "store": store, "sentence": SENTENCE}
    _once(
        env,
        [sys.executable, "-m", "venv", str(env)],
        [f"{env}/bin/pip", "install", "--quiet", *peer.packages],
    )
    if peer.make:
        _once(weights / peer.environment, _filled(peer.make, filled))
    if peer.variables:  # rclip keeps its weights and its index in one folder, and searches the folder it is called in
        shutil.copytree(weights / peer.weights[0], store)
    kept = _bytes(store)
    variables = {name: value.format(**filled) for name, value in peer.variables.items()}
    seconds, memory, *_ = _run(_filled(peer.index, filled), photos, variables)
    queries = [_run(_filled(peer.query, filled), photos, variables) for _ in range(RUNS)]
    if not all(query[2] for query in queries):
        raise SystemExit(f"{peer.name} found no photo: it has indexed none")
    warm = "-"
    if peer.warm is not None:
        printed = _run(_filled(peer.warm, filled), photos, variables)[3]
        warm = f"{float(printed.partition('warm: ')[2]):.0f}"
    installed = _bytes(env) + sum(_bytes(weights / part) for part in peer.weights)
    return [
        f"{installed / 1e6:,.0f}",
        f"{count / seconds:.1f}",
        f"{statistics.median(query[0] for query in queries):.2f}",
        warm,
        f"{max(memory, *(query[1] for query in queries)):,.0f}",
        f"{(_bytes(store) - kept) / 1000 / count:.1f}",
    ]


def _once(folder: Path, *commands: Sequence[str]) -> None:
    """Make `folder` by these commands, unless they have made it before; one that was left half made is made anew."""
    if not (done := folder / "made").exists():
        shutil.rmtree(folder, ignore_errors=True)
        for command in commands:
            subprocess.run(command, check=True, stdout=sys.stderr)
        done.touch()


def _filled(command: Sequence[str], values: dict[str, object]) -> list[str]:
    return [part if part == _WARM else part.format(**values) for part in command]


def _run(command: Sequence[str], photos: Path, variables: dict[str, str]) -> tuple[float, float, int, str]:
    """Seconds, peak megabytes, how many photos it names, and what it says on standard error."""
    environment = os.environ | variables | {"HF_HUB_OFFLINE": "1"}
    measured = [sys.executable, "-c", _MEASURED, *command]
    done = subprocess.run(measured, cwd=photos, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    seconds, megabytes, named = done.stdout.split()
    return float(seconds), float(megabytes), int(named), done.stderr


def _bytes(path: Path) -> int:
    """On disk, of a file or of everything in a folder; 0 where there is nothing."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())


if __name__ == "__main__":
    main()
