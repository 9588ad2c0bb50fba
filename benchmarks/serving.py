"""Many people searching at once: how long each waits, what it takes of memory, and whether batches would help.

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
from pathlib import Path

import numpy as np

from benchmarks.machine import machine
from benchmarks.search import SENTENCES
from indexer.library.view import LibraryView
from model.runtime.loading import load_runtime
from model.weights import DEFAULT, find_weights, generation

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
        print("| searches at once | answered | failed | per second | p50 s | p95 s | server's memory MB |")
        print("|---|---|---|---|---|---|---|")
        for people in (1, 10, 50):
            print(f"| {people} | {' | '.join(load(port, server.pid, people, arguments.seconds))} |", flush=True)
    finally:
        server.terminate()
        server.wait()
    print(f"\n{arguments.seconds:g} s each. {machine()}\n")
    batches(arguments.library, arguments.weights)


def await_answer(port: int) -> None:
    """Wait until the server is up."""
    for _ in range(600):
        try:
            ask(port, SENTENCES[0])
            return
        except ConnectionError:
            time.sleep(0.1)
    raise SystemExit("the server did not start")


def ask(port: int, sentence: str) -> int:
    """Search; the status of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    try:
        connection.request("GET", f"/api/v1/search?{urllib.parse.urlencode({'q': sentence})}")
        answer = connection.getresponse()
        json.loads(answer.read())
        return answer.status
    finally:
        connection.close()


def load(port: int, server: int, people: int, seconds: float) -> list[str]:
    """Let so many people search one sentence after another; the cells of the row."""
    sentences = itertools.cycle(SENTENCES)
    waits: list[float] = []
    failures = Counter[object]()
    end = time.perf_counter() + seconds

    def person() -> None:
        while (start := time.perf_counter()) < end:
            try:
                status: object = ask(port, next(sentences))
            except OSError as error:
                status = type(error).__name__
            if status == 200:
                waits.append(time.perf_counter() - start)
            else:
                failures[status] += 1

    started = time.perf_counter()
    threads = [threading.Thread(target=person) for _ in range(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - started
    median, slow = np.percentile(waits, (50, 95))
    failed = ", ".join(f"{count} x {what}" for what, count in failures.items()) or "0"
    return [
        f"{len(waits)}",
        failed,
        f"{len(waits) / took:.2f}",
        f"{median:.2f}",
        f"{slow:.2f}",
        f"{memory(server):.0f}",
    ]


def memory(process: int) -> float:
    """Resident megabytes."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def batches(path: Path, weights: str) -> None:
    """Rerank for several sentences in turn, and in one forward pass."""
    folder = find_weights(weights)
    runtime = load_runtime(folder)
    with LibraryView.open(path, generation=generation(folder)) as library:
        text = runtime.encode_text(SENTENCES[:_TOGETHER])
        shortlists = [library.shortlist(embedding, _SHORTLIST)[0].tolist() for embedding in text.embeddings]
        features = [list(library.pixel_features(photo_ids).values()) for photo_ids in shortlists]
    rows = [row for row, photo_ids in enumerate(shortlists) for _ in photo_ids]
    everything = [feature for shortlist in features for feature in shortlist]
    alone = [text.select([row]) for row in range(_TOGETHER)]
    in_turn, together = [], []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        for text, shortlist in zip(alone, features, strict=True):
            runtime.itm_logits(text, shortlist)
        middle = time.perf_counter()
        runtime.itm_logits(text.select(rows), everything)
        in_turn.append(middle - start)
        together.append(time.perf_counter() - middle)
    print(f"| rerank for {_TOGETHER} searches | best s | median s |")
    print("|---|---|---|")
    for name, seconds in (("one after another", in_turn), ("in one forward pass", together)):
        print(f"| {name} | {min(seconds):.2f} | {np.median(seconds):.2f} |")
    print(f"\nShortlists of {_SHORTLIST}. {machine()}")


if __name__ == "__main__":
    main()
