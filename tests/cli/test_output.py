"""What the terminal prints of a result, on results made by hand."""

from __future__ import annotations

import math

import pytest

from cli.output import print_json, print_result
from engine.results import Hint, Hit, SearchResult


def result(matches: list[float | None], line: int, *hints: Hint, reranked: int | None = None) -> SearchResult:
    hits = [
        Hit(f"/{rank}.jpg", rank, 0.25, match, match, 4, 3, 9, None, True)
        for rank, match in enumerate(matches, start=1)
    ]
    count = sum(match is not None for match in matches) if reranked is None else reranked
    return SearchResult("a dog", hits, line, count, {"total": 1.0}, list(hints))


def test_two_groups_and_the_photos_past_the_shortlist(capsys: pytest.CaptureFixture[str]) -> None:
    print_result(result([0.9, 0.875, 0.25, None], 2))
    assert capsys.readouterr().out.splitlines() == [
        "Best",
        "   1  /1.jpg",
        "   2  /2.jpg",
        "",
        "More like this",
        "   3  /3.jpg",
        "   4  /4.jpg",
    ]
    print_result(result([0.9, 0.25, None], 1), verbose=True)
    assert capsys.readouterr().out.splitlines() == [
        "Best",
        "   1    90%  █████████   /1.jpg",
        "",
        "More like this",
        "   2    25%  ██▌         /2.jpg",
        "   3      -              /3.jpg",
    ]


def test_a_line_past_the_limit_leaves_one_group(capsys: pytest.CaptureFixture[str]) -> None:
    print_result(result([0.9, 0.9], 26, reranked=64))
    assert capsys.readouterr().out == "Best\n   1  /1.jpg\n   2  /2.jpg\n"


def test_photos_that_were_not_reranked_stand_in_no_group(capsys: pytest.CaptureFixture[str]) -> None:
    for verbose in (False, True):
        print_result(result([None, None], 0), verbose=verbose)
        assert capsys.readouterr().out == "   1   0.250  /1.jpg\n   2   0.250  /2.jpg\n"


def test_a_hint_of_absence_stands_above_and_the_others_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    hints = Hint("absent", "No iguana here."), Hint("not_english", "Only English works.", "--a lizard\n")
    print_result(result([0.1], 0, *hints), options=["--library", "/a b"])
    printed = capsys.readouterr()
    assert printed.out == "No iguana here.\n   1  /1.jpg\n"
    assert printed.err == "Only English works.\nTry: pixelseek search --library '/a b' -- '--a lizard\\n'\n"


def test_what_is_printed_without_hints_where_nothing_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    print_result(result([0.1], 0))
    assert capsys.readouterr().out == "Nothing like that here. The nearest photos:\n   1  /1.jpg\n"
    print_result(result([0.1], 0, Hint("filters", "Leave it out.", "a dog")))
    printed = capsys.readouterr()
    assert printed.out == "Nothing like that passes the filters. The nearest photos that do:\n   1  /1.jpg\n"
    assert printed.err == "Leave it out.\nTry: pixelseek search 'a dog'\n"
    print_result(result([], 0))
    assert capsys.readouterr() == ("", "No photo was found.\n")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_json_has_no_number_for_is_never_printed_as_json(
    capsys: pytest.CaptureFixture[str], number: float
) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_json({"figures": [1.0, number]})
    assert not capsys.readouterr().out
