from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from indexer import decoding
from indexer.decoding import CUT_SHORT, Failure, Picture, ReadPhoto, read_photo
from tests.indexer.colour_runtime import colour_processor

PROCESSOR = colour_processor()
WIDTH, HEIGHT = 120, 80


def scene() -> Image.Image:
    """Red on the left, blue on the right, a green stripe on top: no two orientations look alike."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (0, 0, 255))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, WIDTH // 2, HEIGHT), fill=(255, 0, 0))
    draw.rectangle((0, 0, WIDTH, HEIGHT // 4), fill=(0, 255, 0))
    return image


def read(path: Path) -> ReadPhoto | Failure:
    return read_photo(str(path), frozenset(), PROCESSOR)


def picture(path: Path) -> Picture:
    result = read(path)
    assert isinstance(result, ReadPhoto)
    assert result.picture is not None
    return result.picture


def difference(path: Path, expected: Image.Image | None = None) -> float:
    """Mean absolute difference, in units of a byte, between the photo as read and as expected."""
    pixels = picture(path).pixels.astype(float)
    return float(np.abs(pixels - PROCESSOR.resize(expected or scene())).mean())


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "bmp", "tiff", "heic", "hif", "avif", "mpo"])
def test_every_format_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo.{suffix}"
    scene().save(path)
    result = picture(path)
    assert (result.width, result.height) == (WIDTH, HEIGHT)
    assert result.pixels.shape == (32, 32, 3)
    assert difference(path) < 15


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff", "heic", "hif", "avif", "mpo"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(tmp_path: Path, suffix: str, orientation: int) -> None:
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transpose that brings about each orientation
    image = scene()
    if orientation in undo:
        image = image.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo.{suffix}"
    image.save(path, exif=exif.tobytes())
    result = picture(path)
    assert (result.width, result.height) == (WIDTH, HEIGHT)
    assert difference(path) < 15


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "YCbCr", "RGBA"])
def test_every_colour_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGB", (40, 30), "white")
    image.convert(mode).save(tmp_path / "photo.tiff")
    assert difference(tmp_path / "photo.tiff", image) < 3


def test_a_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    scene().convert("CMYK").save(tmp_path / "photo.jpg")
    assert difference(tmp_path / "photo.jpg") < 15


def test_sixteen_bits_are_scaled_and_not_cut(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 40 * 30).reshape(30, 40)
    grey = Image.fromarray((ramp / 257).astype(np.uint8)).convert("RGB")
    for suffix in ("png", "tiff"):
        path = tmp_path / f"photo.{suffix}"
        Image.fromarray(ramp.astype(np.uint16)).save(path)
        assert difference(path, grey) < 2


def test_floating_point_images_are_stretched(tmp_path: Path) -> None:
    ramp = np.linspace(-1.0, 1.0, 40 * 30, dtype=np.float32).reshape(30, 40)
    Image.fromarray(ramp).save(tmp_path / "photo.tiff")
    pixels = picture(tmp_path / "photo.tiff").pixels
    assert pixels.min() < 10
    assert pixels.max() > 245


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_shown_over_white(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "photo.png"
    clear = Image.new("RGBA", (40, 30), (0, 0, 0, 0))
    if mode == "P":
        Image.new("P", (40, 30), 0).save(path, transparency=0)
    else:
        clear.convert(mode).save(path)
    assert picture(path).pixels.min() == 255


def test_an_animation_shows_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "green", "blue")]
    for suffix in ("gif", "webp", "png"):
        path = tmp_path / f"photo.{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
        assert difference(path, frames[0]) < 3


def test_a_photo_is_known_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    scene().save(path)
    result = read(path)
    assert isinstance(result, ReadPhoto)
    content = path.read_bytes()
    assert result.identity.digest == hashlib.blake2b(content, digest_size=16).digest()
    assert result.identity.size == len(content)
    known = read_photo(str(path), frozenset({result.identity.digest}), PROCESSOR)
    assert known == ReadPhoto(result.identity, None)


def test_a_photo_with_the_wrong_suffix_is_read_all_the_same(tmp_path: Path) -> None:
    scene().save(tmp_path / "photo.jpg", format="PNG")
    assert difference(tmp_path / "photo.jpg") < 3


@pytest.mark.parametrize(
    ("content", "failure"),
    [
        (b"", Failure.EMPTY),
        (b"just words, and enough of them to fill a header", Failure.NOT_A_PHOTO),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", Failure.NOT_A_PHOTO),
        (b"\xff\xd8\xff\xe0" + b"\0" * 50, Failure.NOT_A_PHOTO),
    ],
)
def test_what_is_no_photo_is_refused_with_a_reason(tmp_path: Path, content: bytes, failure: Failure) -> None:
    (tmp_path / "photo.jpg").write_bytes(content)
    assert read(tmp_path / "photo.jpg") is failure


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "tiff", "webp", "heic"])
def test_a_truncated_photo_is_damaged(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert read(path) in (Failure.DAMAGED, Failure.NOT_A_PHOTO)


def test_a_missing_file_cannot_be_read(tmp_path: Path) -> None:
    assert read(tmp_path / "missing.jpg") is Failure.UNREADABLE


def test_a_huge_file_of_holes_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "holes.jpg").open("wb") as file:
        file.truncate(2**40)
    assert read(tmp_path / "holes.jpg") is Failure.TOO_MANY_BYTES


def test_a_decompression_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (20_000, 10_000)).save(path)
    assert path.stat().st_size < 100_000
    assert read(path) is Failure.TOO_MANY_PIXELS


def test_an_enormous_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_FILE_BYTES", 1000)
    (tmp_path / "photo.jpg").write_bytes(b"x" * 1001)
    assert read(tmp_path / "photo.jpg") is Failure.TOO_MANY_BYTES


def test_large_jpegs_are_read_at_reduced_detail(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    scene().resize((2400, 1600)).save(path)
    result = picture(path)
    assert (result.width, result.height) == (2400, 1600)
    assert difference(path, scene().resize((2400, 1600))) < 3


def jpeg_bytes(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def blocks(width: int, height: int) -> Image.Image:
    colours = np.random.default_rng(0).integers(0, 256, (12, 18, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("size", [(16, 16), (120, 80), (1200, 800)])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("missing", [1, 2, 20])
def test_a_jpeg_without_its_last_bytes_is_read_with_a_note(
    tmp_path: Path, size: tuple[int, int], progressive: bool, mode: str, missing: int
) -> None:
    whole = jpeg_bytes(blocks(*size).convert(mode), progressive=progressive, quality=90)
    path = tmp_path / "photo.jpg"
    path.write_bytes(whole)
    expected = picture(path).pixels.astype(float)
    path.write_bytes(whole[:-missing])
    result = picture(path)
    assert (result.width, result.height, result.note) == (*size, CUT_SHORT)
    if missing < 20:
        assert np.abs(result.pixels - expected).mean() < 1


@pytest.mark.parametrize(("share", "is_read"), [(0.95, True), (0.7, True), (0.4, False), (0.1, False)])
def test_a_jpeg_of_which_most_is_missing_is_damaged(tmp_path: Path, share: float, is_read: bool) -> None:
    content = jpeg_bytes(blocks(1200, 800), quality=90)
    path = tmp_path / "photo.jpg"
    path.write_bytes(content[: int(share * len(content))])
    assert isinstance(read(path), ReadPhoto) == is_read


def test_a_whole_photo_has_no_note(tmp_path: Path) -> None:
    for suffix in ("jpg", "png", "webp"):
        scene().save(tmp_path / f"photo.{suffix}")
        assert picture(tmp_path / f"photo.{suffix}").note is None


def test_importing_us_changes_no_limit_of_the_program_around_us() -> None:
    code = (
        "from PIL import Image; before = Image.MAX_IMAGE_PIXELS; import indexer.decoding, indexer.workers; "
        "assert before == Image.MAX_IMAGE_PIXELS"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
