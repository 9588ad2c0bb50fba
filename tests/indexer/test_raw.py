from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.decoding import Failure, Picture, ReadPhoto, read_photo
from tests.indexer.colour_runtime import colour_processor
from tests.indexer.desk import Desk
from tests.indexer.raw_files import dng
from tests.indexer.test_decoding import HEIGHT, WIDTH, scene

pytest.importorskip("rawpy")
PROCESSOR = colour_processor()
TURNED = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
"""How the preview lies in the file, for each orientation."""


def read(path: Path, content: bytes) -> ReadPhoto | Failure:
    path.write_bytes(content)
    return read_photo(str(path), frozenset(), PROCESSOR)


def picture(path: Path, content: bytes) -> Picture:
    result = read(path, content)
    assert isinstance(result, ReadPhoto), result
    assert result.picture is not None
    return result.picture


@pytest.mark.parametrize("orientation", TURNED)
def test_a_raw_file_is_seen_by_its_preview_upright(tmp_path: Path, orientation: int) -> None:
    turn = TURNED[orientation]
    preview = scene() if turn is None else scene().transpose(turn)
    read = picture(tmp_path / "photo.DNG", dng(preview, orientation=orientation))
    assert (read.width, read.height) == (WIDTH, HEIGHT)
    assert np.abs(read.pixels.astype(float) - PROCESSOR.resize(scene())).mean() < 15


def test_camera_time_and_title_are_read(tmp_path: Path) -> None:
    metadata = picture(tmp_path / "photo.dng", dng(scene(), taken="2021:07:14 12:00:00")).metadata
    assert metadata.camera == "Canon EOS R5"
    assert metadata.taken_at == int(datetime(2021, 7, 14, 12, tzinfo=UTC).timestamp())
    assert metadata.description == "a title in the file"


def test_one_without_a_preview_is_skipped_with_that_reason(tmp_path: Path) -> None:
    assert read(tmp_path / "photo.dng", dng(None)) is Failure.NO_PREVIEW


def test_a_photo_under_the_name_of_a_raw_file_is_read_all_the_same(tmp_path: Path) -> None:
    scene().save(tmp_path / "photo.png")
    assert picture(tmp_path / "photo.cr2", (tmp_path / "photo.png").read_bytes()).width == WIDTH


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.99])
def test_one_that_was_cut_short_is_read_or_refused(tmp_path: Path, share: float) -> None:
    content = dng(scene())
    outcome = read(tmp_path / "photo.dng", content[: int(share * len(content))])
    assert isinstance(outcome, ReadPhoto) or outcome in (Failure.DAMAGED, Failure.NOT_A_PHOTO, Failure.NO_PREVIEW)


def test_raw_files_are_indexed_and_found(desk: Desk) -> None:
    (desk.photos / "a.dng").write_bytes(dng(Image.new("RGB", (120, 80), "red")))
    (desk.photos / "b.nef").write_bytes(dng(Image.new("RGB", (120, 80), "blue")))
    assert desk.index().added == 2
    assert desk.search("red")[0] == "a.dng"
