"""The pages for developers name files and symbols that exist, and no page links to what is not there."""

from __future__ import annotations

import ast
import re

import pytest

from tests.conftest import ROOT

PAGES = [ROOT / "docs" / name for name in ("development/design.md", "development/paper.md", "model.md")]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
NAMED = sorted(set(re.findall(r"`((?:[\w-]+/)+[\w-]+\.(?:py|toml))(?::([\w.]+))?`", TEXT)))
ALL = sorted(str(path.relative_to(ROOT)) for path in (*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")))


def names_in(body: list[ast.stmt], prefix: str = "") -> set[str]:
    """Classes, functions and methods, as `Class.method`."""
    found = set()
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(prefix + node.name)
        if isinstance(node, ast.ClassDef):
            found |= names_in(node.body, f"{node.name}.")
    return found


def test_the_pages_name_much_of_the_code() -> None:
    assert sum(bool(symbol) for _, symbol in NAMED) > 30


@pytest.mark.parametrize(("path", "symbol"), NAMED)
def test_what_is_named_is_there(path: str, symbol: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    if symbol:
        assert symbol in names_in(ast.parse(text).body)


@pytest.mark.parametrize("name", ALL)
def test_sections_and_pages_that_a_page_links_to_are_there(name: str) -> None:
    page = ROOT / name
    for link, section in re.findall(r"\]\((?!http)([\w./-]*)(?:#([\w-]+))?\)", page.read_text(encoding="utf-8")):
        target = (page.parent / link) if link else page
        assert target.exists(), link
        if section:
            titles = re.findall(r"(?m)^#+ (.+)$", target.read_text(encoding="utf-8"))
            anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
            assert section in anchors, f"{link}#{section}"
