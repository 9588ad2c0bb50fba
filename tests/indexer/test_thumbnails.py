"""Photos made small for a page, whatever their files hold."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from indexer.decoding import Failure, make_thumbnail
from indexer.thumbnails import ThumbnailMaker
from tests.indexer.desk import paint


@pytest.fixture(scope="module")
def maker() -> Iterator[ThumbnailMaker]:
    with closing(ThumbnailMaker()) as maker:
        yield maker


def opened(content: bytes | Failure) -> Image.Image:
    assert isinstance(content, bytes)
    return Image.open(io.BytesIO(content))


def test_a_photo_fits_its_side_and_is_never_made_larger(maker: ThumbnailMaker, tmp_path: Path) -> None:
    wide, small = paint(tmp_path / "wide.png", "red", size=(1000, 300)), paint(tmp_path / "small.png", "red")
    with opened(maker.make(str(wide), 100)) as image:
        assert (image.format, image.size) == ("WEBP", (100, 30))
    with opened(maker.make(str(small), 100)) as image:
        assert image.size == (40, 30)
    needle = paint(tmp_path / "needle.png", "red", size=(5000, 2))
    with opened(maker.make(str(needle), 100)) as image:
        assert image.size == (100, 1)


@pytest.mark.parametrize("suffix", ["jpg", "tif", "png", "webp"])
def test_a_turned_photo_stands_upright(tmp_path: Path, suffix: str) -> None:
    picture = Image.new("RGB", (80, 40), "red")
    picture.paste("blue", (0, 0, 20, 40))  # at the left of what is stored: at the top, upright
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / f"turned.{suffix}", exif=exif)
    with opened(make_thumbnail(str(tmp_path / f"turned.{suffix}"), 80)) as image:
        assert image.size == (40, 80)
        red, _, blue = image.convert("RGB").getpixel((20, 5))  # type: ignore[misc]
        assert blue > 200 > red
        assert not image.getexif()


@pytest.mark.parametrize(
    ("content", "failure"),
    [(b"", Failure.EMPTY), (b"<svg/>", Failure.NOT_A_PHOTO), (b"\xff\xd8\xff\xe0 cut short", Failure.DAMAGED)],
)
def test_a_file_that_is_not_a_photo_is_a_failure(
    maker: ThumbnailMaker, tmp_path: Path, content: bytes, failure: Failure
) -> None:
    (tmp_path / "photo.jpg").write_bytes(content)
    assert maker.make(str(tmp_path / "photo.jpg"), 100) is failure
    assert maker.make(str(tmp_path / "nowhere.jpg"), 100) is Failure.UNREADABLE


def test_a_bomb_is_not_unpacked(maker: ThumbnailMaker, tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    assert maker.make(str(tmp_path / "bomb.png"), 100) is Failure.TOO_MANY_PIXELS


def test_a_photo_that_takes_too_long_is_given_up_and_the_next_one_made(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs a pipe that never answers")
    os.mkfifo(tmp_path / "endless.jpg")
    with closing(ThumbnailMaker(time_limit_s=2)) as maker:
        assert maker.make(str(tmp_path / "endless.jpg"), 100) is Failure.TIMED_OUT
        assert isinstance(maker.make(str(paint(tmp_path / "a.png", "red")), 100), bytes)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_a_photo_that_takes_too_much_memory_is_given_up_and_the_next_one_made(tmp_path: Path) -> None:
    Image.new("L", (9000, 9000)).save(tmp_path / "vast.png")
    with closing(ThumbnailMaker(memory_limit_bytes=200 * 1024**2)) as maker:
        assert maker.make(str(tmp_path / "vast.png"), 100) is Failure.OUT_OF_MEMORY
        assert isinstance(maker.make(str(paint(tmp_path / "a.png", "red")), 100), bytes)


def test_a_closed_one_starts_anew(tmp_path: Path) -> None:
    maker = ThumbnailMaker()
    for _ in range(2):
        with closing(maker):
            assert isinstance(maker.make(str(paint(tmp_path / "a.png", "red")), 100), bytes)
