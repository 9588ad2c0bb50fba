"""The FAISS index over a generation's embeddings: `index-GENERATION.faiss`.

The file ends with a stamp that says what the index covers, so that one that is half written, or older
or newer than the encodings, is recognised and never searched. FAISS reads past the stamp untroubled.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.encodings import Encodings

if TYPE_CHECKING:
    import faiss

EXACT = "IDMap2,SQfp16"
"""Every vector compared, as fp16: half the memory of float32 for an error below 1e-3."""
_MAGIC = b"pixelseek-index1"
_TAIL = struct.Struct(f"<I{len(_MAGIC)}s")


@dataclass(frozen=True)
class Stamp:
    """What an index covers: the first `count` encodings, up to `sequence`, of the file with that token."""

    token: str
    sequence: int
    count: int
    factory: str
    faiss_bytes: int
    """Length of the index itself, the stamp not counted."""


def read_stamp(path: Path) -> Stamp | None:
    """The stamp of the index at `path`; None where there is no whole index."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(end - _TAIL.size)
            length, magic = _TAIL.unpack(file.read(_TAIL.size))
            file.seek(end - _TAIL.size - length)
            stamp = Stamp(**json.loads(file.read(length)))
    except (OSError, ValueError, TypeError, struct.error):
        return None
    return stamp if magic == _MAGIC and stamp.faiss_bytes + length + _TAIL.size == end else None


def covering_stamp(path: Path, encodings: Encodings) -> Stamp | None:
    """The stamp of the index at `path` if the encodings it was made of are all still there, else None."""
    stamp, origin = read_stamp(path), encodings.origin()
    if stamp is None or origin is None or stamp.token != origin.token:
        return None
    return stamp if encodings.count(up_to=stamp.sequence) == stamp.count else None


def read_index(path: Path, stamp: Stamp) -> faiss.Index | None:
    """The index at `path`; None where FAISS cannot read it or it is not the one the stamp tells of."""
    import faiss

    try:
        index = faiss.read_index(str(path))
    except RuntimeError:
        return None
    return index if index.ntotal == stamp.count else None


def update_index(path: Path, encodings: Encodings, factory: str) -> None:
    """Make the index at `path` cover all encodings: extend it where it is sound, else build it anew."""
    origin = encodings.origin()
    if origin is None:
        return
    stamp = covering_stamp(path, encodings)
    if stamp is not None and stamp.factory == factory and stamp.count == encodings.count():
        return
    import faiss

    index = read_index(path, stamp) if stamp is not None and stamp.factory == factory else None
    if stamp is None or index is None:
        index = faiss.index_factory(origin.embedding_size, factory, faiss.METRIC_INNER_PRODUCT)
        stamp = Stamp(origin.token, 0, 0, factory, 0)
    sequence = stamp.sequence
    for part in encodings.after(sequence):
        index.add_with_ids(part.vectors, part.photo_ids)
        sequence = int(part.sequences[-1])
    _write(path, index, origin.token, sequence, factory)


def _write(path: Path, index: faiss.Index, token: str, sequence: int, factory: str) -> None:
    import faiss

    temporary = path.with_name(path.name + ".new")
    faiss.write_index(index, str(temporary))
    stamp = json.dumps(asdict(Stamp(token, sequence, index.ntotal, factory, temporary.stat().st_size))).encode()
    with temporary.open("ab") as file:
        file.write(stamp + _TAIL.pack(len(stamp), _MAGIC))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
