from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import shutil
import sqlite3
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import Result
from PIL import Image

from cli.library import library
from cli.main import app
from cli.model import model
from cli.output import readable_size
from indexer.text_extra import models_folder
from model.runtime.hardware import has_gpu
from model.scoring.calibration import Calibration
from model.scoring.parameters import ScoringParameters
from model.weights import generation
from tests.cli.commands import pixelseek, pixelseek_alone
from tests.engine.libraries import HIT_FIELDS, PHOTO_COUNT, SENTENCE, SPREAD
from web.access import password_hash

GROUPS = {"library": library, "model": model}
COMMANDS = [name for name in app.list_commands(click.Context(app)) if name not in GROUPS] + [
    f"{name} {command}" for name, group in GROUPS.items() for command in group.list_commands(click.Context(group))
]


def test_index_then_search_then_status(tmp_path: Path, photos: Path, weights: Path) -> None:
    options = ("--library", tmp_path, "--weights", weights)

    first = pixelseek("index", photos, *options)
    assert first.exit_code == 0, first.stderr
    assert "12 new, 0 unchanged, 1 skipped" in first.stdout
    assert "broken.jpg: " in first.stdout

    second = pixelseek("index", *options)
    assert "0 new, 12 unchanged, 1 skipped" in second.stdout

    found = pixelseek("search", SENTENCE, "--limit", "3", *options)
    assert found.exit_code == 0, found.stderr
    assert [line.split()[0] for line in found.stdout.splitlines()] == ["Best", "1", "2", "3"]
    assert all(str(photos) in line for line in found.stdout.splitlines()[1:])

    status = pixelseek("status", *options)
    assert "Photos   12" in status.stdout
    assert f"Model    {weights} (generation " in status.stdout
    assert "Index    covers every photo" in status.stdout
    assert "Search   FAISS on the CPU" in status.stdout or has_gpu()
    assert "broken.jpg: " in status.stdout


@pytest.mark.parametrize("name", [os.fsdecode(b"caf\xe9"), "100%41?#", "two\nlines", "日本 'x\""])
def test_a_library_lies_in_a_folder_of_any_name(tmp_path: Path, photos: Path, weights: Path, name: str) -> None:
    library = tmp_path / name
    for command in (
        ("index", photos, "--weights", weights),
        ("config", "index_factory", "HNSW8"),
        ("index",),
        ("status",),
        ("search", "a red circle"),
        ("search", "a red circle", "--json"),
        ("library", "verify"),
        ("library", "backup", tmp_path / f"{name}.sqlite"),
        ("library", "export"),
        ("library", "duplicates"),
    ):
        run = pixelseek(*command, "--library", library)
        assert run.exit_code == 0, (command, run.stderr)


def test_other_weights_answer_when_they_have_encoded_everything_and_need_not_be_named_then(
    library: Path, weights: Path, other_weights: Path
) -> None:
    options = ("--library", library)
    before = pixelseek("search", SENTENCE, "--no-rerank", *options)
    assert before.stdout == pixelseek("search", SENTENCE, "--no-rerank", *options, "--weights", weights).stdout
    run = pixelseek("index", *options, "--weights", other_weights)
    assert (run.exit_code, run.stdout.splitlines()[0][:31]) == (0, "Files: 0 new, 12 unchanged, 1 s")
    after = pixelseek("search", SENTENCE, "--no-rerank", *options)
    assert (after.exit_code, after.stdout == before.stdout) == (0, False)
    assert str(other_weights) in pixelseek("status", *options).stdout
    assert pixelseek("library", "verify", *options).exit_code == 0
    refused = pixelseek("search", SENTENCE, *options, "--weights", weights)
    assert f"Search with {other_weights}, or encode the rest with these: " in refused.stderr


def test_index_reports_as_json(tmp_path: Path, photos: Path, weights: Path) -> None:
    run = pixelseek("index", photos, "--json", "--library", tmp_path, "--weights", weights)
    report = json.loads(run.stdout)
    assert (report["found"], report["added"], report["failed"]) == (13, 12, 1)


