"""Looking after a library: backups, folders that move, settings that indexing and searching follow."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from indexer.library.settings import FILE
from tests.cli.commands import pixelseek, pixelseek_alone
from tests.cli.test_errors import assert_fails
from tests.engine.libraries import PHOTO_COUNT, SENTENCE
from tests.indexer.servers import PostgresqlServer


def paths_found(*options: str | Path) -> list[Path]:
    run = pixelseek("search", SENTENCE, "--json", *options)
    assert run.exit_code == 0, run.stderr
    return [Path(hit["path"]) for hit in json.loads(run.stdout)["hits"]]


def test_a_backup_alone_in_a_folder_is_a_library_again(
    library: Path, photos: Path, weights: Path, tmp_path: Path
) -> None:
    captioned = photos / "scene 03.jpg"
    assert pixelseek("caption", captioned, "the blue door", "--library", library).exit_code == 0
    restored = tmp_path / "restored"
    restored.mkdir()
    run = pixelseek("library", "backup", restored / "catalog.sqlite", "--library", library)
    assert run.exit_code == 0, run.stderr
    assert run.stdout.startswith(f"{restored / 'catalog.sqlite'}: ")
    assert "the blue door" in pixelseek("caption", captioned, "--library", restored).stdout
    assert pixelseek("index", "--library", restored, "--weights", weights).exit_code == 0
    assert len(paths_found("--library", restored)) == PHOTO_COUNT


def test_a_backup_replaces_no_file(library: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert_fails(pixelseek("library", "backup", tmp_path / "notes.txt", "--library", library), "notes.txt exists")
    assert (tmp_path / "notes.txt").read_text() == "mine"
    missing = tmp_path / "none" / "copy.sqlite"
    assert_fails(pixelseek("library", "backup", missing, "--library", library), "is not a folder")
    assert_fails(pixelseek("library", "backup", tmp_path / "a", "--library", tmp_path / "no"), "there is no library")


def test_photos_are_found_where_their_folder_lies_now_and_nothing_is_encoded_again(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    old, new = shutil.copytree(photos, tmp_path / "old"), tmp_path / "new disk" / "pictures"
    options = ("--library", tmp_path / "library")
    assert pixelseek("index", old, *options, "--weights", weights).exit_code == 0
    before = paths_found(*options)
    new.parent.mkdir()
    old.rename(new)
    run = pixelseek("library", "move", old, new, *options, "--json")
    assert json.loads(run.stdout) == {"folder": str(old), "target": str(new), "files": PHOTO_COUNT + 1}
    assert paths_found(*options) == [new / path.relative_to(old) for path in before]
    again = pixelseek("index", *options).stdout
    assert "0 new, 12 unchanged, 1 skipped" in again
    assert pixelseek("library", "verify", *options).exit_code == 0


def test_a_move_that_makes_no_sense_changes_nothing(photos: Path, weights: Path, tmp_path: Path) -> None:
    one, other = (shutil.copytree(photos, tmp_path / name) for name in ("one", "other"))
    (tmp_path / "empty").mkdir()
    options = ("--library", tmp_path / "library")
    assert pixelseek("index", one, other, *options, "--weights", weights).exit_code == 0
    before = pixelseek("library", "export", *options).stdout
    for folder, target, message in (
        (tmp_path / "three", tmp_path / "empty", "is not a folder of the library. Its folders: "),
        (one / "deeper", tmp_path / "empty", f"is a part of {one}"),
        (one, tmp_path / "nowhere", "is not a folder. Name the one that holds the photos now."),
        (one, photos / "scene 03.jpg", "is not a folder."),
        (one, tmp_path / "empty", f"holds none of the 13 files of {one}"),
        (one, other, f"overlaps {other}"),
        (one, tmp_path, f"overlaps {other}"),
        (one, other / "deeper", f"overlaps {other}"),
    ):
        assert_fails(pixelseek("library", "move", folder, target, *options), message)
    assert pixelseek("library", "export", *options).stdout == before


def test_a_catalog_that_cannot_be_moved_stays_where_it_is(library: Path, tmp_path: Path) -> None:
    server = f"postgresql+psycopg://me:s3cret@/photos?host={tmp_path}"
    run = pixelseek("library", "move", "sqlite:///", server, "--library", library)
    assert_fails(run, "me:***@", "cannot be reached")
    run = pixelseek("library", "move", tmp_path, server, "--library", library)
    assert (run.exit_code, "name two URLs of a catalog" in run.stderr) == (2, True)
    assert (library / "catalog.sqlite").exists()
    assert not (library / FILE).exists()


def test_pixel_features_and_vectors_are_moved_and_searches_find_the_same(library: Path, tmp_path: Path) -> None:
    options, place = ("--library", library), (tmp_path / "elsewhere").as_uri()
    before = paths_found(*options)
    run = pixelseek("library", "move", library, place, *options)
    assert run.stdout == f"The pixel features are in {place} now: {PHOTO_COUNT} photos, each the same as before.\n", run
    assert paths_found(*options) == before
    run = pixelseek("library", "move", tmp_path, place, *options)
    assert (run.exit_code, "is not the folder of the library" in run.stderr) == (2, True)
    run = pixelseek("library", "move", place, library, "--json", *options)
    assert (json.loads(run.stdout)["moved"], paths_found(*options)) == (PHOTO_COUNT, before)
    server = "milvus://me:s3cret@db.example/photos"
    run = pixelseek("library", "move", "faiss", server, *options)
    assert run.stdout.startswith("The vectors will be at milvus://me:***@db.example/photos: "), run
    assert pixelseek("library", "move", server, "faiss", *options).exit_code == 0
    assert_fails(pixelseek("library", "move", server, "faiss", *options), "are at faiss, not milvus://me:***@")
    assert paths_found(*options) == before


@pytest.mark.scale
def test_a_catalog_is_moved_to_a_server_and_searches_find_the_same(library: Path, server: PostgresqlServer) -> None:
    options, url = ("--library", library), server.new_database()
    before = paths_found(*options)
    run = pixelseek("library", "move", "sqlite:///", url, *options)
    assert run.stdout.startswith(f"The catalog is at {url} now: "), run.stderr
    (kept,) = library.glob("catalog-moved-*.sqlite")
    assert run.stdout.endswith(f"The old one is kept until you delete it: {kept}\n")
    assert paths_found(*options) == before
    run = pixelseek("library", "move", url, "sqlite:///", *options, "--json")
    assert json.loads(run.stdout)["target"] == "sqlite:///"
    assert paths_found(*options) == before


def test_files_that_the_settings_exclude_are_left_out_of_every_folder_and_come_back(
    photos: Path, weights: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(photos, tmp_path / "photos")
    options = ("--library", tmp_path / "library")
    assert pixelseek("index", folder, *options, "--weights", weights).exit_code == 0
    assert pixelseek("config", "exclude", "scene 0[1-4].jpg", "deeper/", *options).exit_code == 0
    assert pixelseek("index", *options).exit_code == 0
    assert len(paths_found(*options)) == PHOTO_COUNT - 5
    assert pixelseek("index", folder, "--include", "scene 03.jpg", *options).exit_code == 0
    assert folder / "scene 03.jpg" in paths_found(*options), "what one folder includes is stronger"
    assert pixelseek("config", "exclude", "--unset", *options).exit_code == 0
    assert pixelseek("index", *options).exit_code == 0
    assert len(paths_found(*options)) == PHOTO_COUNT


def test_a_search_follows_the_settings_unless_an_option_says_otherwise(library: Path) -> None:
    def reranked(*arguments: str) -> int:
        run = pixelseek("search", SENTENCE, "--json", *arguments, "--library", library)
        assert run.exit_code == 0, run.stderr
        return int(json.loads(run.stdout)["reranked"])

    assert reranked() == PHOTO_COUNT
    assert pixelseek("config", "shortlist", "4", "--library", library).exit_code == 0
    assert reranked() == 4
    assert reranked("--shortlist", "7") == 7
    assert pixelseek("config", "threads", "1", "--library", library).exit_code == 0
    # In a process of its own: PyTorch would keep the number of threads for the tests that follow.
    alone = pixelseek_alone("search", SENTENCE, "--json", "--library", library)
    assert (alone.returncode, json.loads(alone.stdout)["reranked"]) == (0, 4)
    (library / FILE).write_text("shortlist = 'all'\n")
    assert_fails(pixelseek("search", SENTENCE, "--library", library), str(library / FILE))


@pytest.mark.parametrize(
    "command",
    [
        ("search", SENTENCE),
        ("similar", "{photo}"),
        ("explain", "{photo}", SENTENCE, "--json", "--weights", "{weights}"),
        ("ask", "{photo}", "what is red?", "--weights", "{weights}"),
        ("index",),
        ("library", "verify"),
    ],
)
def test_every_command_that_computes_takes_a_device(
    library: Path, photos: Path, weights: Path, command: tuple[str, ...]
) -> None:
    arguments = [part.format(photo=photos / "scene 03.jpg", weights=weights) for part in command]
    where = () if "--weights" in command else ("--library", library)
    assert pixelseek(*arguments, "--device", "cpu", *where).exit_code == 0
    if command != ("index",):  # it encodes nothing here, and so it loads no network
        refused = pixelseek(*arguments, "--device", "nonsense", *where)
        assert refused.exit_code == 1 or "no photo was encoded again" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert "nonsense" in refused.stderr
