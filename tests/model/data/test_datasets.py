"""Published layouts become shards: the right captions, splits and order, and nothing that must not be trained on."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.data.coco import read_coco
from model.data.flickr import read_flickr8k, read_flickr30k
from model.data.folder import read_folder
from model.data.importing import import_photos
from model.data.karpathy import held_out_coco_ids, read_karpathy
from model.data.shards import read_shards
from model.data.source import DatasetError, SourcePhoto
from model.data.visual_genome import read_visual_genome


def paint(path: Path, seed: int = 0, size: tuple[int, int] = (60, 40)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def write_json(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def karpathy_image(number: int, split: str, captions: int = 5) -> dict[str, Any]:
    sentences = [{"raw": f"caption {which} of {number}", "sentid": 10 * number + which} for which in range(captions)]
    return {
        "filename": f"COCO_val2014_{number:012}.jpg",
        "filepath": "val2014",
        "split": split,
        "cocoid": number,
        "sentences": sentences,
    }


@pytest.fixture
def karpathy(tmp_path: Path) -> Path:
    images = [
        karpathy_image(number, split) for number, split in ((1, "train"), (2, "restval"), (3, "val"), (4, "test"))
    ]
    return write_json(tmp_path / "dataset_coco.json", {"dataset": "coco", "images": images})


class TestKarpathy:
    def test_restval_is_trained_on_and_val_is_dev(self, karpathy: Path, tmp_path: Path) -> None:
        photos = read_karpathy(karpathy, tmp_path, "coco")
        assert [(photo.key, photo.split) for photo in photos] == [
            ("coco_000000000001", "train"),
            ("coco_000000000002", "train"),
            ("coco_000000000003", "dev"),
            ("coco_000000000004", "test"),
        ]
        assert photos[1].path == tmp_path / "val2014" / "COCO_val2014_000000000002.jpg"
        assert photos[1].captions[2] == "caption 2 of 2"
        assert (photos[1].coco_id, photos[1].caption_ids) == (2, (20, 21, 22, 23, 24))

    def test_the_test_split_keeps_its_order_and_all_its_25010_captions(self, tmp_path: Path) -> None:
        numbers = np.random.default_rng(0).permutation(5000).tolist()
        images = [karpathy_image(number, "test", captions=6 if number < 10 else 5) for number in numbers]
        photos = read_karpathy(write_json(tmp_path / "d.json", {"images": images}), tmp_path, "coco")
        assert [photo.coco_id for photo in photos] == numbers
        assert sum(len(photo.captions) for photo in photos) == 25_010

    def test_flickr_photos_go_by_their_file_name(self, tmp_path: Path) -> None:
        image = {"filename": "1000.jpg", "split": "test", "sentences": [{"raw": "a dog", "sentid": 7}]}
        photos = read_karpathy(write_json(tmp_path / "d.json", {"images": [image]}), tmp_path, "flickr30k")
        assert photos == [SourcePhoto("flickr30k_1000", tmp_path / "1000.jpg", ("a dog",), "test")]

    def test_what_is_held_out_is_val_and_test(self, karpathy: Path) -> None:
        assert held_out_coco_ids(karpathy) == {3, 4}

    def test_a_file_that_is_something_else_is_refused(self, tmp_path: Path) -> None:
        other = write_json(tmp_path / "other.json", [1, 2])
        with pytest.raises(DatasetError, match=r"other\.json is not laid out as expected"):
            read_karpathy(other, tmp_path, "coco")
        with pytest.raises(DatasetError, match=r"nothing\.json cannot be read"):
            read_karpathy(tmp_path / "nothing.json", tmp_path, "coco")


def coco_file(path: Path, names: dict[int, str]) -> Path:
    annotations = [
        {"id": 10 * number + which, "image_id": number, "caption": f"{word} {number}"}
        for which, word in enumerate(("one", "two"))
        for number in names
    ]
    images = [{"id": number, "file_name": name} for number, name in names.items()]
    return write_json(path, {"images": images, "annotations": annotations})


class TestCoco:
    def test_captions_find_their_photos(self, tmp_path: Path) -> None:
        file = coco_file(
            tmp_path / "a.json", {7: "COCO_train2014_000000000007.jpg", 5: "COCO_train2014_000000000005.jpg"}
        )
        photos, left_out = read_coco(file, tmp_path, "train", None)
        assert left_out == 0
        assert photos[0] == SourcePhoto(
            "coco_000000000007", tmp_path / "COCO_train2014_000000000007.jpg", ("one 7", "two 7"), "train", 7, (70, 71)
        )

    def test_karpathys_val_and_test_photos_are_left_out_of_train(self, tmp_path: Path, karpathy: Path) -> None:
        file = coco_file(tmp_path / "a.json", {number: f"{number:012}.jpg" for number in range(1, 7)})
        photos, left_out = read_coco(file, tmp_path, "train", held_out_coco_ids(karpathy))
        assert [photo.coco_id for photo in photos] == [1, 2, 5, 6]
        assert left_out == 2

    def test_a_file_that_may_hold_them_is_refused_without_knowing_which(self, tmp_path: Path) -> None:
        file = coco_file(tmp_path / "a.json", {1: "000000000001.jpg"})
        with pytest.raises(DatasetError, match="--karpathy"):
            read_coco(file, tmp_path, "train", None)
        assert len(read_coco(file, tmp_path, "test", None)[0]) == 1

    def test_an_id_listed_twice_is_refused(self, tmp_path: Path) -> None:
        image = {"id": 1, "file_name": "COCO_train2014_1.jpg"}
        file = write_json(tmp_path / "a.json", {"images": [image, image], "annotations": []})
        with pytest.raises(DatasetError, match="twice"):
            read_coco(file, tmp_path, "train", None)


class TestFlickr:
    def test_flickr8k_has_the_splits_that_lie_beside_it(self, tmp_path: Path) -> None:
        tokens = tmp_path / "Flickr8k.token.txt"
        tokens.write_text("".join(f"{name}.jpg#{n}\t{name} {n} .\n" for name in "abcd" for n in range(5)))
        for split, name in (("train", "b"), ("dev", "a"), ("test", "c")):
            (tmp_path / f"Flickr_8k.{split}Images.txt").write_text(f"{name}.jpg\n")
        photos, left_out = read_flickr8k(tokens, tmp_path)
        assert [(photo.key, photo.split, len(photo.captions)) for photo in photos] == [
            ("flickr8k_b", "train", 5),
            ("flickr8k_a", "dev", 5),
            ("flickr8k_c", "test", 5),
        ]
        assert photos[0].captions[3] == "b 3 ."
        assert left_out == 1

    def test_flickr30k_is_one_split(self, tmp_path: Path) -> None:
        tokens = tmp_path / "results.token"
        tokens.write_text("1.jpg#0\tone\n1.jpg#1\tanother\n2.jpg#0\ttwo\n")
        photos = read_flickr30k(tokens, tmp_path, "test")
        assert [(photo.key, photo.captions, photo.split) for photo in photos] == [
            ("flickr30k_1", ("one", "another"), "test"),
            ("flickr30k_2", ("two",), "test"),
        ]

    def test_a_line_that_is_no_caption_is_named(self, tmp_path: Path) -> None:
        tokens = tmp_path / "results.token"
        tokens.write_text("1.jpg#0\tone\n1.jpg, two\n")
        with pytest.raises(DatasetError, match=r"results\.token, line 2"):
            read_flickr30k(tokens, tmp_path, "test")


def test_visual_genome_leaves_out_what_coco_tests_on(tmp_path: Path, karpathy: Path) -> None:
    paint(tmp_path / "VG_100K_2" / "10.jpg")
    phrases = [{"phrase": "a red car "}, {"phrase": "a tree"}, {"phrase": "a red car"}]
    regions = write_json(tmp_path / "r.json", [{"id": number, "regions": phrases} for number in (10, 11, 12)])
    coco = [{"image_id": 10, "coco_id": None}, {"image_id": 11, "coco_id": 4}, {"image_id": 12, "coco_id": 1}]
    photos, left_out = read_visual_genome(
        regions, write_json(tmp_path / "i.json", coco), tmp_path, held_out_coco_ids(karpathy)
    )
    assert [photo.key for photo in photos] == ["vg_10", "vg_12"]
    assert photos[0].captions == ("a red car", "a tree")
    assert photos[0].path == tmp_path / "VG_100K_2" / "10.jpg"
    assert left_out == 1


class TestFolder:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            (
                "c.jsonl",
                '{"file_name": "a/1.jpg", "captions": ["one", "two"], "split": "dev"}\n\n'
                '{"file_name": "2.jpg", "caption": "three"}\n',
            ),
            ("c.csv", "file_name,caption,split\na/1.jpg,one,dev\na/1.jpg,two,dev\n2.jpg,three,\n"),
        ],
    )
    def test_json_lines_and_csv_say_the_same(self, tmp_path: Path, name: str, text: str) -> None:
        (tmp_path / name).write_text(text)
        assert read_folder(tmp_path / name, tmp_path, "mine", "train") == [
            SourcePhoto("mine_a_1_jpg", tmp_path / "a/1.jpg", ("one", "two"), "dev"),
            SourcePhoto("mine_2_jpg", tmp_path / "2.jpg", ("three",), "train"),
        ]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('{"file_name": "1.jpg"}', "line 1: needs file_name"),
            ('{"file_name": "1.jpg", "caption": "x", "split": "later"}', "line 1: split is train, dev, test"),
            ('{"file_name": "1.jpg", "caption": "x"}\n[]', "line 2: not a JSON object"),
            ('{"file_name": "1.jpg", "caption": "x"}\n{', "line 2: not JSON"),
            (
                '{"file_name": "1.jpg", "caption": "x"}\n{"file_name": "1.jpg", "caption": "y", "split": "test"}',
                "line 2: 1.jpg is of split train already",
            ),
        ],
    )
    def test_a_line_that_cannot_be_used_is_named(self, tmp_path: Path, text: str, said: str) -> None:
        (tmp_path / "c.jsonl").write_text(text)
        with pytest.raises(DatasetError, match=said):
            read_folder(tmp_path / "c.jsonl", tmp_path, "mine", "train")


def sources(folder: Path, count: int) -> list[SourcePhoto]:
    return [
        SourcePhoto(
            f"mine_{row}",
            paint(folder / f"{row}.jpg", row),
            (f"number {row}",),
            "train",
            coco_id=row,
            caption_ids=(10 * row,),
        )
        for row in range(count)
    ]


class TestImporting:
    def test_what_is_written_is_read_back(self, tmp_path: Path) -> None:
        report = import_photos(sources(tmp_path, 3), tmp_path / "out", dataset="mine", short_side=384, progress=False)
        assert (report.photos, report.captions, report.splits) == (3, 3, {"train": 3})
        photos = read_shards([Path(shard) for shard in report.shards])
        assert [(photo.key, photo.captions, photo.dataset, photo.split, photo.coco_id) for photo in photos] == [
            (f"mine_{row}", (f"number {row}",), "mine", "train", row) for row in range(3)
        ]
        assert [photo.caption_ids for photo in photos] == [(0,), (10,), (20,)]
        assert photos[1].jpeg == (tmp_path / "1.jpg").read_bytes(), "a small JPEG stays what it is"

    def test_a_shard_holds_a_thousand_photos(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("model.data.importing.PHOTOS_A_SHARD", 2)
        report = import_photos(sources(tmp_path, 5), tmp_path / "out", dataset="mine", short_side=384, progress=False)
        assert [Path(shard).name for shard in report.shards] == ["mine-000.tar", "mine-001.tar", "mine-002.tar"]
        assert len(read_shards([Path(shard) for shard in report.shards])) == 5

    def test_large_photos_are_made_smaller_and_upright(self, tmp_path: Path) -> None:
        paint(tmp_path / "1.png", size=(200, 100))
        image = Image.new("RGB", (300, 100))
        exif = image.getexif()
        exif[0x0112] = 6  # turned by 90 degrees
        image.save(tmp_path / "2.jpg", exif=exif)
        photos = [SourcePhoto(name, tmp_path / name, ("x",), "train") for name in ("1.png", "2.jpg")]
        report = import_photos(photos, tmp_path / "out", dataset="mine", short_side=50, progress=False)
        written = [Image.open(io.BytesIO(photo.jpeg)) for photo in read_shards([Path(report.shards[0])])]
        assert [(image.format, image.size) for image in written] == [("JPEG", (100, 50)), ("JPEG", (50, 150))]

    def test_missing_photos_are_named_before_anything_is_written(self, tmp_path: Path) -> None:
        photos = [*sources(tmp_path, 2), SourcePhoto("gone", tmp_path / "gone.jpg", ("x",), "train")]
        with pytest.raises(DatasetError, match=r"1 of 3 photos are missing: .*gone\.jpg"):
            import_photos(photos, tmp_path / "out", dataset="mine", short_side=384, progress=False)
        assert not (tmp_path / "out").exists()

    def test_a_photo_that_occurs_twice_is_refused(self, tmp_path: Path) -> None:
        photos = sources(tmp_path, 2)
        with pytest.raises(DatasetError, match="1 photos occur more than once: mine_0"):
            import_photos([*photos, photos[0]], tmp_path / "out", dataset="mine", short_side=384, progress=False)

    def test_shards_that_are_there_are_not_overwritten(self, tmp_path: Path) -> None:
        photos = sources(tmp_path, 1)
        import_photos(photos, tmp_path / "out", dataset="mine", short_side=384, progress=False)
        with pytest.raises(DatasetError, match="name another --output"):
            import_photos(photos, tmp_path / "out", dataset="mine", short_side=384, progress=False)

    def test_a_damaged_photo_is_named_and_leaves_no_half_shard(self, tmp_path: Path) -> None:
        photos = sources(tmp_path, 2)
        photos[1].path.write_bytes(photos[1].path.read_bytes()[:300])
        with pytest.raises(DatasetError, match=r"1\.jpg is not a readable photo"):
            import_photos(photos, tmp_path / "out", dataset="mine", short_side=384, progress=False)
        assert list((tmp_path / "out").glob("*.tar")) == []

    def test_a_name_is_no_path(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="letters, digits"):
            import_photos(sources(tmp_path, 1), tmp_path / "out", dataset="../mine", short_side=384, progress=False)