def test_search_prints_json(indexed: Path, weights: Path) -> None:
    run = pixelseek("search", "--json", SENTENCE, "--library", indexed, "--weights", weights)
    result = json.loads(run.stdout)
    assert list(result) == ["query", "hits", "line", "hints", "reranked", "timings_ms"]
    assert result["query"] == SENTENCE
    assert len(result["hits"]) == PHOTO_COUNT
    assert {tuple(hit) for hit in result["hits"]} == {HIT_FIELDS}
    assert [hit["score"] for hit in result["hits"]] == sorted((hit["score"] for hit in result["hits"]), reverse=True)
    assert all(Path(hit["path"]).exists() for hit in result["hits"]), "any file name survives"
    assert {"text", "shortlist", "features", "rerank", "total"} == result["timings_ms"].keys()


def test_search_prints_the_best_photos_and_the_others_under_their_headings(
    tmp_path: Path, photos: Path, weights: Path
) -> None:
    calibrated = shutil.copytree(weights, tmp_path / "weights")
    options = ("--library", tmp_path / "library", "--weights", calibrated)
    assert pixelseek("index", photos, *options).exit_code == 0

    def printed(calibration: Calibration, *arguments: str) -> list[str]:
        ScoringParameters(calibration).save(calibrated, generation(calibrated))
        return pixelseek("search", SENTENCE, *arguments, *options).stdout.splitlines()

    lines = printed(SPREAD)
    line = json.loads("\n".join(printed(SPREAD, "--json")))["line"]
    assert 1 < line < PHOTO_COUNT
    assert (lines[0], lines[line + 1 : line + 3]) == ("Best", ["", "More like this"])
    paths = lines[1 : line + 1] + lines[line + 3 :]
    assert [path.split()[0] for path in paths] == [str(rank) for rank in range(1, PHOTO_COUNT + 1)]
    assert not any("%" in path for path in paths)
    assert printed(SPREAD, "--limit", "1") == lines[:2]
    for verbose in ("-v", "--verbose"):
        with_match = printed(SPREAD, verbose)
        assert len(with_match) == len(lines)
        assert sum("%" in path for path in with_match) == PHOTO_COUNT
    everything = printed(Calibration(match_bias=10.0))
    assert (everything[0], len(everything)) == ("Best", 1 + PHOTO_COUNT)
    nothing = printed(Calibration(match_bias=-20.0, cutoff=0.3))
    assert (nothing[0], len(nothing)) == ("Nothing like that here. The nearest photos:", 1 + PHOTO_COUNT)


def test_search_names_a_filter_that_leaves_nothing_and_a_command_without_it(indexed: Path, weights: Path) -> None:
    options = ("--library", indexed, "--weights", weights)
    for arguments in (
        (f"{SENTENCE} taken:1900",),
        (SENTENCE, "--taken", "1900"),
        ("--taken", "1900", *SENTENCE.split()),
    ):
        run = pixelseek("search", *arguments, *options)
        assert (run.exit_code, run.stdout) == (0, "")
        assert run.stderr.splitlines() == [
            "No photo passes taken:1900; without it, some are like that.",
            f"Try: pixelseek search --library {indexed} '{SENTENCE}'",
        ]
    run = pixelseek("search", SENTENCE, "--taken", "1900", "--folder", "/", "--without", "a cat", *options)
    assert f"""Try: pixelseek search --library {indexed} '{SENTENCE} folder:/ -"a cat"'""" in run.stderr.splitlines()
    command = shlex.split(run.stderr.splitlines()[-1].removeprefix("Try: pixelseek "))
    assert pixelseek(*command, "--weights", weights).stdout.count(".jpg") == PHOTO_COUNT
    run = pixelseek("search", "--taken", "1900", *options)
    assert run.stderr == "No photo passes taken:1900.\n"


def test_search_without_rerank_prints_similarities(indexed: Path, weights: Path) -> None:
    run = pixelseek("search", "--no-rerank", SENTENCE, "--library", indexed, "--weights", weights)
    measures = [float(line.split()[1]) for line in run.stdout.splitlines()]
    assert measures == sorted(measures, reverse=True)
    assert len(measures) == PHOTO_COUNT, "a line a photo, whatever is in its name"


