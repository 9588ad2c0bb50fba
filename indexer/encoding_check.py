"""Encode photos again, to check whether the stored encodings are those of the model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from indexer.batches import ENCODED_AT_ONCE
from indexer.decoding import ReadPhoto
from indexer.library.catalog import encoded_table, folder_table, location_table, photo_table
from indexer.library.view import LibraryView
from indexer.workers import ReadRequest, read_photos
from model.image_processor import PixelBertImageProcessor
from model.runtime.protocol import Runtime

MIN_COSINE = 0.99
"""Two embeddings of a photo by one model are at least so similar: runtimes and decoders round differently."""
_Pixels: TypeAlias = tuple[int, NDArray[np.uint8]]
"""Photo id and pixels."""


@dataclass
class EncodingCheck:
    """Photos that were encoded again."""

    compared: int = 0
    mismatched: list[int] = field(default_factory=list)
    """Ids of photos whose stored embedding is not that of the model."""


def check_encodings(
    library: LibraryView, processor: PixelBertImageProcessor, runtime: Callable[[], Runtime], *, at_most: int | None
) -> EncodingCheck:
    """Encode photos again and compare, all or a random `at_most` of them. Changes nothing.

    `runtime` is called when there is a photo to encode. Files that cannot be read, or hold another photo now, are
    skipped.
    """
    photos = _reachable(library)
    sample = [photos[row] for row in np.random.default_rng().permutation(len(photos))[:at_most].tolist()]
    check = EncodingCheck()
    with closing(read_photos((ReadRequest(path) for _, _, path in sample), processor)) as results:
        pictures = (
            (photo_id, read.picture.pixels)
            for (photo_id, digest, _), read in zip(sample, results, strict=True)
            if isinstance(read, ReadPhoto) and read.picture is not None and read.identity.digest == digest
        )
        for batch in _batches(pictures):
            again = runtime().encode_image([pixels for _, pixels in batch]).embeddings
            stored = library.encodings.vectors([photo_id for photo_id, _ in batch])
            for (photo_id, _), embedding in zip(batch, again, strict=True):
                if photo_id not in stored:  # removed meanwhile
                    continue
                check.compared += 1
                is_same = stored[photo_id].shape == embedding.shape and stored[photo_id] @ embedding >= MIN_COSINE
                if not is_same:
                    check.mismatched.append(photo_id)
    return check


def _reachable(library: LibraryView) -> list[tuple[int, bytes, str]]:
    """Id, digest and path of each photo that is encoded and has a file that can be reached, in order of id."""
    query = (
        select(photo_table.c.id, photo_table.c.digest, folder_table.c.path, location_table.c.path)
        .select_from(photo_table)
        .join(encoded_table)
        .join(location_table, location_table.c.photo_id == photo_table.c.id)
        .join(folder_table)
        .where(encoded_table.c.generation == library.generation, folder_table.c.online)
        .order_by(photo_table.c.id)
    )
    reachable: dict[int, tuple[int, bytes, str]] = {}
    with library.catalog.connect() as connection:
        for photo_id, digest, folder, name in connection.execute(query):
            path = str(Path(folder, name))
            if photo_id not in reachable and os.path.exists(path):  # noqa: PTH110  # never raises
                reachable[photo_id] = photo_id, digest, path
    return list(reachable.values())


def _batches(pictures: Iterator[_Pixels]) -> Iterator[list[_Pixels]]:
    while batch := list(islice(pictures, ENCODED_AT_ONCE)):
        yield batch
