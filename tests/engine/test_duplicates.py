from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.duplicates import (
    MIN_SIMILARITY,
    Copy,
    duplicates_of,
    find_duplicates,
    near_copies,
    near_photos,
    still_duplicates,
)
from engine.search import SearchEngine
from indexer.library.view import LibraryView
from model.weights import find_weights, generation
from tests.engine.libraries import index


@pytest.fixture
def real_photos(shared: Path, tmp_path: Path) -> Path:
    """Twelve photos of everyday life, and of three of them copies as people make them."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in sorted((shared / "photos").glob("*.jpg"))[:12]:
        shutil.copy(path, folder)
    first, second, third, *_ = sorted(folder.iterdir())
    with Image.open(first) as image:
        image.resize((image.width * 7 // 10, image.height * 7 // 10)).save(folder / "smaller.png")
        image.save(folder / "compressed.jpg", quality=70)
    with Image.open(second) as image:
        inset = image.width // 50, image.height // 50
        image.crop((*inset, image.width - inset[0], image.height - inset[1])).save(folder / "cropped.jpg", quality=90)
    shutil.copy(third, folder / "the same bytes.jpg")
    return folder


def test_copies_are_grouped_the_largest_first_and_different_photos_are_not(real_photos: Path, tmp_path: Path) -> None:
    weights = find_weights()
    index(tmp_path / "library", real_photos, weights)
    originals = sorted(path.name for path in real_photos.glob("1*.jpg"))
    progress: list[tuple[int, int]] = []
    with LibraryView.open(tmp_path / "library", generation=generation(weights)) as library:
        groups = find_duplicates(library, progress=lambda done, total: progress.append((done, total)))
        names = [[Path(copy.path).name for copy in group] for group in groups]
        for group in groups:
            for copy in group:
                assert duplicates_of(library, copy.photo_id) == group
        alone = set(library.photo_ids().tolist()) - {copy.photo_id for group in groups for copy in group}
        assert {len(duplicates_of(library, photo_id)) for photo_id in alone} == {1}, "the photo itself"
        assert find_duplicates(library, agreement=1.0)[0][0].photo_id == groups[-1][0].photo_id
    assert names[0][2] == "smaller.png"
    assert {frozenset(group) for group in names} == {
        frozenset({originals[0], "compressed.jpg", "smaller.png"}),
        frozenset({originals[1], "cropped.jpg"}),
        frozenset({originals[2], "the same bytes.jpg"}),
    }
    assert progress == [(15, 15)]
    same = next(group for group in groups if len({copy.photo_id for copy in group}) == 1)
    assert [copy.size for copy in same] == [(real_photos / originals[2]).stat().st_size] * 2


def test_an_empty_library_has_no_duplicates(tmp_path: Path, weights: Path) -> None:
    with LibraryView.open(tmp_path, generation=generation(weights), create=True) as library:
        assert find_duplicates(library) == []


def test_the_photos_near_each_photo_are_those_that_comparing_every_pair_finds() -> None:
    random = np.random.default_rng(0)
    vectors = np.repeat(random.normal(size=(300, 16)), random.integers(1, 12, size=300), axis=0)
    vectors += 0.12 * random.normal(size=vectors.shape)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    photo_ids = np.arange(len(vectors)) * 3 + 7
    found = dict(item for _, neighbours in near_photos(photo_ids, vectors) for item in neighbours.items())
    similarities = vectors @ vectors.T
    np.fill_diagonal(similarities, -1)
    best = np.argsort(-similarities, kind="stable")[:, :8]
    expected = {
        int(photo_ids[row]): [int(photo_ids[other]) for other in best[row] if similarities[row, other] > MIN_SIMILARITY]
        for row in range(len(vectors))
    }
    assert found == {photo_id: near for photo_id, near in expected.items() if near}
    assert max(map(len, found.values())) == 8


def groups_of(photos: Path, library: Path, weights: Path) -> list[list[Copy]]:
    index(library, photos, weights)
    return groups_in(library, weights)


def groups_in(library: Path, weights: Path) -> list[list[Copy]]:
    with LibraryView.open(library, generation=generation(weights)) as opened:
        return find_duplicates(opened)


@pytest.fixture
def album(tmp_path: Path, photos: Path) -> Path:
    """A folder of one photo."""
    folder = tmp_path / "album"
    folder.mkdir()
    shutil.copy(photos / "scene 05.jpg", folder / "a.jpg")
    return folder


@pytest.mark.parametrize("kind", ["link", "hard link", "link to a link", "linked folder", "hard link and link"])
def test_paths_of_one_file_are_no_copies(album: Path, tmp_path: Path, weights: Path, kind: str) -> None:
    if kind in ("link", "link to a link", "hard link and link"):
        (album / "link.jpg").symlink_to("a.jpg")
    if kind == "link to a link":
        (album / "0.jpg").symlink_to("link.jpg")
    if kind in ("hard link", "hard link and link"):
        (album / "b.jpg").hardlink_to(album / "a.jpg")
    if kind == "linked folder":
        more = tmp_path / "more"
        more.mkdir()
        (more / "album").symlink_to(album)
        index(tmp_path / "library", more, weights)
    assert groups_of(album, tmp_path / "library", weights) == []


def test_a_copy_beside_links_is_two_files_and_the_links_are_named(album: Path, tmp_path: Path, weights: Path) -> None:
    (album / "0.jpg").symlink_to("a.jpg")
    shutil.copy(album / "a.jpg", album / "copy.jpg")
    (group,) = groups_of(album, tmp_path / "library", weights)
    assert [(Path(copy.path).name, copy.state, [Path(link).name for link in copy.links]) for copy in group] == [
        ("a.jpg", "here", ["0.jpg"]),
        ("copy.jpg", "here", []),
    ]


def test_a_copy_that_is_gone_or_has_changed_leaves_no_group_of_one(album: Path, tmp_path: Path, weights: Path) -> None:
    shutil.copy(album / "a.jpg", album / "b.jpg")
    library = tmp_path / "library"
    assert len(groups_of(album, library, weights)) == 1
    (album / "b.jpg").write_bytes(b"something else")
    assert groups_in(library, weights) == []
    (album / "b.jpg").unlink()
    assert groups_in(library, weights) == []


def test_of_three_copies_the_one_that_is_gone_is_marked(album: Path, tmp_path: Path, weights: Path) -> None:
    for name in ("b.jpg", "c.jpg", "d.jpg"):
        shutil.copy(album / "a.jpg", album / name)
    index(tmp_path / "library", album, weights)
    (album / "b.jpg").unlink()
    (album / "c.jpg").write_bytes(b"something else")
    (group,) = groups_in(tmp_path / "library", weights)
    assert [(Path(copy.path).name, copy.state) for copy in group] == [
        ("a.jpg", "here"), ("b.jpg", "gone"), ("c.jpg", "changed"), ("d.jpg", "here"),
    ]  # fmt: skip


def test_a_copy_on_a_disk_that_is_away_is_marked(album: Path, tmp_path: Path, weights: Path) -> None:
    disk = shutil.copytree(album, tmp_path / "disk")
    library = tmp_path / "library"
    index(library, album, weights)
    index(library, disk, weights)
    disk.rename(tmp_path / "away")
    (group,) = groups_in(library, weights)
    assert [(copy.path, copy.state) for copy in group] == [
        (str(album / "a.jpg"), "here"),
        (str(disk / "a.jpg"), "offline"),
    ]


def test_a_link_to_a_disk_that_is_away_is_marked(album: Path, tmp_path: Path, weights: Path) -> None:
    disk = shutil.copytree(album, tmp_path / "disk")
    (album / "link.jpg").symlink_to(disk / "a.jpg")
    index(tmp_path / "library", album, weights)
    disk.rename(tmp_path / "away")
    (group,) = groups_in(tmp_path / "library", weights)
    assert [(Path(copy.path).name, copy.state) for copy in group] == [("a.jpg", "here"), ("link.jpg", "offline")]


def test_photos_of_one_search_know_of_their_copies(real_photos: Path, tmp_path: Path) -> None:
    weights = find_weights()
    index(tmp_path / "library", real_photos, weights)
    with SearchEngine.open(tmp_path / "library") as engine:
        hits = engine.search("people", limit=50).hits
        id_of = {Path(hit.path).name: hit.photo_id for hit in hits}
        copies = {Path(hit.path).name: hit.copies for hit in hits}
        first, second, third, *others = sorted(path.name for path in real_photos.glob("1*.jpg"))
        assert set(copies["smaller.png"]) == {id_of[first], id_of["compressed.jpg"]}
        assert set(copies[first]) == {id_of["smaller.png"], id_of["compressed.jpg"]}
        assert copies["cropped.jpg"] == [id_of[second]]
        assert [copies[name] for name in (third, *others) if name in copies] == [[]] * (len(others) + 1)
        assert [hit.to_json()["copies"] for hit in hits] == [hit.copies for hit in hits]
        assert [hit.copies for hit in engine.search("people", limit=50, rerank=False).hits if hit.copies]
        assert [hit.copies for hit in engine.similar(id_of[first], limit=50) if hit.copies]


def test_of_no_and_of_one_photo_and_of_photos_that_are_gone_there_are_no_copies(tmp_path: Path, weights: Path) -> None:
    with LibraryView.open(tmp_path, generation=generation(weights), create=True) as library:
        assert near_copies(library, []) == near_copies(library, [7]) == near_copies(library, [7, 8]) == {}


def test_groups_are_looked_at_again(album: Path, tmp_path: Path, weights: Path) -> None:
    shutil.copy(album / "a.jpg", album / "b.jpg")
    (group,) = groups_of(album, tmp_path / "library", weights)
    ids = [[copy.photo_id for copy in group[:1]]]
    with LibraryView.open(tmp_path / "library", generation=generation(weights)) as library:
        assert still_duplicates(library, ids) == [group]
        (album / "b.jpg").unlink()
        assert still_duplicates(library, ids) == []
