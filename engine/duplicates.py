"""Photos that are nearly the same: resized, compressed again, cropped a little.

An embedding says what a photo shows, so two photos of one kind of scene have nearly the same. The pixel features
also say where: they confirm what the embeddings propose. How well, `benchmarks/duplicates.py` measures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.library.library import still_there
from indexer.library.view import LibraryView
from indexer.present import PhotoFile, State, files_of

AGREEMENT = 0.94
"""Cosine of the pixel features from which on two photos are taken for nearly the same."""
LEAST_SIMILARITY = 0.9
"""Cosine of the embeddings from which on the pixel features are compared at all."""
_NEIGHBOURS = 8
_ROWS_AT_ONCE = 512
_EXISTS = ("here", "offline")


@dataclass(frozen=True)
class Copy:
    """One file of a group."""

    path: str
    """Absolute."""
    photo_id: int
    """Files of one photo are the same byte by byte."""
    width: int
    height: int
    size: int
    """Bytes."""
    state: State
    """`here`; `changed` since it was indexed, so that it may hold something else; `offline`: it cannot be looked at
    now; or `gone`."""
    links: list[str]
    """Other paths that lead to the same file: whoever deletes the file at `path` has no copy there."""


def find_duplicates(
    library: LibraryView, *, agreement: float = AGREEMENT, progress: Callable[[int, int], None] | None = None
) -> list[list[Copy]]:
    """Groups of files that hold nearly the same photo, in each the largest first, the largest groups first.

    A group has two files at least that exist as far as is known: `here` or `offline`. Several paths of one file count
    once. Each photo is compared with the few nearest to it; who is nearly the same as one of a group belongs to it.
    `progress` is told how many photos of how many are compared.
    """
    embeddings = library.embeddings(library.photo_ids().tolist())
    photo_ids = np.array(list(embeddings), dtype=np.int64)
    parent = {photo_id: photo_id for photo_id in photo_ids.tolist()}

    def root(photo_id: int) -> int:
        while parent[photo_id] != photo_id:
            parent[photo_id] = photo_id = parent[parent[photo_id]]
        return photo_id

    for done, pairs in _proposed(photo_ids, np.array(list(embeddings.values()))):
        for first, others in pairs.items():
            for other in _confirmed(library, first, others, agreement):
                parent[root(other)] = root(first)
        if progress is not None:
            progress(done, len(photo_ids))
    groups: dict[int, list[int]] = defaultdict(list)
    for photo_id in parent:
        groups[root(photo_id)].append(photo_id)
    paths = library.paths(photo_ids.tolist())
    doubled = [group for group in groups.values() if sum(len(paths.get(photo_id, ())) for photo_id in group) > 1]
    files = files_of(library.catalog, [photo_id for group in doubled for photo_id in group])
    copies = [_copies(library, group, files) for group in doubled]
    several = [group for group in copies if sum(copy.state in _EXISTS for copy in group) > 1]
    return sorted(several, key=lambda group: (-len(group), group[0].path))


def duplicates_of(library: LibraryView, photo_id: int, *, agreement: float = AGREEMENT) -> list[Copy]:
    """The files that hold this photo or nearly the same one, the largest first. Raises PhotoMissing."""
    embedding = still_there(library.embeddings([photo_id]), photo_id)
    near, similarities = library.shortlist(embedding, _NEIGHBOURS + 1)
    others = near[(similarities >= LEAST_SIMILARITY) & (near != photo_id)].tolist()
    group = [photo_id, *_confirmed(library, photo_id, others, agreement)]
    return _copies(library, group, files_of(library.catalog, group))


def _proposed(photo_ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> Iterator[tuple[int, dict[int, list[int]]]]:
    """How many photos are through, and for some of these the later ones that are among their nearest."""
    for start in range(0, len(photo_ids), _ROWS_AT_ONCE):
        similarities = vectors[start : start + _ROWS_AT_ONCE] @ vectors.T
        pairs = {}
        for row, similarity in enumerate(similarities, start=start):
            similarity[row] = -1.0
            near = np.flatnonzero(similarity >= LEAST_SIMILARITY)
            near = near[np.argsort(-similarity[near], kind="stable")[:_NEIGHBOURS]]
            if len(near):
                pairs[int(photo_ids[row])] = photo_ids[near].tolist()
        yield min(start + _ROWS_AT_ONCE, len(photo_ids)), pairs


def _confirmed(library: LibraryView, first: int, others: list[int], agreement: float) -> list[int]:
    known = library.pixel_features([first, *others])
    mine = known.pop(first, None)
    if mine is None:
        return []
    return [
        other
        for other, features in known.items()
        if features.shape == mine.shape
        and float((mine * features).sum()) >= agreement * float(np.linalg.norm(mine) * np.linalg.norm(features))
    ]


def _copies(library: LibraryView, photo_ids: list[int], files: dict[int, list[PhotoFile]]) -> list[Copy]:
    return sorted(
        (
            Copy(file.path, photo.id, photo.width, photo.height, photo.size, file.state, file.links)
            for photo in library.photos(photo_ids)
            for file in files.get(photo.id, ())
        ),
        key=lambda copy: (-copy.width * copy.height, -copy.size, copy.path),
    )
