"""The collection of Milvus that holds the vectors of a generation's photos, and its stamp: `index-GENERATION.milvus`.

The stamp is a small file in the library's folder. It says which collection it is and what that covers. A new collection
is filled beside the one in use, with a stamp of its own, and takes its place when it is complete.

Whoever writes gives the collection a new alias, and the stamp names that. So when a folder was copied, and one of the
two libraries has written to the collection, the other one does not find it any more and makes its own.
"""

from __future__ import annotations

import json
import platform
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from indexer.library.encodings import Encodings, Origin
from indexer.library.errors import REMEDY, LibraryError, VectorsMissing, VectorsUnreachable
from indexer.library.faiss_index import EXACT, MAX_EXACT
from indexer.library.milvus_server import MAX_NUMBERS, MAX_ROWS, MilvusServer
from indexer.library.photo_vectors import PhotoVectors, vectors_after
from indexer.library.settings import BY_SIZE
from model.atomic import remove_leftovers, replacing

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

LARGE = "HNSW32"
"""The kind of index for more than MAX_EXACT photos."""
_EF_CONSTRUCTION = 200
_MAX_STAMP_BYTES = 10_000
_RETURN_WAIT_S = 90.0
"""How long a writer waits for a server that is started again."""
_INDEX_WAIT_S = 3600.0
"""How long a writer waits for Milvus to make its index."""
_POLL_S = 0.5


@dataclass(frozen=True)
class Stamp:
    """What a collection covers: the encodings up to the number `sequence`, of the file with that token."""

    collection: str
    alias: str
    """The name by which it is searched and written to."""
    token: str
    vectors: str
    """`PhotoVectors.digest`"""
    width: int
    """D"""
    factory: str
    """Its index, as a FAISS factory string."""
    built_with: int
    """How many encodings there were when it was made."""
    sequence: int = 0
    count: int = 0
    """How many rows it has."""
    longest: float = 0.0
    """No vector is longer."""

    def write(self, path: Path) -> None:
        """Replace the stamp at `path`."""
        remove_leftovers(path)
        with replacing(path) as new:
            new.write_text(json.dumps(asdict(self)), encoding="utf-8")


def stamp_path(library: Path, generation: str) -> Path:
    """The file of the stamp of a generation's collection."""
    return library / f"index-{generation}.milvus"


def building_path(path: Path) -> Path:
    """The file of the stamp of a new collection that is to take the place of the one of the stamp at `path`."""
    return path.with_name(f"{path.stem}.building{path.suffix}")


def replaced_path(path: Path) -> Path:
    """The file of the stamp of a collection that is to be deleted: the one that another has replaced."""
    return path.with_name(f"{path.stem}.replaced{path.suffix}")


def generation_stamps(library: Path) -> list[Path]:
    """The stamps of all generations in a library."""
    return sorted(library.glob("index-*.milvus"))


def read_stamp(path: Path) -> Stamp | None:
    """The stamp at `path`; None if there is no whole one."""
    try:
        with path.open(encoding="utf-8") as file:
            stamp = Stamp(**json.loads(file.read(_MAX_STAMP_BYTES)))
    except (OSError, RecursionError, ValueError, TypeError):
        return None
    defaults = Stamp("", "", "", "", 0, "", 0)
    is_whole = all(type(value) is type(getattr(defaults, name)) for name, value in asdict(stamp).items())
    return stamp if is_whole else None


def covering_stamp(path: Path, encodings: Encodings, photo_vectors: PhotoVectors | None = None) -> Stamp | None:
    """The stamp at `path` if it is of these encodings and of the vectors that `photo_vectors` makes, else None.

    Without that, vectors of any kind will do: all begin with the embedding.
    """
    stamp, origin = read_stamp(path), encodings.origin()
    if stamp is None or origin is None or stamp.token != origin.token:
        return None
    return stamp if photo_vectors is None or stamp.vectors == photo_vectors.digest else None


def index_of(factory: str) -> tuple[str, dict[str, int]]:
    """Milvus's kind of index and its parameters for a FAISS factory string. Raises LibraryError for others."""
    match = re.fullmatch(r"(?P<flat>SQfp16|Flat)|HNSW(?P<links>\d+)(,Flat)?|IVF(?P<lists>\d+),Flat", factory)
    if match is not None:
        if match["flat"]:
            return "FLAT", {}
        if match["links"] and 2 <= int(match["links"]) <= 2048:
            return "HNSW", {"M": int(match["links"]), "efConstruction": _EF_CONSTRUCTION}
        if match["lists"] and 1 <= int(match["lists"]) <= 65_536:
            return "IVF_FLAT", {"nlist": int(match["lists"])}
    raise LibraryError(
        f"the library's setting index_factory is {factory!r}, which is no index of vectors on Milvus. Set it to one "
        f"like HNSW32 or IVF1024,Flat, to {EXACT}, or to {BY_SIZE}."
    )


