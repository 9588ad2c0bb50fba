"""`pixelseek teach`: what it says and does, and how it fails."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.cli.commands import pixelseek
from tests.indexer.desk import Desk

XMP = (
    '<x xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    "<dc:subject><r:li>{}</r:li></dc:subject></x>"
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Eight photos, five of them with the keyword Zoë in their files, a copy of the first one, and no photo."""
    root = tmp_path_factory.mktemp("teach")
    desk = Desk(root / "photos", root / "library")
    desk.photos.mkdir()
    desk.library.mkdir()
    for number, name in enumerate("abcdefgh"):
        notes = PngInfo()
        notes.add_itxt("XML:com.adobe.xmp", XMP.format("Zoë" if number < 5 else "other"))
        Image.new("RGB", (8, 8), (number, 0, 0)).save(desk.photos / f"{name}.png", pnginfo=notes)
    shutil.copy(desk.photos / "a.png", desk.photos / "copy.png")
    (desk.photos / "broken.jpg").write_bytes(b"no photo")
    desk.index()
    return desk


@pytest.fixture
def library(desk: Desk, tmp_path: Path) -> Path:
    """A copy of its library, to do things to."""
    return shutil.copytree(desk.library, tmp_path / "library")


@pytest.fixture(autouse=True)
def _in_the_folder(desk: Desk, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk.photos)
    monkeypatch.setenv("PIXELSEEK_LIBRARY", str(library))


def teach(*arguments: str) -> str:
    """What it prints."""
    run = pixelseek("teach", *arguments)
    assert run.exit_code == 0, run.stderr
    return run.stdout


def refused(*arguments: str) -> Result:
    run = pixelseek("teach", *arguments)
    assert run.exit_code in (1, 2)
    assert run.stdout == ""
    return run


def known(name: str) -> dict[str, Any]:
    word: dict[str, Any] = json.loads(teach(name, "--json"))
    return word


def files(examples: list[dict[str, Any]]) -> str:
    return "".join(sorted(Path(example["path"]).stem for example in examples))


def test_a_person_teaches_a_word_and_sees_what_is_still_needed() -> None:
    assert "No word is taught yet" in teach()
    assert teach("Rex", "a.png", "f.png").splitlines() == [
        "2 photos changed.",
        "Rex: 2 photos show it, 0 do not. To learn it, 3 that show it are needed: 1 more.",
    ]
    assert teach("rex", "f.png", "g.png", "--not", "b.png", "c.png").splitlines() == [
        "3 photos changed.", "Rex: 3 photos show it, 2 do not.",
    ]  # fmt: skip
    assert teach("Rex", "--take-back", "c.png", "g.png", "--not", "copy.png", "--take-back=h.png").splitlines() == [
        "3 photos changed.", "Rex: 1 photo shows it, 2 do not. To learn it, 3 that show it are needed: 2 more.",
    ]  # fmt: skip
    assert "-x: 1 photo shows it" in teach("--not", "b.png", "--", "-x", "h.png")
    teach("--delete", "--", "-x")
    word = known("REX")
    assert (word["name"], word["needed"], files(word["shown"]), files(word["not_shown"])) == ("Rex", 2, "f", "ab")
    assert json.loads(teach("--list", "--json")) == {
        "words": [{key: word[key] for key in word.keys() - {"shown", "not_shown", "keywords"}}],
        "offers": [
            {"name": "Zoë", "photos": 5, "source": "keyword"},
            {"name": "other", "photos": 3, "source": "keyword"},
        ],
    }
    assert teach() == teach("--list")