def test_search_takes_filters_as_options_and_in_the_sentence(indexed: Path, photos: Path, weights: Path) -> None:
    options = ("--json", "--library", indexed, "--weights", weights)

    def found(*arguments: str | Path) -> list[Path]:
        run = pixelseek("search", *arguments, *options)
        assert run.exit_code == 0, run.stderr
        return [Path(hit["path"]) for hit in json.loads(run.stdout)["hits"]]

    assert [path.parent for path in found(SENTENCE, "--folder", "deeper", "--type", "jpg")] == [photos / "deeper"]
    assert found(f"{SENTENCE} folder:deeper type:jpg") == found(SENTENCE, "--folder", photos / "deeper")
    assert found(SENTENCE, "--near", "-33.86,151.21,10") == found(SENTENCE, "--camera", "a", "--camera", "b") == []
    assert found(f"{SENTENCE} -circle") == found(SENTENCE, "--without", "circle")
    run = pixelseek("search", SENTENCE, "--after", "soon", *options)
    assert run.exit_code == 1
    assert "after:soon makes no sense: write it like after:2021-07." in run.stderr


def test_search_by_filters_alone_lists_photos_with_their_dates(tmp_path: Path, photos: Path, weights: Path) -> None:
    folder, options = tmp_path / "photos", ("--library", tmp_path / "library", "--weights", weights)
    folder.mkdir()
    names = ("IMG_20210714_103005.jpg", "IMG-20190203-WA0001.jpg", "scan.jpg")
    for row, name in enumerate(names, start=5):
        shutil.copy(photos / f"scene {row:02}.jpg", folder / name)
    os.utime(folder / "scan.jpg", (0, 0))  # says nothing of when it was taken
    assert pixelseek("index", folder, *options).exit_code == 0
    lines = pixelseek("search", "--type", "jpg", *options).stdout.splitlines()
    assert [line.partition(str(folder))[0] for line in lines] == [
        "   1  2021-07-14 10:30  ",
        "   2  2019-02-03        ",
        "   3  -                 ",
    ]
    run = pixelseek("search", "type:jpg", "--json", "--library", tmp_path / "library")
    assert json.loads(run.stdout)["hits"][0]["score"] is None


def test_photos_on_a_disk_that_is_away_are_found_and_said_to_be(tmp_path: Path, photos: Path, weights: Path) -> None:
    options = ("--library", tmp_path / "library", "--weights", weights)
    shutil.copytree(photos, tmp_path / "disk")
    pixelseek("index", tmp_path / "disk", *options)
    (tmp_path / "disk").rename(tmp_path / "unplugged")
    assert "cannot be reached; its photos are kept" in pixelseek("index", *options).stdout
    lines = pixelseek("search", "--no-rerank", SENTENCE, *options).stdout.splitlines()
    assert len(lines) == PHOTO_COUNT
    assert all(line.endswith("  (not reachable now)") for line in lines)
    assert ", not reachable now)" in pixelseek("status", *options).stdout


def test_similar_prints_similarities_or_json(indexed: Path, photos: Path, weights: Path) -> None:
    options = ("--limit", "3", "--library", indexed, "--weights", weights)
    run = pixelseek("similar", photos / "scene 05.jpg", *options)
    assert run.exit_code == 0, run.stderr
    measures = [float(line.split()[1]) for line in run.stdout.splitlines()]
    assert len(measures) == 3
    assert measures == sorted(measures, reverse=True)
    found = json.loads(pixelseek("similar", "--json", photos / "scene 05.jpg", *options).stdout)
    assert [round(hit["similarity"], 3) for hit in found["hits"]] == measures


def test_caption_writes_what_a_search_then_finds(library: Path, photos: Path) -> None:
    options = ("--library", library)
    photo = photos / "scene 05.jpg"
    assert pixelseek("caption", photo, *options).stdout == "Caption    -\nTags       -\nFavourite  no\n"
    run = pixelseek("caption", photo, "Aunt Mary", "--tag", "cake", "--tag", "x", *options)
    assert run.stdout == "Caption    Aunt Mary\nTags       cake, x\nFavourite  no\n"
    written = json.loads(pixelseek("caption", "--json", photo, "--tag", "garden", "--untag", "x", *options).stdout)
    assert (written["path"], written["caption"], written["tags"]) == (str(photo), "Aunt Mary", ["cake", "garden"])
    found = json.loads(pixelseek("search", "--json", "Mary in the garden", *options).stdout)
    assert found["hits"][0]["path"] == str(photo)
    run = pixelseek("caption", photo, "", "--favourite", *options)
    assert run.stdout == "Caption    -\nTags       cake, garden\nFavourite  yes\n"
    for filters in ("favourite:yes", "tag:CAKE tag:nothing"):
        found = json.loads(pixelseek("search", "--json", filters, *options).stdout)
        assert [hit["path"] for hit in found["hits"]] == [str(photo)]
    found = json.loads(pixelseek("search", "--json", "a circle", "--tag", "cake", "--favourite", "no", *options).stdout)
    assert found["hits"] == []
    run = pixelseek("caption", photo, "--no-favourite", *options)
    assert run.stdout == "Caption    -\nTags       cake, garden\nFavourite  no\n"
    run = pixelseek("caption", "elsewhere.jpg", "x", *options)
    assert (run.exit_code, run.stderr.count("is not in the library")) == (1, 1)


