from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from engine.duplicates import duplicates_of, find_duplicates
from indexer.library import Library
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
    told: list[tuple[int, int]] = []
    with Library.open(tmp_path / "library", generation=generation(weights)) as library:
        groups = find_duplicates(library, progress=lambda done, total: told.append((done, total)))
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
    assert told == [(15, 15)]
    same = next(group for group in groups if len({copy.photo_id for copy in group}) == 1)
    assert [copy.size for copy in same] == [(real_photos / originals[2]).stat().st_size] * 2


def test_an_empty_library_has_no_duplicates(tmp_path: Path, weights: Path) -> None:
    with Library.open(tmp_path, generation=generation(weights), create=True) as library:
        assert find_duplicates(library) == []
