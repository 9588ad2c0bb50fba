"""Whatever is typed finds photos or is refused in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import QueryError
from engine.search import SearchEngine
from engine.sentences import MAX_CHARACTERS

PIECES = st.sampled_from(
    [
        *(
            "camera:",
            "lens:",
            "near:",
            "taken:2021",
            "after:",
            "before:9998",
            "folder:",
            "folder:/",
            "type:png",
            "type:",
            "camara:",
        ),
        *(
            '"',
            " ",
            "-",
            "-a",
            ":",
            ",",
            "~/",
            "1",
            "%",
            "_",
            "\\",
            "'",
            ";",
            "\0",
            "\n",
            "red",
            "ǅ",
            "\u0301",
            "👩‍👩‍👧",
            *("“", "”", "«", "»", "‘", "’", "「", "」", "–", "：", "٢", "²", "\u200f", "~x/", "夜景"),
        ),
    ]
)
ONE_LIBRARY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def engine(indexed: Path, weights: Path) -> Iterator[SearchEngine]:
    with SearchEngine.open(indexed, weights=weights, device="cpu") as opened:
        yield opened


@ONE_LIBRARY
@given(st.text(max_size=MAX_CHARACTERS + 1) | st.lists(PIECES).map("".join))
def test_any_text_finds_photos_or_is_refused_in_a_line(engine: SearchEngine, text: str) -> None:
    try:
        result = engine.search(text, limit=3, shortlist=3)
    except QueryError:
        return
    assert result.query == text.strip()
    assert len(result.hits) <= 3
    assert all(0 <= hit.match <= 1 for hit in result.hits if hit.match is not None)