def test_status_says_how_many_photos_wait_to_be_read(library: Path) -> None:
    options = ("--library", library)
    assert "Text     read in 0 photos\n" in pixelseek("status", *options).stdout, "icons do not wait"
    with closing(sqlite3.connect(library / "catalog.sqlite")) as connection, connection:
        connection.execute("UPDATE photo SET width = 1000 WHERE id < 4")
    installed = models_folder() is not None
    line = next(line for line in pixelseek("status", *options).stdout.splitlines() if line.startswith("Text "))
    assert line == "Text     read in 0 photos" + (
        ", 3 wait: pixelseek index" if installed else "; to read it in 3 more: pip install 'pixelseek[text]'"
    )
    as_json = json.loads(pixelseek("status", "--json", *options).stdout)
    assert (as_json["text_read"], as_json["text_waiting"]) == (0, 3 if installed else None)
    assert "read_text = false\n" in pixelseek("config", "read_text", "FALSE", *options).stdout
    assert "wait" not in pixelseek("status", *options).stdout
    refused = pixelseek("config", "read_text", "maybe", *options)
    assert (refused.exit_code, "read_text must be true or false" in refused.stderr) == (1, True)


def test_status_prints_json(indexed: Path, photos: Path, weights: Path) -> None:
    status = json.loads(pixelseek("status", "--json", "--library", indexed, "--weights", weights).stdout)
    assert (status["photos"], status["failed"]) == (PHOTO_COUNT, 1)
    assert [failure["path"] for failure in status["failures"]] == [str(photos / "broken.jpg")]
    assert status["folders"] == [
        {"path": str(photos), "online": True, "files": PHOTO_COUNT + 1, "exclude": [], "include": []}
    ]


def test_verify_finds_a_whole_library_sound(indexed: Path, weights: Path) -> None:
    run = pixelseek("library", "verify", "--library", indexed, "--weights", weights)
    assert (run.exit_code, run.stdout) == (0, "No problems.\n")


def test_verify_fails_on_a_damaged_library(library: Path, weights: Path) -> None:
    next(library.glob("index-*.faiss")).write_bytes(b"not an index")
    run = pixelseek("library", "verify", "--json", "--library", library, "--weights", weights)
    assert run.exit_code == 1
    assert [problem["subject"] for problem in json.loads(run.stdout)["problems"]] == [
        path.name for path in library.glob("index-*.faiss")
    ]


def test_verify_repairs_what_is_damaged(library: Path, weights: Path) -> None:
    options = ("--library", library, "--weights", weights)
    next(library.glob("index-*.faiss")).write_bytes(b"not an index")
    for path in library.glob("encodings-*.sqlite"):
        path.write_bytes(b"not a database, but long enough to look at" * 99)
    assert pixelseek("library", "verify", *options).exit_code == 1
    run = pixelseek("library", "verify", "--repair", *options)
    assert (run.exit_code, run.stdout) == (0, "No problems.\n"), run.stderr
    assert len(json.loads(pixelseek("search", "--json", SENTENCE, *options).stdout)["hits"]) == PHOTO_COUNT


