"""Photos that are nearly the same: resized, compressed again, cropped a little.

Two photos of one kind of scene have similar embeddings: these say what a photo shows. Pixel features also say where it
is, so they confirm the pairs that the embeddings propose. `benchmarks/duplicates.py` measures how well.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.library.library import require_photo
from indexer.library.view import LibraryView
from indexer.photo_files import PhotoFile, State, files_of

MIN_AGREEMENT = 0.94
"""Two photos are nearly the same if the cosine of their pixel features is at least this."""
MIN_SIMILARITY = 0.9
"""Pixel features are compared if the cosine of the embeddings is at least this."""
_MAX_NEIGHBOURS = 8
_ROWS_AT_ONCE = 512
_PAIRS_AT_ONCE = 128
EXISTING = ("here", "offline")
"""The states of files that exist as far as is known."""


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
    """Other paths that lead to the same file: there is no copy of it there."""
    taken_at: str | None = None
    """When the photo was taken, in ISO 8601 (`PhotoRecord.taken_iso`); None for no date."""


def find_duplicates(
    library: LibraryView, *, agreement: float = MIN_AGREEMENT, progress: Callable[[int, int], None] | None = None
) -> list[list[Copy]]:
    """Groups of files that hold nearly the same photo: the largest groups first, in each the largest file first.

    A group has at least two files that exist as far as is known: `here` or `offline`. Several paths of one file count
    once. What `progress` is called with says `find_groups`.
    """
    return still_duplicates(library, find_groups(library, agreement=agreement, progress=progress))


def find_groups(
    library: LibraryView, *, agreement: float = MIN_AGREEMENT, progress: Callable[[int, int], None] | None = None
) -> list[list[int]]:
    """Groups of photos that are nearly the same, by their ids; also of one photo, where several files hold it.

    Each photo is compared with the few nearest to it; a photo that is nearly the same as one of a group belongs to the
    group. `progress` is called with the number of photos compared so far and the number of all.
    """
    embeddings = library.embeddings(library.photo_ids().tolist())
    photo_ids = np.array(list(embeddings), dtype=np.int64)
    groups = _Groups(photo_ids.tolist())
    for compared, neighbours in near_photos(photo_ids, np.array(list(embeddings.values()))):
        groups.join_agreeing(library, neighbours, agreement)
        if progress is not None:
            progress(compared, len(photo_ids))
    paths = library.paths(photo_ids.tolist())
    return [group for group in groups.all() if sum(len(paths.get(photo_id, ())) for photo_id in group) > 1]


def still_duplicates(library: LibraryView, groups: Sequence[Sequence[int]]) -> list[list[Copy]]:
    """The files of these groups of photos as they are now: the largest groups first, in each the largest file first.

    Groups with fewer than two files that exist are left out.
    """
    files = files_of(library.catalog, [photo_id for group in groups for photo_id in group])
    copies = [_copies(library, group, files) for group in groups]
    duplicates = [group for group in copies if sum(copy.state in EXISTING for copy in group) > 1]
    return sorted(duplicates, key=lambda group: (-len(group), group[0].path))


def near_copies(library: LibraryView, photo_ids: Sequence[int]) -> dict[int, list[int]]:
    """For each of these few photos, if it has any: the others of them that are nearly the same, in their order."""
    embeddings = library.embeddings(photo_ids)
    known = list(embeddings)
    if len(known) < 2:
        return {}
    vectors = np.stack(list(embeddings.values()))
    similar = vectors @ vectors.T >= MIN_SIMILARITY
    np.fill_diagonal(similar, val=False)
    neighbours = {known[row]: [known[column] for column in np.flatnonzero(similar[row])] for row in range(len(known))}
    groups = _Groups(known)
    groups.join_agreeing(library, neighbours, MIN_AGREEMENT)
    return {
        photo_id: [other for other in group if other != photo_id]
        for group in groups.all()
        for photo_id in group
        if len(group) > 1
    }


class _Groups:
    """Photos in groups that grow together: each is alone at first."""

    def __init__(self, photo_ids: Iterable[int]) -> None:
        self._parent = {photo_id: photo_id for photo_id in photo_ids}
        self._compared: set[tuple[int, int]] = set()

    def join_agreeing(self, library: LibraryView, neighbours: Mapping[int, Sequence[int]], agreement: float) -> None:
        """Join each photo with those of its neighbours whose pixel features agree with its own.

        No pair is compared twice, and none that is in one group already.
        """
        pairs = sorted({(min(one, other), max(one, other)) for one, near in neighbours.items() for other in near})
        for start in range(0, len(pairs), _PAIRS_AT_ONCE):
            some = [pair for pair in pairs[start : start + _PAIRS_AT_ONCE] if pair not in self._compared]
            some = [pair for pair in some if self._root(pair[0]) != self._root(pair[1])]
            self._compared.update(some)
            features_of = library.pixel_features(sorted({photo_id for pair in some for photo_id in pair}))
            norm_of = {photo_id: float(np.linalg.norm(features)) for photo_id, features in features_of.items()}
            for first, second in some:
                one, other = features_of.get(first), features_of.get(second)
                if one is None or other is None or one.shape != other.shape:
                    continue
                if float(np.vdot(one, other)) >= agreement * norm_of[first] * norm_of[second]:
                    self._parent[self._root(second)] = self._root(first)

    def all(self) -> list[list[int]]:
        """All groups, each in the order of the photos."""
        groups: dict[int, list[int]] = defaultdict(list)
        for photo_id in self._parent:
            groups[self._root(photo_id)].append(photo_id)
        return list(groups.values())

    def _root(self, photo_id: int) -> int:
        parent = self._parent
        while parent[photo_id] != photo_id:
            parent[photo_id] = photo_id = parent[parent[photo_id]]
        return photo_id


def duplicates_of(library: LibraryView, photo_id: int, *, agreement: float = MIN_AGREEMENT) -> list[Copy]:
    """The files that hold this photo or nearly the same one, the largest first. Raises PhotoMissing."""
    embedding = require_photo(library.embeddings([photo_id]), photo_id)
    nearest, similarities = library.shortlist(embedding, _MAX_NEIGHBOURS + 1)
    near = nearest[(similarities >= MIN_SIMILARITY) & (nearest != photo_id)].tolist()
    group = [photo_id, *_agreeing(library, photo_id, near, agreement)]
    return _copies(library, group, files_of(library.catalog, group))


def near_photos(
    photo_ids: NDArray[np.int64], vectors: NDArray[np.float32]
) -> Iterator[tuple[int, dict[int, list[int]]]]:
    """For parts of the photos (N,) with embeddings (N, E): how many are done, and the ids nearest to each, if any.

    They are the `_MAX_NEIGHBOURS` nearest other photos with a similarity above MIN_SIMILARITY, best first.
    """
    if not len(photo_ids):
        return
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    for start in range(0, len(photo_ids), _ROWS_AT_ONCE):
        limits, similarities, rows = index.range_search(vectors[start : start + _ROWS_AT_ONCE], MIN_SIMILARITY)
        neighbours = {}
        for row, (first, end) in enumerate(itertools.pairwise(limits.tolist()), start=start):
            near = rows[first:end][np.lexsort((rows[first:end], -similarities[first:end]))]
            if len(near := near[near != row][:_MAX_NEIGHBOURS]):
                neighbours[int(photo_ids[row])] = photo_ids[near].tolist()
        yield min(start + _ROWS_AT_ONCE, len(photo_ids)), neighbours


def _agreeing(library: LibraryView, photo_id: int, others: list[int], agreement: float) -> list[int]:
    """Those of the `others` whose pixel features agree with the photo's."""
    features_of = library.pixel_features([photo_id, *others])
    own = features_of.pop(photo_id, None)
    if own is None:
        return []
    return [
        other
        for other, features in features_of.items()
        if features.shape == own.shape
        and float((own * features).sum()) >= agreement * float(np.linalg.norm(own) * np.linalg.norm(features))
    ]


def _copies(library: LibraryView, photo_ids: Sequence[int], files: dict[int, list[PhotoFile]]) -> list[Copy]:
    return sorted(
        (
            Copy(file.path, photo.id, photo.width, photo.height, photo.size, file.state, file.links, photo.taken_iso())
            for photo in library.photos(photo_ids)
            for file in files.get(photo.id, ())
        ),
        key=lambda copy: (-copy.width * copy.height, -copy.size, copy.path),
    )
