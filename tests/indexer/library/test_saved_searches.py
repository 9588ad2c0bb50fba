"""Searches that people keep under a name."""

from __future__ import annotations

import pytest

from indexer.library import migrations
from indexer.library.errors import SavedSearchMissing, SavedSearchRefused
from indexer.library.library import Library
from indexer.library.saved_searches import MAX_NAME
from tests.indexer.desk import Desk


def test_a_search_is_saved_renamed_and_deleted_and_is_there_the_next_time(desk: Desk) -> None:
    with desk.open() as library:
        assert library.saved_searches() == {}
        library.save_search("  The   beach ", "a beach -crowd taken:2021")
        library.save_search("árboles", "trees")
        library.save_search("Zoo", "animals")
    with Library.open(desk.library) as library:
        assert list(library.saved_searches().items()) == [
            ("árboles", "trees"), ("The beach", "a beach -crowd taken:2021"), ("Zoo", "animals"),
        ]  # fmt: skip
        library.save_search("Zoo", "zebras")
        library.rename_search("The beach", "the sea")
        library.rename_search("Zoo", "Zoo")
        library.delete_search("árboles")
        assert library.saved_searches() == {"the sea": "a beach -crowd taken:2021", "Zoo": "zebras"}


def test_what_is_not_there_cannot_be_changed_and_no_name_is_overwritten(desk: Desk) -> None:
    with desk.open() as library:
        library.save_search("a", "x")
        library.save_search("b", "y")
        with pytest.raises(SavedSearchMissing, match="no saved search c"):
            library.rename_search("c", "d")
        with pytest.raises(SavedSearchMissing, match="no saved search c"):
            library.delete_search("c")
        with pytest.raises(SavedSearchRefused, match="already"):
            library.rename_search("a", "b")
        assert library.saved_searches() == {"a": "x", "b": "y"}


@pytest.mark.parametrize("name", ["", "  \n", "x" * (MAX_NAME + 1), "a\0b", "a\u202eb"])
def test_a_name_that_nobody_can_read_is_refused(desk: Desk, name: str) -> None:
    with desk.open() as library:
        with pytest.raises(SavedSearchRefused):
            library.save_search(name, "x")
        library.save_search("a", "x")
        with pytest.raises(SavedSearchRefused):
            library.rename_search("a", name)


def test_there_is_a_limit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.library.saved_searches.MAX_SAVED", 1)
    with desk.open() as library:
        library.save_search("a", "x")
        library.save_search("a", "y")
        with pytest.raises(SavedSearchRefused, match="delete some"):
            library.save_search("b", "x")


def test_a_library_of_before_searches_were_saved_has_none(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(migrations, "HEAD", "0008")
        desk.open().close()
    with desk.open() as library:
        assert library.saved_searches() == {}
        library.save_search("a", "x")