def test_export_writes_json_lines_or_a_table(library: Path, photos: Path) -> None:
    options = ("--library", library)
    pixelseek("caption", photos / "scene 05.jpg", "=1+1, or\ntwo", "--tag", "a", "--tag", "b", *options)
    lines = pixelseek("library", "export", *options).stdout.splitlines()
    exported = [json.loads(line) for line in lines]
    assert len(exported) == PHOTO_COUNT
    assert all(Path(photo["paths"][0]).exists() for photo in exported), "any file name survives"
    (captioned,) = [photo for photo in exported if photo["caption"]]
    assert (captioned["caption"], captioned["tags"]) == ("=1+1, or\ntwo", ["a", "b"])
    table = list(csv.DictReader(io.StringIO(pixelseek("library", "export", "--format", "csv", *options).stdout)))
    assert len(table) == PHOTO_COUNT
    (row,) = [row for row in table if row["caption"]]
    assert (row["caption"], row["tags"], row["width"], row["lens"]) == ("'=1+1, or\ntwo", "a;b", "128", "")


def test_every_row_of_the_table_is_read_as_it_was(photos: Path, weights: Path, tmp_path: Path) -> None:
    texts = ["a\rb", "a\r\nb", "a\nb\r", 'a "b", c', "a;b", "a\u2028b\x0b", "a\u0085,"]
    options, folder = ("--library", tmp_path / "library"), tmp_path / "photos"
    folder.mkdir()
    for row, text in enumerate(texts, start=1):
        shutil.copy(photos / f"scene {row:02}.jpg", folder / f"{text}.jpg")
    assert pixelseek("index", folder, *options, "--weights", weights).exit_code == 0
    for text in texts:
        assert pixelseek("caption", folder / f"{text}.jpg", text, "--tag", text, *options).exit_code == 0
    exported = [json.loads(line) for line in pixelseek("library", "export", *options).stdout.splitlines()]
    (tmp_path / "table.csv").write_bytes(pixelseek("library", "export", "--format", "csv", *options).stdout_bytes)
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert {row["paths"] for row in table} == {str(folder / f"{text}.jpg") for text in texts}
    assert [[row["caption"], row["tags"]] for row in table] == [
        [photo["caption"], ";".join(photo["tags"])] for photo in exported
    ]


