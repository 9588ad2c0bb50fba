"""What people wrote, and what is known of their files, needs no model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from indexer.library.view import LibraryView
from indexer.library.writer import LibraryWriter
from model.runtime.protocol import EncodedImages
from tests.cli.commands import RUN, pixelseek, pixelseek_alone
from tests.engine.libraries import PHOTO_COUNT, SENTENCE, index


@pytest.fixture
def orphaned(tmp_path: Path, photos: Path, weights: Path) -> Path:
    """A library whose weights are gone."""
    copy = shutil.copytree(weights, tmp_path / "weights")
    index(tmp_path / "library", shutil.copytree(photos, tmp_path / "photos"), copy)
    shutil.rmtree(copy)
    return tmp_path / "library"


def test_every_command_about_peoples_own_words_goes_on(orphaned: Path, tmp_path: Path) -> None:
    options = ("--library", orphaned)
    photo = tmp_path / "photos" / "scene 05.jpg"
    assert pixelseek("caption", photo, "Aunt Mary", "--tag", "birthday", *options).exit_code == 0
    assert "Aunt Mary" in pixelseek("caption", photo, *options).stdout
    exported = [json.loads(line) for line in pixelseek("library", "export", *options).stdout.splitlines()]
    assert [one["caption"] for one in exported if one["caption"]] == ["Aunt Mary"]
    status = json.loads(pixelseek("status", "--json", *options).stdout)
    assert (status["photos"], status["waiting"], status["weights"]) == (PHOTO_COUNT, 0, str(tmp_path / "weights"))
    assert (
        f"Model    {tmp_path / 'weights'} (generation {status['generation']})" in pixelseek("status", *options).stdout
    )
    assert pixelseek("library", "duplicates", *options).exit_code == 0
    verified = pixelseek("library", "verify", "--json", *options)
    assert (verified.exit_code, json.loads(verified.stdout)) == (0, {"problems": [], "compared": 0})
    assert f"no photo was encoded again to compare it: no weights called {tmp_path / 'weights'}" in verified.stderr
    assert pixelseek("library", "remove", tmp_path / "photos", *options).exit_code == 0
    assert json.loads(pixelseek("status", "--json", *options).stdout)["photos"] == 0


def test_a_search_names_what_is_missing(orphaned: Path, tmp_path: Path) -> None:
    run = pixelseek("search", SENTENCE, "--library", orphaned)
    assert run.exit_code == 1
    assert f"no weights called {tmp_path / 'weights'}" in run.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("library", "export"),
        ("caption", "{photo}"),
        ("caption", "{photo}", "words"),
        ("library", "remove", "{photos}"),
    ],
)
def test_they_open_no_file_of_the_weights(command: tuple[str, ...], library: Path, weights: Path, photos: Path) -> None:
    script = f"""
import sys
def watched(event, arguments):
    if event == "open" and str(arguments[0]).startswith({str(weights)!r}):
        print("opened", arguments[0], file=sys.stderr)
sys.addaudithook(watched)
{RUN}
"""
    places = {"photo": photos / "scene 05.jpg", "photos": photos}
    run = pixelseek_alone(*(part.format(**places) for part in command), "--library", library, script=script)
    assert (run.returncode, run.stderr) == (0, "")


def test_a_library_in_which_nothing_was_indexed_opens_too(tmp_path: Path) -> None:
    with LibraryView.open(tmp_path / "library", create=True) as library:
        assert (library.generation, library.photo_count(), library.is_current()) == ("", 0, True)
    assert "Model" not in pixelseek("status", "--library", tmp_path / "library").stdout
    assert pixelseek("library", "export", "--library", tmp_path / "library").stdout == ""
    assert pixelseek("library", "verify", "--library", tmp_path / "library").exit_code == 0


def test_verify_tells_vectors_of_another_network(
    library: Path, photos: Path, weights: Path, other_weights: Path, tmp_path: Path
) -> None:
    options = ("--library", library, "--weights", weights)
    sound = pixelseek("library", "verify", "--json", *options)
    assert json.loads(sound.stdout) == {"problems": [], "compared": PHOTO_COUNT}
    index(tmp_path / "other", photos, other_weights)
    with (
        LibraryView.open(library) as opened,
        LibraryView.open(tmp_path / "other") as other,
        LibraryWriter.lock(opened) as writer,
    ):
        places = {tuple(paths): photo_id for photo_id, paths in other.paths(other.photo_ids().tolist()).items()}
        (mixed,) = (one for one, paths in opened.paths(opened.photo_ids().tolist()).items() if "05" in paths[0])
        (same,) = (photo_id for paths, photo_id in places.items() if "05" in paths[0])
        theirs = EncodedImages(
            other.embeddings([same])[same][np.newaxis],
            [other.pixel_features([same])[same]],
            other.pooled_features([same])[same][np.newaxis],
        )
        writer.encodings.add([mixed], theirs)
        writer.update_index()
    found = pixelseek("library", "verify", "--json", *options)
    assert found.exit_code == 1
    (problem,) = json.loads(found.stdout)["problems"]
    assert problem["message"].startswith(
        f"1 of {PHOTO_COUNT} photos that were encoded again are stored as other weights"
    )
    repaired = pixelseek("library", "verify", "--repair", *options)
    assert repaired.exit_code == 0, repaired.stdout