def search_parameters(factory: str, count: int) -> dict[str, int]:
    """The parameters of a search for `count` rows."""
    kind, parameters = index_of(factory)
    match kind:
        case "HNSW":
            return {"ef": count}
        case "IVF_FLAT":
            lists = parameters["nlist"]
            return {"nprobe": lists if count >= MAX_ROWS else max(1, lists // 8)}
    return {}


def update_collection(
    server: MilvusServer,
    path: Path,
    encodings: Encodings,
    setting: str = BY_SIZE,
    *,
    photo_vectors: PhotoVectors | None = None,
    newer_allowed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Make the collection of the stamp at `path` cover all encodings: extend it, else make a new one.

    As `faiss_file.update_index`. What a killed writer has added stays. Raises VectorsUnreachable if the server is away
    when this begins, or later for longer than it takes to start again.
    """
    origin = encodings.origin()
    if origin is None:
        return
    count, stamp = encodings.count(), covering_stamp(path, encodings, photo_vectors)
    covered = 0 if stamp is None else encodings.count(up_to=stamp.sequence)
    if newer_allowed and count - covered <= newer_allowed:
        return
    if photo_vectors is None and stamp is not None and stamp.vectors:
        return
    factory = (EXACT if count <= MAX_EXACT else LARGE) if setting == BY_SIZE else setting
    index_of(factory)
    server.check()  # one that is away now, or was never there, is not waited for
    is_grown = stamp is not None and count > 2 * stamp.built_with
    writer = _Writer(server, encodings, photo_vectors, progress)
    if stamp is not None and (stamp.factory == factory or (setting == BY_SIZE and not is_grown)):
        try:
            if count == covered == stamp.count == server.count(stamp.alias):
                return
            writer.fill(path, writer.take_over(path, stamp))
            return
        except VectorsMissing:
            pass
    building, replaced = building_path(path), replaced_path(path)
    begun = covering_stamp(building, encodings)
    digest = "" if photo_vectors is None else photo_vectors.digest
    if begun is not None and (begun.factory, begun.vectors) == (factory, digest):
        try:
            begun = writer.take_over(building, begun)
        except VectorsMissing:
            begun = None
    else:
        begun = None
    if begun is None:
        delete_collection(server, building)
        begun = writer.make(building, origin, factory, count)
    writer.fill(building, begun)
    delete_collection(server, replaced)  # of a writer that was killed
    if (old := read_stamp(path)) is not None:
        old.write(replaced)
    building.replace(path)
    patiently(delete_collection, server, replaced)


def delete_collection(server: MilvusServer, path: Path) -> None:
    """Delete the stamp at `path` and its collection, unless a copy of the library uses that one."""
    stamp = read_stamp(path)
    with suppress(VectorsMissing):
        if stamp is not None and set(server.aliases(stamp.collection)) <= {stamp.alias}:
            server.drop(stamp.collection)
    path.unlink(missing_ok=True)


class _Writer:
    """Fills collections. It waits for a server that is started again."""

    def __init__(
        self,
        server: MilvusServer,
        encodings: Encodings,
        photo_vectors: PhotoVectors | None,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._server = server
        self._encodings = encodings
        self._photo_vectors = photo_vectors
        self._progress = progress

    def make(self, path: Path, origin: Origin, factory: str, count: int) -> Stamp:
        """An empty collection, with its stamp at `path`."""
        width, vectors = origin.embedding_size, ""
        if self._photo_vectors is not None:
            nothing = np.zeros((1, width), dtype=np.float32), np.zeros((1, origin.pooled_size), dtype=np.float32)
            width, vectors = self._photo_vectors.of_photos(*nothing).shape[1], self._photo_vectors.digest
        name = f"pixelseek_{origin.token}_{secrets.token_hex(4)}"
        stamp = Stamp(name, _new_alias(name), origin.token, vectors, width, factory, count)
        stamp.write(path)
        description = f"Pixelseek, {path} on {platform.node()}"
        patiently(self._server.create, name, width=width, index=index_of(factory), description=description)
        patiently(self._server.add_alias, name, stamp.alias)
        return stamp

    def take_over(self, path: Path, stamp: Stamp) -> Stamp:
        """The stamp with a new alias of its collection, which no copy of the library knows; it is written to `path`.

        Raises VectorsMissing if the collection is not there, or a copy has written to it.
        """
        aliases = patiently(self._server.aliases, stamp.collection)
        if stamp.alias not in aliases:
            raise VectorsMissing(f"{self._server.name} has no collection {stamp.alias}.")
        taken = replace(stamp, alias=_new_alias(stamp.collection))
        patiently(self._server.add_alias, stamp.collection, taken.alias)
        taken.write(path)
        for alias in aliases:
            patiently(self._server.remove_alias, alias)
        return taken

    def fill(self, path: Path, stamp: Stamp) -> None:
        """Add the rows that the collection lacks, delete those of removed encodings, and write the stamp."""
        stored = self._encodings.sequences(0)
        rows = patiently(self._server.count, stamp.alias)
        is_sound = int(np.count_nonzero(stored <= stamp.sequence)) == stamp.count <= rows
        longest = self._add_and_remove(stamp, stored, after=stamp.sequence if is_sound else 0)
        if patiently(self._server.count, stamp.alias) != len(stored):
            longest = self._add_and_remove(stamp, stored, after=0)
        if (rows := patiently(self._server.count, stamp.alias)) != len(stored):
            raise LibraryError(f"{self._server.name} holds {rows} vectors, not {len(stored)}; {REMEDY}.")
        if index_of(stamp.factory)[0] != "FLAT":
            self._wait_for_index(stamp, stored[stored > stamp.sequence])
        last = int(stored[-1]) if len(stored) else 0
        replace(stamp, sequence=last, count=len(stored), longest=longest).write(path)

    def _add_and_remove(self, stamp: Stamp, stored: NDArray[np.int64], *, after: int) -> float:
        """Make the rows beyond the number `after` those of the encodings `stored`; the length of the longest vector."""
        last = int(stored[-1]) if len(stored) else after
        present = patiently(self._server.sequences, stamp.alias, after=after, up_to=last)
        patiently(self._server.remove, stamp.alias, np.setdiff1d(present, stored))
        lacking = np.setdiff1d(stored[stored > after], present)
        start = min(stamp.sequence, int(lacking[0]) - 1) if len(lacking) else stamp.sequence
        longest, done = stamp.longest, 0
        for block in vectors_after(self._encodings, self._photo_vectors, start):
            lengths = np.linalg.norm(block.vectors.astype(np.float32), axis=1)
            longest = max(longest, float(lengths.max(initial=0.0)))
            new = block.select(np.isin(block.sequences, lacking))
            if len(new.sequences):
                patiently(self._server.add, stamp.alias, new.sequences, new.vectors)
                done += len(new.sequences)
                if self._progress is not None:
                    self._progress(done, len(lacking))
        return longest

    def _wait_for_index(self, stamp: Stamp, sequences: NDArray[np.int64]) -> None:
        """Wait until Milvus finds these rows by its index: without one it compares an eighth of them or fewer."""
        patiently(self._server.seal, stamp.alias)
        query, deadline = np.ones(stamp.width, dtype=np.float32), time.monotonic() + _INDEX_WAIT_S
        for start in range(0, len(sequences), MAX_NUMBERS):
            part = sequences[start : start + MAX_NUMBERS]
            while True:
                found, _ = patiently(
                    self._server.nearest,
                    stamp.alias,
                    query,
                    len(part),
                    among=part,
                    parameters=search_parameters(stamp.factory, MAX_ROWS),
                    is_strong=True,
                )
                if len(found) == len(part):
                    break
                if time.monotonic() > deadline:
                    raise LibraryError(
                        f"{self._server.name} has not made its index in {_INDEX_WAIT_S / 3600:g} hours. Index again."
                    )
                time.sleep(_POLL_S)


def patiently(
    request: Callable[Parameters, Result], *arguments: Parameters.args, **options: Parameters.kwargs
) -> Result:
    """The answer to a request. A server that is away is waited for: what a writer asks may be asked twice."""
    deadline = time.monotonic() + _RETURN_WAIT_S
    while True:
        try:
            return request(*arguments, **options)
        except VectorsUnreachable:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)


def _new_alias(collection: str) -> str:
    return f"{collection}_{secrets.token_hex(4)}"
