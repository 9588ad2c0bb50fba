"""Many people searching at once: how long each waits, what it takes of memory, and how the model computes best.

python -m benchmarks.serving --library LIBRARY
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.machine import machine
from benchmarks.search import SENTENCES
from indexer.library.view import LibraryView
from model.runtime.loading import load_runtime
from model.runtime.protocol import Runtime
from model.weights import DEFAULT, find_weights, generation

_CROWDS = ((1, 0.0), (10, 0.0), (50, 0.0), (50, 10.0))
"""How many people, and how many seconds each looks at the photos before searching again."""
_RETRY_S = 5  # as Retry-After says
_ROUNDS = 5
_TOGETHER = 4
_SHORTLIST = 64


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--weights", default=DEFAULT)
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--port", str(port), "--library", str(arguments.library), "--weights", arguments.weights]
    server = subprocess.Popen([sys.executable, "-m", "cli", "serve", *options], stderr=subprocess.DEVNULL)
    try:
        await_answer(port)
        print("| people | seconds to look | answered | refused | failed | per second | p50 s | p95 s | reranked | MB |")
        print("|---|---|---|---|---|---|---|---|---|---|")
        for people, look_s in _CROWDS:
            print(f"| {' | '.join(load(port, server.pid, people, look_s, arguments.seconds))} |", flush=True)
    finally:
        server.terminate()
        server.wait()
    print(f"\n{arguments.seconds:g} s each. reranked: photos of a search, on average. MB: memory of the server.")
    print(f"{machine()}\n")
    ways(arguments.library, arguments.weights)


def await_answer(port: int) -> None:
    """Wait until the server is up."""
    for _ in range(600):
        try:
            ask(port, SENTENCES[0])
            return
        except ConnectionError:
            time.sleep(0.1)
    raise SystemExit("the server did not start")


def ask(port: int, sentence: str) -> tuple[int, int]:
    """Search; the status of the answer, and how many photos were reranked."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    try:
        connection.request("GET", f"/api/v1/search?{urllib.parse.urlencode({'q': sentence})}")
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()).get("reranked", 0)
    finally:
        connection.close()


def load(port: int, server: int, people: int, look_s: float, seconds: float) -> list[str]:
    """Let so many people search one sentence after another; the cells of the row."""
    sentences = itertools.cycle(SENTENCES)
    waits: list[float] = []
    depths: list[int] = []
    failures = Counter[object]()
    begin = time.perf_counter()

    def person(number: int) -> None:
        time.sleep(look_s * number / people)  # they come one by one
        while (start := time.perf_counter()) < begin + seconds:
            try:
                status, depth = ask(port, next(sentences))
            except OSError as error:
                failures[type(error).__name__] += 1
                continue
            if status == 200:
                waits.append(time.perf_counter() - start)
                depths.append(depth)
                time.sleep(look_s)
            else:
                failures[status] += 1
                time.sleep(_RETRY_S)

    threads = [threading.Thread(target=person, args=(number,)) for number in range(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - begin
    median, slow = np.percentile(waits, (50, 95))
    refused = failures.pop(503, 0)
    failed = ", ".join(f"{count} x {what}" for what, count in failures.items()) or "0"
    figures = (f"{len(waits) / took:.2f}", f"{median:.2f}", f"{slow:.2f}", f"{np.mean(depths):.0f}")
    return [str(people), f"{look_s:g}", str(len(waits)), str(refused), failed, *figures, f"{memory(server):.0f}"]


def memory(process: int) -> float:
    """Resident megabytes."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def ways(path: Path, weights: str) -> None:
    """Rerank for several searches in turn, two at once, and in one forward pass."""
    folder = find_weights(weights)
    both, one = load_runtime(folder), load_runtime(folder, threads=1)
    with LibraryView.open(path, generation=generation(folder)) as library:
        text = both.encode_text(SENTENCES[:_TOGETHER])
        shortlists = [library.shortlist(embedding, _SHORTLIST)[0].tolist() for embedding in text.embeddings]
        features = [list(library.pixel_features(photo_ids).values()) for photo_ids in shortlists]
    rows = [row for row, photo_ids in enumerate(shortlists) for _ in photo_ids]
    everything = [feature for shortlist in features for feature in shortlist]
    alone = [text.select([row]) for row in range(_TOGETHER)]

    def at_once(runtime: Runtime, threads: int) -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(runtime.itm_logits, alone, features))

    runs: dict[str, Callable[[], object]] = {
        "one after another": lambda: at_once(both, 1),
        "two at once": lambda: at_once(both, 2),
        "two at once, a thread each": lambda: at_once(one, 2),
        "in one forward pass": lambda: both.itm_logits(text.select(rows), everything),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(_ROUNDS):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    print(f"| rerank for {_TOGETHER} searches | best s | median s |")
    print("|---|---|---|")
    for name, taken in seconds.items():
        print(f"| {name} | {min(taken):.2f} | {np.median(taken):.2f} |")
    print(f"\nShortlists of {_SHORTLIST}. {machine()}")


if __name__ == "__main__":
    main()