def test_remove_forgets_a_folder(library: Path, photos: Path) -> None:
    options = ("--library", library)
    run = pixelseek("library", "remove", photos, *options)
    assert run.stdout == f"Removed {photos}: {PHOTO_COUNT + 1} files, {PHOTO_COUNT} photos\n"
    assert "Photos   0" in pixelseek("status", *options).stdout
    again = pixelseek("library", "remove", photos, *options)
    assert (again.exit_code, "Its folders: none" in again.stderr) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("remove", "photos"),
        ("move", "photos", "elsewhere"),
        ("duplicates",),
        ("verify",),
        ("verify", "--repair"),
        ("export",),
        ("backup", "copy.sqlite"),
    ],
)
def test_a_command_that_needs_a_library_makes_none(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    folder = tmp_path / "library"
    run = pixelseek("library", *arguments, "--library", folder)
    assert (run.exit_code, run.stdout) == (1, "")
    assert f"there is no library in {folder}" in run.stderr
    assert not folder.exists()


def test_duplicates_prints_groups(tmp_path: Path, photos: Path, weights: Path) -> None:
    options = ("--library", tmp_path / "library", "--weights", weights)
    (tmp_path / "photos").mkdir()
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(photos / "scene 05.jpg", tmp_path / "photos" / name)
    run = pixelseek("index", tmp_path / "photos", *options)
    assert run.stdout.startswith("Files: 2 new, 0 unchanged (")
    assert run.stdout.endswith(" s)\n  1 photo in 2 files: copies of the same bytes count once\n")
    lines = pixelseek("library", "duplicates", *options).stdout.splitlines()
    assert [line.rpartition("/")[2] for line in lines] == ["a.jpg", "b.jpg", "", "1 groups"]
    assert f"  {readable_size((photos / 'scene 05.jpg').stat().st_size)}  /" in lines[0]
    assert "Photos   1 (in 2 files: copies of the same bytes count once)" in pixelseek("status", *options).stdout
    (group,) = json.loads(pixelseek("library", "duplicates", "--json", *options).stdout)["groups"]
    assert [Path(copy["path"]).name for copy in group["copies"]] == ["a.jpg", "b.jpg"]


def test_duplicates_marks_the_only_file_that_can_be_reached_and_names_links(
    tmp_path: Path, photos: Path, weights: Path
) -> None:
    options = ("--library", tmp_path / "library", "--weights", weights)
    here, disk = tmp_path / "here", tmp_path / "disk"
    for folder in (here, disk):
        folder.mkdir()
        shutil.copy(photos / "scene 05.jpg", folder / "a.jpg")
    (here / "0.jpg").symlink_to("a.jpg")
    pixelseek("index", here, disk, *options)
    disk.rename(tmp_path / "away")
    lines = pixelseek("library", "duplicates", *options).stdout.splitlines()
    assert [line.partition(str(tmp_path))[2] for line in lines[:3]] == [
        "/disk/a.jpg  (not reachable now)",
        "/here/a.jpg  (the only one that can be reached now)",
        "/here/0.jpg",
    ]
    assert "the same file:" in lines[2]


def test_what_is_left_out_and_passed_over_is_told_by_status(tmp_path: Path, photos: Path, weights: Path) -> None:
    folder, options = tmp_path / "photos", ("--library", tmp_path / "library", "--weights", weights)
    shutil.copytree(photos, folder)
    for name in ("a.mp4", "b.mp4", "c.pdf"):
        (folder / name).touch()
    run = pixelseek("index", folder, "--exclude", "deeper", "--exclude", "broken.*", "--include", ".x", *options)
    assert (run.exit_code, run.stdout[:23]) == (0, "Files: 11 new, 0 unchan"), run.stderr
    status = pixelseek("status", *options).stdout
    assert "Not read 3 files of kinds that are not read: .mp4 2, .pdf 1\n" in status
    assert "         Left out of it: deeper, broken.*\n         Read of it: .x\n" in status
    told = json.loads(pixelseek("status", "--json", *options).stdout)
    assert told["passed_over"] == {".mp4": 2, ".pdf": 1}
    assert (told["folders"][0]["exclude"], told["folders"][0]["include"]) == (["deeper", "broken.*"], [".x"])
    assert "@eaDir/" in told["left_out_by_default"]
    assert "12 new" not in pixelseek("index", folder, "--exclude", "", *options).stdout
    assert "Photos   12" in pixelseek("status", *options).stdout
    refused = pixelseek("index", folder, "--exclude", "[", *options)
    assert (refused.exit_code, "'[' fits nothing" in refused.stderr) == (1, True)


def test_demo_with_a_folder_searches_it_three_times(tmp_path: Path, photos: Path, weights: Path) -> None:
    run = pixelseek("library", "demo", "--photos", photos, "--library", tmp_path / "demo", "--weights", weights)
    assert run.exit_code == 0, run.stderr
    assert "12 new" in run.stdout
    assert sum(line.lstrip().startswith("1 ") for line in run.stdout.splitlines()) == 3
    assert f'pixelseek search "..." --library {tmp_path / "demo"}' in run.stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The demo without a folder, with the weights we ship."""
    pytest.importorskip("skimage")
    pytest.importorskip("sklearn")
    return pixelseek("library", "demo", "--library", tmp_path_factory.mktemp("demo") / "library")


def test_demo_without_a_folder_takes_the_sample_photos(demo: Result) -> None:
    assert demo.exit_code == 0, demo.stderr
    assert "14 new, 0 unchanged (" in demo.stdout, "all are readable photos"


def test_the_demo_finds_the_cat_the_coffee_and_the_motorcycle(demo: Result) -> None:
    first = [line.rpartition("/")[2] for line in demo.stdout.splitlines() if line.lstrip().startswith("1 ")]
    assert first == ["chelsea.png", "coffee.png", "motorcycle_left.png"]


def test_the_command_prints_what_its_process_is_asked_for(indexed: Path, weights: Path) -> None:
    run = pixelseek_alone("search", SENTENCE, "--limit", "2", "--library", indexed, "--weights", weights)
    assert run.returncode == 0, run.stderr
    assert [line.split()[0] for line in run.stdout.splitlines()] == ["Best", "1", "2"]


def test_the_version_is_that_of_the_package() -> None:
    assert pixelseek("--version").stdout == f"pixelseek {version('pixelseek')}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str) -> None:
    run = pixelseek(*command.split(), "--help")
    assert run.exit_code == 0
    assert f"Example: pixelseek {command}" in run.stdout
    assert "\x1b" not in run.stdout


def imported(*arguments: str | Path) -> set[str]:
    """The packages that a command has imported when it is done."""
    script = (  # not `main`, which ends the process at once
        "import sys\nfrom cli.main import app\n"
        "try: app()\nfinally: print('imported:', *{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    run = pixelseek_alone(*arguments, script=script)
    assert run.returncode == 0, run.stderr
    _, marker, names = run.stderr.rpartition("imported:")
    assert marker
    return set(names.split())


def test_help_and_status_start_light(indexed: Path, weights: Path) -> None:
    heavy = {"torch", "torchvision", "transformers", "timm", "faiss", "flask"}
    assert not heavy & imported("--help")
    assert not heavy & imported("status", "--library", indexed, "--weights", weights)


def test_evaluate_needs_neither_database_nor_server_nor_faiss() -> None:
    assert not {"sqlalchemy", "alembic", "flask", "faiss"} & imported("model", "evaluate", "--help")


def test_index_and_search_with_the_shipped_weights_need_no_pytorch(photos: Path, tmp_path: Path) -> None:
    heavy = {"torch", "torchvision", "transformers", "timm"}
    library = ("--library", tmp_path / "library")
    assert not heavy & imported("index", photos, *library)
    assert not (heavy | {"filelock"}) & imported("search", "a red circle", *library)


def test_what_is_not_installed_is_named_with_the_remedy(weights: Path) -> None:
    script = "import sys\nsys.modules['torch'] = None\nfrom cli.main import main\nmain()"
    run = pixelseek_alone("model", "export", "--weights", weights, script=script)
    assert run.returncode == 1
    assert "this needs torch, which is not installed: pip install 'pixelseek[train]'" in run.stderr
    assert "Traceback" not in run.stderr


def test_explain_prints_what_each_word_says(photos: Path, word_weights: Path, tmp_path: Path) -> None:
    asked = ("explain", photos / "scene 05.jpg", SENTENCE, "--weights", word_weights)
    run = pixelseek(*asked, "--output", tmp_path / "why.png")
    assert run.exit_code == 0, run.stderr
    first, *lines = run.stdout.splitlines()
    assert re.fullmatch(r"\d+% match", first)
    assert [line.split()[0] for line in lines] == SENTENCE.split()
    assert lines[0].endswith("a       no evidence")
    assert re.fullmatch(r"  red     x\d+", lines[1])
    with Image.open(tmp_path / "why.png") as sheet:
        assert min(sheet.size) > 96
    found = json.loads(pixelseek(*asked, "--json").stdout)
    assert sorted(found) == ["match", "sentence", "words"]
    assert [word["word"] for word in found["words"] if word["map"]] == ["red", "square"]
    assert max(len(text) for text in re.findall(r"\d+\.\d+", json.dumps(found["words"]))) <= 6


def test_explain_draws_the_attention_of_a_layer_or_head(photos: Path, weights: Path) -> None:
    asked = ("explain", photos / "scene 05.jpg", SENTENCE, "--weights", weights, "--json")
    every = json.loads(pixelseek(*asked, "--method", "attention").stdout)
    assert all(word["map"] for word in every["words"])
    assert json.loads(pixelseek(*asked, "--method", "attention", "--head", "1").stdout) != every
    assert pixelseek(*asked, "--head", "1").exit_code == 2
    wrong = pixelseek(*asked, "--method", "attention", "--layer", "7")
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert "there is no layer 7" in wrong.stderr


def test_ask_prints_answers_with_their_probabilities(photos: Path, weights: Path) -> None:
    asked = ("ask", photos / "scene 05.jpg", "what is red?", "--top", "2", "--weights", weights)
    run = pixelseek(*asked)
    assert run.exit_code == 0, run.stderr
    assert run.stdout.count("%") == 2
    found = json.loads(pixelseek(*asked, "--json").stdout)
    assert found["question"] == "what is red?"
    assert [one["answer"] in run.stdout for one in found["answers"]] == [True, True]


def test_a_password_is_asked_for_twice_and_kept_as_a_hash(tmp_path: Path) -> None:
    options = ("--library", tmp_path)
    assert pixelseek("library", "password", *options, typed="short\nshort\n").exit_code == 1
    assert password_hash(tmp_path) is None
    assert pixelseek("library", "password", *options, typed="correct horse\ncorrect horse\n").exit_code == 0
    kept = password_hash(tmp_path)
    assert kept is not None
    assert "correct horse" not in kept
    assert pixelseek("library", "password", "--remove", *options).exit_code == 0
    assert password_hash(tmp_path) is None
