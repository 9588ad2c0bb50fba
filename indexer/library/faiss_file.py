"""The file of the FAISS index over the vectors of a generation's photos: `index-GENERATION.faiss`.

The file ends with a stamp that says what the index covers. An index that is half written, or does not match the
encodings or the parameters that vectors are made with, is recognised by it and never searched. FAISS ignores the stamp.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from indexer.library.encodings import Encodings, Origin
from indexer.library.errors import LibraryError
from indexer.library.faiss_index import SearchableIndex, coarse_index_for, new_index
from indexer.library.photo_vectors import PhotoVectors, vectors_after, vectors_of
from indexer.library.settings import BY_SIZE
from model.atomic import remove_leftovers, replacing

if TYPE_CHECKING:
    import faiss

_MAGIC = b"pixelseek-index1"
_NUMBERS = ("sequence", "count", "built_with", "faiss_bytes")
_MAX_STAMP_BYTES = 10_000
_TAIL = struct.Struct(f"<I{len(_MAGIC)}s")


@dataclass(frozen=True)
class Stamp:
    """What an index covers: the first `count` encodings, up to the number `sequence`, of the file with that token."""

    token: str
    sequence: int
    count: int
    factory: str
    built_with: int
    """How many encodings there were when the index was built and, if necessary, trained."""
    faiss_bytes: int
    """Length of the index without the stamp."""
    vectors: str = ""
    """`PhotoVectors.digest`; older indexes hold the embeddings alone, and no such name."""


def read_stamp(path: Path) -> Stamp | None:
    """The stamp of the index at `path`; None if there is no complete index."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(end - _TAIL.size)
            length, magic = _TAIL.unpack(file.read(_TAIL.size))
            file.seek(end - _TAIL.size - length)
            values = json.loads(file.read(min(length, _MAX_STAMP_BYTES)))
        stamp = Stamp(**values)
        if any(not isinstance(values[name], int) or values[name] < 0 for name in _NUMBERS) or not isinstance(
            stamp.vectors, str
        ):
            return None
    except (OSError, RecursionError, ValueError, TypeError, struct.error):
        return None
    return stamp if magic == _MAGIC and stamp.faiss_bytes + length + _TAIL.size == end else None


def covering_stamp(path: Path, encodings: Encodings, photo_vectors: PhotoVectors | None = None) -> Stamp | None:
    """The stamp of the index at `path` if all encodings that it covers are still stored and its vectors are those that
    `photo_vectors` makes, else None. Without that, vectors of any kind will do: all begin with the embedding."""
    stamp, origin = read_stamp(path), encodings.origin()
    if stamp is None or origin is None or stamp.token != origin.token:
        return None
    if photo_vectors is not None and stamp.vectors != photo_vectors.digest:
        return None
    return stamp if encodings.count(up_to=stamp.sequence) == stamp.count else None


def read_index(path: Path, stamp: Stamp, device: str = "cpu") -> SearchableIndex | None:
    """The index at `path`, searched on `device`; None if FAISS cannot read it or it does not match the stamp.

    The file is memory-mapped. A writer replaces the file and does not change it, so the mapped one stays intact.
    """
    import faiss

    # Windows does not let a mapped file be replaced.
    index = _read(path, stamp, 0 if os.name == "nt" else faiss.IO_FLAG_MMAP_IFC)
    return None if index is None else SearchableIndex(index, device)


def update_index(
    path: Path,
    encodings: Encodings,
    setting: str = BY_SIZE,
    *,
    photo_vectors: PhotoVectors | None = None,
    newer_allowed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Make the index at `path` cover all encodings: extend a sound one, else rebuild it.

    If no more than `newer_allowed` encodings are newer, nothing is done. The index is also rebuilt when it covers more
    than twice the encodings that it was built with, when `setting` has changed, or `photo_vectors` makes other vectors.
    Without `photo_vectors` an index is made of the embeddings alone, and a sound one of other vectors stays as it is.
    `progress` is called with the number of photos that were added so far and that of all to be added.
    Raises LibraryError if FAISS cannot make an index of `setting`.
    """
    origin = encodings.origin()
    if origin is None:
        return
    count, stamp, index = encodings.count(), covering_stamp(path, encodings, photo_vectors), None
    if newer_allowed and count - (0 if stamp is None else stamp.count) <= newer_allowed:
        return
    if photo_vectors is None and stamp is not None and stamp.vectors:
        return
    if stamp is not None and count <= 2 * stamp.built_with and stamp.factory == _factory(setting, stamp.built_with):
        if stamp.count == count:
            return
        index = _read(path, stamp)
    covered = 0 if stamp is None or index is None else stamp.count
    if stamp is None or index is None:
        index, stamp = _trained_index(encodings, _factory(setting, count), photo_vectors, origin, count)
    sequence = stamp.sequence
    for block in vectors_after(encodings, photo_vectors, sequence):
        index.add_with_ids(block.vectors.astype(np.float32), block.photo_ids)
        sequence = int(block.sequences[-1])
        if progress is not None:
            progress(index.ntotal - covered, count - covered)
    _write(path, index, replace(stamp, sequence=sequence, count=index.ntotal))


def _trained_index(
    encodings: Encodings, factory: str, photo_vectors: PhotoVectors | None, origin: Origin, count: int
) -> tuple[faiss.IndexIDMap, Stamp]:
    """An empty index for the vectors of `count` photos, with its stamp."""
    width = origin.embedding_size
    if photo_vectors is not None:
        nothing = np.zeros((1, width), dtype=np.float32), np.zeros((1, origin.pooled_size), dtype=np.float32)
        width = photo_vectors.of_photos(*nothing).shape[1]
    index, training = new_index(width, factory, count)
    if training:
        sample = np.random.default_rng(0).choice(encodings.photo_ids(), training, replace=False)
        blocks = vectors_of(encodings, photo_vectors, sample.tolist())
        index.train(np.concatenate([block.astype(np.float32) for block in blocks]))
    vectors = "" if photo_vectors is None else photo_vectors.digest
    return index, Stamp(origin.token, 0, 0, factory, count, 0, vectors)


def _factory(setting: str, count: int) -> str:
    return coarse_index_for(count) if setting == BY_SIZE else setting


@contextmanager
def _named(path: Path, flags: int) -> Iterator[str]:
    """A name by which FAISS, which takes only names in UTF-8, opens the file at `path`."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        opened = os.open(path, flags)
        try:
            yield f"/dev/fd/{opened}"
        finally:
            os.close(opened)
    else:
        yield str(path)


def _read(path: Path, stamp: Stamp, flags: int = 0) -> faiss.IndexIDMap | None:
    import faiss

    try:
        with _named(path, os.O_RDONLY) as name:
            index = faiss.read_index(name, flags)
    except (FileNotFoundError, RuntimeError):
        return None
    return index if isinstance(index, faiss.IndexIDMap) and index.ntotal == stamp.count else None


def _write(path: Path, index: faiss.IndexIDMap, stamp: Stamp) -> None:
    import faiss

    remove_leftovers(path)
    with replacing(path) as new:
        try:
            with _named(new, os.O_WRONLY) as name:
                faiss.write_index(index, name)
        except RuntimeError as error:
            reason = str(error).rpartition("(")[2].rstrip(")")  # FAISS puts its source code first
            raise LibraryError(f"{path} cannot be written: {reason}. Make room and index again.") from error
        text = json.dumps(asdict(replace(stamp, faiss_bytes=new.stat().st_size))).encode()
        with new.open("ab") as file:
            file.write(text + _TAIL.pack(len(text), _MAGIC))
