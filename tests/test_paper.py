"""The walk through the paper names files and symbols that exist."""

from __future__ import annotations

import ast
import re

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "development" / "paper.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`((?:[\w-]+/)+[\w-]+\.(?:py|toml))(?::([\w.]+))?`", PAGE)))


def names_in(body: list[ast.stmt], prefix: str = "") -> set[str]:
    """Classes, functions and methods, as `Class.method`."""
    found = set()
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(prefix + node.name)
        if isinstance(node, ast.ClassDef):
            found |= names_in(node.body, f"{node.name}.")
    return found


def test_the_page_names_much_of_the_code() -> None:
    assert sum(bool(symbol) for _, symbol in NAMED) > 30


@pytest.mark.parametrize(("path", "symbol"), NAMED)
def test_what_is_named_is_there(path: str, symbol: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    if symbol:
        assert symbol in names_in(ast.parse(text).body)


def test_sections_and_pages_it_links_to_are_there() -> None:
    for page, section in re.findall(r"\]\((?!https)([\w./-]+)(?:#([\w-]+))?\)", PAGE):
        text = (ROOT / "docs" / "development" / page).read_text(encoding="utf-8")
        titles = re.findall(r"(?m)^#+ (.+)$", text)
        anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
        assert not section or section in anchors, f"{page}#{section}"