def test_tags_and_keywords_are_offered_and_taught_when_a_person_says_so(library: Path) -> None:
    for name in "fgh":
        pixelseek("caption", f"{name}.png", "--tag", "Blue boat")
    option = f"--library {library}"
    assert teach("--list", "--library", str(library)).splitlines()[2:] == [
        "Could be taught:",
        f"Zoë: 5 photos with that keyword: pixelseek teach {option} --from-keywords 'Zoë'",
        f"Blue boat: 3 photos with that tag: pixelseek teach {option} 'Blue boat'",
        f"other: 3 photos with that keyword: pixelseek teach {option} --from-keywords other",
    ]
    assert teach("blue  BOAT").splitlines() == ["blue BOAT: 3 photos show it, 0 do not."]
    assert "is not a taught word" in refused("Zoë").stderr
    assert "5 more photos with that keyword in the file. To add them: pixelseek teach --from-keywords" in teach(
        "zoe", "--not", "h.png"
    )
    assert teach("Zoë", "--from-keywords").splitlines() == ["5 photos added.", "zoe: 5 photos show it, 1 does not."]
    assert "no photo has the keyword Rex" in refused("Rex", "--from-keywords").stderr
    assert "Rex" not in teach()


def test_a_word_is_renamed_merged_and_forgotten() -> None:
    teach("Rex", "a.png", "b.png", "--not", "c.png")
    teach("Max", "c.png", "d.png")
    assert teach("rex", "--rename", "Rexy").startswith("Rex is Rexy now.\n")
    assert "There was MAX already: both are one word now" in teach("rexy", "--rename", "MAX")
    word = known("max")
    assert (word["name"], files(word["shown"]), files(word["not_shown"])) == ("MAX", "abcd", "")
    assert teach("Max", "--delete", "--keep-tags") == "MAX is forgotten; 4 photos still have it as a tag.\n"
    assert files(known("MAX")["shown"]) == "abcd", "photos have that tag: it can be taught again"
    assert files(json.loads(teach("Max", "--delete", "--json"))["shown"]) == "abcd"
    assert "Max is not a taught word" in refused("Max").stderr


def test_what_cannot_be_done_is_said_with_the_remedy_and_changes_nothing() -> None:
    teach("Rex", "a.png")
    teach("Max", "a.png")
    before = teach("--list", "--json")
    for arguments, message in (
        (("Rex", "h.png", "missing.png"), "missing.png is not in the library. Index the folder"),
        (("Rex", "h.png", "--not", "broken.jpg"), "broken.jpg could not be read as a photo: not a photo"),
        (("Rex", "h.png", "."), "is a folder. Name the photos in it: ./*"),
        (("Rex", "a.png", "--not", "copy.png"), "you say two things of this photo, or of a copy of it"),
        (("Rax", "--delete"), "Rax is not a taught word. Did you mean Rex or Max?"),
        (("Somebody", "--rename", "x"), "Name photos that show it: pixelseek teach Somebody FILE..."),
        (("Somebody", "--take-back", "a.png"), "is not a taught word"),
        (("\x1b[2J", "--delete"), "\\x1b[2J is not a taught word"),
        (("\udcff",), "\\udcff is not a taught word"),
        (("\udcff", "--from-keywords"), "no photo has the keyword \\udcff"),
        (("\udcff", "h.png"), "characters that nobody can see"),
        (("x" * 101, "h.png"), "a name of 101 characters is longer than 100"),
        (("!!!", "h.png"), "no search could find the name !!!"),
        ((" ", "h.png"), "a taught word needs a name"),
        (("Rex", "--rename", " "), "a taught word needs a name"),
        (("Rex", "--not"), "name a file after --not"),
        (("Rex", "--take-back", "--json"), "name a file after --take-back"),
        (("Rex", "h.png", "--delete"), "one at a time"),
        (("g.png", "h.png"), "g.png is a file. Name the word first: pixelseek teach Rex FILE..."),
        (("Rex", "--keep-tags"), "--keep-tags goes with --delete"),
        (("--delete",), "name the word"),
        (("Rex", "--list"), "To see one: pixelseek teach Rex"),
    ):
        assert message in refused(*arguments).stderr.replace("\n", " "), arguments
    assert teach("--list", "--json") == before
