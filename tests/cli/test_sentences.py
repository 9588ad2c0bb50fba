"""Sentences as a shell hands them over: in several words, without their quotes, and with hyphens in front."""

from __future__ import annotations

import json
import shutil
import unicodedata
from contextlib import suppress
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.sentences import SentenceCommand, as_typed
from engine.errors import QueryError
from engine.query import Query, parse, parse_filter
from indexer.library.filters import Filters
from tests.cli.commands import pixelseek


@click.command(cls=SentenceCommand)
@click.argument("words", nargs=-1)
@click.option("--near")
@click.option("--output", "-o")
@click.option("--json", "as_json", is_flag=True)
def told(words: tuple[str, ...], near: str | None, output: str | None, as_json: bool) -> None:
    """Prints what it was told."""
    click.echo(json.dumps([as_typed(words), near, output, as_json]))


def asked(*arguments: str) -> tuple[Query, str | None, str | None, bool]:
    result = CliRunner().invoke(told, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    sentence, near, output, as_json = json.loads(result.stdout)
    return parse(sentence), near, output, as_json


@pytest.mark.parametrize(
    ("arguments", "query"),
    [
        (["a dog on a beach"], Query("a dog on a beach")),
        (["a", "dog", "on", "a", "beach"], Query("a dog on a beach")),
        (["dog", "-people"], Query("dog", ("people",))),
        (["-people", "dog"], Query("dog", ("people",))),
        (["-house a dog"], Query("a dog", ("house",))),
        (["--", "-crowd", "a", "beach"], Query("a beach", ("crowd",))),
        (["dog", "-red ball"], Query("dog", ("red ball",))),
        (["dog", "camera:EOS 80D"], Query("dog", (), Filters(camera=("EOS 80D",)))),
        (["dog", 'camera:"EOS 80D"'], Query("dog", (), Filters(camera=("EOS 80D",)))),
        (["camera:EOS 80D"], Query("80D", (), Filters(camera=("EOS",)))),
        (["dog", "–people", "taken:2021"], Query("dog", ("people",), parse_filter("taken", "2021"))),
        (["-5", "-❤️", "x"], Query("x", ("5", "❤️"))),
    ],
)
def test_the_arguments_are_one_sentence(arguments: list[str], query: Query) -> None:
    assert asked(*arguments) == (query, None, None, False)
    assert asked(*arguments[:-1], "--json", arguments[-1])[0] == query or "--" in arguments


def test_options_and_their_values_stay_what_they_are() -> None:
    query, near, output, as_json = asked("dog", "--near", "-33.8,151,2", "-crowd", "-o", "-why.png", "--json")
    assert (query, near, output, as_json) == (Query("dog", ("crowd",)), "-33.8,151,2", "-why.png", True)
    assert asked("-ofile", "dog")[2] == "file"
    for wrong in ("--people", "--outputs=x"):
        result = CliRunner().invoke(told, ["dog", wrong])
        assert result.exit_code == 2
        assert "No such option" in result.output
    assert CliRunner().invoke(told, ["--near"]).exit_code == 2


def test_a_search_takes_words_without_quotes(indexed: Path, weights: Path) -> None:
    where = ("--library", indexed, "--weights", weights, "--json")
    joined = json.loads(pixelseek("search", "a red circle -blue square", *where).stdout)
    apart = json.loads(pixelseek("search", "a", "red", "circle", "-blue", "square", *where).stdout)
    assert apart["query"] == "a red circle \u2212blue square"
    assert apart["hits"] == joined["hits"]


def test_a_slip_and_a_wrong_date_are_refused_in_a_line(indexed: Path, weights: Path) -> None:
    for sentence, message in (("camara:canon", "did you mean camera:canon?"), ("taken:٢٠٢١-٩٩", "makes no sense")):
        result = pixelseek("search", "dog", sentence, "--library", indexed, "--weights", weights)
        assert result.exit_code == 1
        assert result.stderr.startswith("pixelseek: error: ")
        assert message in result.stderr
        assert result.stderr.count("\n") == 1


ARGUMENTS = st.text(max_size=20) | st.sampled_from(
    ["-", "--", "-people", "–x", "camera:EOS 80D", "camara:x", "taken:٢", '"', "-o", "--json", "--near", "-1,2,3", "-h"]
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ARGUMENTS, max_size=5))
def test_any_arguments_are_a_query_or_refused(arguments: list[str]) -> None:
    result = CliRunner().invoke(told, arguments, catch_exceptions=False)
    assert result.exit_code in (0, 2)
    if result.exit_code == 0 and result.stdout.startswith("["):
        with suppress(QueryError):
            parse(json.loads(result.stdout)[0])


def test_filters_and_words_to_keep_out_explain_nothing(photos: Path, weights: Path) -> None:
    photo = photos / "scene 05.jpg"
    plain = json.loads(pixelseek("explain", photo, "a red circle", "--json", "--weights", weights).stdout)
    more = ("a", "red", "circle", "-crowd", "taken:2021")
    found = json.loads(pixelseek("explain", photo, *more, "--json", "--weights", weights).stdout)
    assert found == plain
    assert [word["word"] for word in found["words"]] == ["a", "red", "circle"]
    for sentence in ("taken:2021", "camara:canon"):
        assert pixelseek("explain", photo, sentence, "--json", "--weights", weights).exit_code == 1


def test_a_photo_is_captioned_by_its_name_in_either_form_of_unicode(
    tmp_path: Path, photos: Path, weights: Path
) -> None:
    folder = tmp_path / unicodedata.normalize("NFD", "Übung Café")
    folder.mkdir()
    shutil.copy(photos / "scene 05.jpg", folder / unicodedata.normalize("NFC", "é.jpg"))
    where = ("--library", tmp_path / "library")
    composed = tmp_path / unicodedata.normalize("NFC", "Übung Café")
    assert pixelseek("index", composed, *where, "--weights", weights).exit_code == 0
    for form, caption in (("NFC", "Łódź"), ("NFD", "Ærø")):
        typed = str(tmp_path) + unicodedata.normalize(form, "/Übung Café/é.jpg")  # type: ignore[arg-type]
        assert pixelseek("caption", typed, caption, *where).exit_code == 0
        assert json.loads(pixelseek("caption", typed, "--json", *where).stdout)["caption"] == caption
        assert pixelseek("similar", typed, *where).exit_code == 0
    refused = pixelseek("caption", typed, "--tag", "!!!", *where)
    assert refused.exit_code == 1
    assert "no search could find the tag !!!" in refused.stderr
