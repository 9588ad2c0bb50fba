from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import threading
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sqlalchemy import select

from indexer import indexing
from indexer.library.catalog import annotation_table
from indexer.library.errors import AnnotationRefused, PhotoMissing
from indexer.library.filters import Filters
from indexer.library.paths import as_on_disk
from indexer.library.photo import PhotoRecord
from indexer.library.text_analysis import search_words
from indexer.library.verification import verify
from indexer.library.view import LibraryView
from indexer.library.writer import LibraryWriter
from tests.indexer.desk import Desk, scribble


def photo_at(desk: Desk, name: str) -> PhotoRecord:
    with desk.open() as library:
        return library.photo_at(desk.photos / name)


def write(desk: Desk, name: str, caption: str | None, *tags: str) -> None:
    with desk.open() as library:
        library.annotate(library.photo_at(desk.photos / name).id, caption=caption, tags=tags)


def match_counts(library: LibraryView, text: str) -> dict[str, int]:
    counts = library.annotation_matches(search_words(text))
    return {Path(photo.path).name: counts[photo.id] for photo in library.photos(list(counts))}


@pytest.fixture
def filled(desk: Desk) -> Desk:
    for seed, name in enumerate(("a.png", "b.png", "deep/c.png")):
        scribble(desk.photos / name, seed)
    desk.index()
    return desk


def test_what_is_written_is_kept_and_may_be_rewritten_and_removed(filled: Desk) -> None:
    write(filled, "a.png", " Aunt Mary's 60th ", "cake", "", "family ", "cake")
    assert (photo_at(filled, "a.png").caption, photo_at(filled, "a.png").tags) == (
        "Aunt Mary's 60th",
        ["cake", "family"],
    )
    write(filled, "a.png", None, "cake")
    assert (photo_at(filled, "a.png").caption, photo_at(filled, "a.png").tags) == (None, ["cake"])
    write(filled, "a.png", None)
    assert (photo_at(filled, "a.png").caption, photo_at(filled, "a.png").tags) == (None, [])
    with filled.open() as library, library.catalog.connect() as connection:
        assert connection.execute(select(annotation_table)).all() == []


def favourites(desk: Desk) -> list[str]:
    with desk.open() as library:
        ids = library.matching(Filters(favourite=(True,))).tolist()
        return [Path(photo.path).name for photo in library.photos(ids)]


def make_favourite(desk: Desk, name: str) -> None:
    with desk.open() as library:
        library.annotate(library.photo_at(desk.photos / name).id, caption=None, tags=[], favourite=True)


def test_a_favourite_stays_one_whatever_else_is_written_until_somebody_says_otherwise(filled: Desk) -> None:
    make_favourite(filled, "a.png")
    write(filled, "a.png", "A caption", "tag")
    assert favourites(filled) == ["a.png"]
    write(filled, "a.png", None)
    assert favourites(filled) == ["a.png"], "nothing else is said of it"
    with filled.open() as library:
        library.annotate(library.photo_at(filled.photos / "a.png").id, caption=None, tags=[], favourite=False)
        with library.catalog.connect() as connection:
            assert connection.execute(select(annotation_table)).all() == []


def test_a_favourite_stays_one_when_its_file_is_moved_edited_or_comes_back(filled: Desk, tmp_path: Path) -> None:
    make_favourite(filled, "a.png")
    path = (filled.photos / "a.png").rename(filled.photos / "moved.png")
    filled.index()
    assert favourites(filled) == ["moved.png"]
    scribble(path, 9)
    filled.index()
    assert favourites(filled) == ["moved.png"], "edited in place"
    content = path.read_bytes()
    path.unlink()
    filled.index()
    assert favourites(filled) == []
    path.write_bytes(content)
    filled.index()
    assert favourites(filled) == ["moved.png"]
    with filled.open() as library:
        library.back_up(tmp_path / "backup.sqlite")
    with closing(sqlite3.connect(tmp_path / "backup.sqlite")) as backup:
        assert backup.execute("SELECT favourite FROM annotation").fetchall() == [(1,), (1,)], "of both versions"


def test_of_two_people_who_edit_at_once_neither_undoes_what_the_other_did(filled: Desk) -> None:
    with filled.open() as library:
        photo_id = library.photo_at(filled.photos / "a.png").id
        edits = [{"tag": ["sea"]}, {"tag": ["sand"]}, {"favourite": True}, {"caption": "A beach"}]
        with ThreadPoolExecutor() as people:
            list(people.map(lambda edit: library.edit_annotation(photo_id, lambda a: a.edited(**edit)), edits))
        photo = library.photo(photo_id)
        assert (photo.caption, sorted(photo.tags), photo.favourite) == ("A beach", ["sand", "sea"], True)
        library.edit_annotation(photo_id, lambda before: before.edited(caption="", untag=[" sea "], favourite=False))
        assert library.photo(photo_id).tags == ["sand"]


def test_photos_are_found_by_whole_words_in_any_case_and_without_accents(filled: Desk) -> None:
    write(filled, "a.png", "The café in Zürich, STRASSE 7", "old town")
    write(filled, "b.png", "A cafeteria", "town")
    with filled.open() as library:
        assert match_counts(library, "a Cafe in zurich") == {"a.png": 2}
        assert match_counts(library, "straße") == {"a.png": 1}
        assert match_counts(library, "an old town") == {"a.png": 2, "b.png": 1}
        assert match_counts(library, "Zürich\u2019s O'Hara's towns") == {"a.png": 1}
        assert match_counts(library, "in the a") == match_counts(library, "caf") == {}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(max_size=200)
    | st.lists(
        st.sampled_from(
            [
                "'s",
                "\u2019",
                "\u0301",
                "ǅ",
                "ß",
                " ",
                "é",
                "\0",
                "_",
                "a",
                "夜",
                "ก",
                "❤️",
                "\u200d",
                "🏽",
                "1",
                '"',
                "*",
            ]
        )
    ).map("".join)
)
def test_any_text_is_found_by_each_of_its_words_or_refused(filled: Desk, text: str) -> None:
    with filled.open() as library:
        photo = library.photo_at(filled.photos / "a.png")
        try:
            library.annotate(photo.id, caption=text, tags=[])
        except AnnotationRefused:
            assert not search_words(text)
            return
        for word in search_words(text):
            assert library.annotation_matches([word]) == {photo.id: 1}
        assert verify(library) == []


@pytest.mark.parametrize("text", ["!!!", "\u2026", "\u0301", "\u200b\u200d", "\ufe0f", "---", "?!", "+"])
def test_what_no_search_could_find_is_refused(filled: Desk, text: str) -> None:
    for caption, tags in ((text, []), ("A caption", ["a tag", text])):
        with (
            filled.open() as library,
            pytest.raises(AnnotationRefused, match=r"no search could find the (caption|tag)"),
        ):
            library.annotate(library.photo_at(filled.photos / "a.png").id, caption=caption, tags=tags)
        assert photo_at(filled, "a.png").tags == []


@pytest.mark.parametrize("again", ["Rex", "REX", "rex", " réx ", "Ｒｅｘ"])
def test_a_tag_is_the_same_however_it_is_written(filled: Desk, again: str) -> None:
    def tags(tag: Sequence[str] = (), untag: Sequence[str] = ()) -> list[str]:
        with filled.open() as library:
            photo_id = library.photo_at(filled.photos / "a.png").id
            library.edit_annotation(photo_id, lambda before: before.edited(tag=tag, untag=untag))
        return list(photo_at(filled, "a.png").tags)

    write(filled, "a.png", None, "Rex", "dog", again)
    assert tags(tag=[again]) == ["Rex", "dog"]
    assert tags(untag=[again]) == ["dog"]
    assert tags(tag=[again], untag=[again]) == ["dog"]


def test_a_word_of_two_texts_is_in_neither(filled: Desk) -> None:
    write(filled, "a.png", "東", "京", "4", "th")
    with filled.open() as library:
        assert match_counts(library, "東京") == match_counts(library, "4th") == {}
        assert match_counts(library, "東 京 th") == {"a.png": 3}


def test_titles_and_keywords_inside_the_file_are_found_too_until_it_says_something_else(desk: Desk) -> None:
    def save(title: str) -> None:
        notes = PngInfo()
        notes.add_itxt(
            "XML:com.adobe.xmp",
            '<x xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            f"<dc:title><r:li>{title}</r:li></dc:title></x>",
        )
        Image.new("RGB", (8, 8)).save(desk.photos / "a.png", pnginfo=notes)

    save("Lighthouse")
    desk.index()
    with desk.open() as library:
        assert match_counts(library, "a lighthouse at sea") == {"a.png": 1}
    write(desk, "a.png", "our holiday")
    save("A ship")
    desk.index()
    with desk.open() as library:
        assert match_counts(library, "holiday ship") == {"a.png": 2}
        assert match_counts(library, "lighthouse") == {}


def _be_killed(*_: object) -> NoReturn:
    raise KeyboardInterrupt


class TestInheritance:
    def test_a_photo_edited_in_place_inherits_what_was_written(self, filled: Desk) -> None:
        write(filled, "a.png", "A caption", "tag")
        before = photo_at(filled, "a.png")
        scribble(filled.photos / "a.png", 9)
        filled.index()
        after = photo_at(filled, "a.png")
        assert after.id != before.id
        assert (after.caption, after.tags) == ("A caption", ["tag"])
        with filled.open() as library:
            assert match_counts(library, "caption") == {"a.png": 1}

    @pytest.mark.parametrize(
        ("renamed", "heirs"),
        [
            ({"a": "b", "b": "a"}, {"b"}),
            ({"a": "b", "b": "deep/c", "deep/c": "d"}, {"b"}),
            ({"b": "a"}, set()),
            ({"a": "backup/a"}, {"backup/a"}),
        ],
        ids=["swapped", "renumbered", "another one in its place", "moved, and a new one in its place"],
    )
    def test_a_photo_that_only_went_elsewhere_keeps_it_and_none_gets_it_that_was_known(
        self, filled: Desk, renamed: dict[str, str], heirs: set[str]
    ) -> None:
        write(filled, "a.png", "A caption", "tag")
        contents = {new: (filled.photos / f"{old}.png").read_bytes() for old, new in renamed.items()}
        for old in renamed:
            (filled.photos / f"{old}.png").unlink()
        for new, content in contents.items():
            path = filled.photos / f"{new}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        if not (filled.photos / "a.png").exists():
            scribble(filled.photos / "a.png", 9)
        filled.index()
        with filled.open() as library:
            captioned = [photo.path for photo in library.photos(library.photo_ids().tolist()) if photo.caption]
        assert {str(Path(path).relative_to(filled.photos).with_suffix("")) for path in captioned} == heirs

    @pytest.mark.parametrize("other", ["copy/a.png", "a_original.png"])
    def test_also_where_the_old_one_is_kept_as_a_copy(self, filled: Desk, other: str) -> None:
        write(filled, "a.png", "A caption")
        copy = filled.photos / other
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(filled.photos / "a.png", copy)
        if copy.parent != filled.photos:
            filled.index()
        scribble(filled.photos / "a.png", 9)
        filled.index()
        assert photo_at(filled, "a.png").caption == photo_at(filled, other).caption == "A caption"

    def test_a_run_that_is_killed_before_its_end_leaves_it_to_the_next(
        self, filled: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(filled, "a.png", "A caption", "tag")
        for seed in (9, 10):
            scribble(filled.photos / "a.png", seed)
            with monkeypatch.context() as killed:
                killed.setattr(indexing, "remove_locations", _be_killed)
                with pytest.raises(KeyboardInterrupt):
                    filled.index()
            assert photo_at(filled, "a.png").caption is None
        filled.index()
        assert (photo_at(filled, "a.png").caption, photo_at(filled, "a.png").tags) == ("A caption", ["tag"])

    def test_also_when_it_was_met_half_written_in_between(self, filled: Desk) -> None:
        write(filled, "a.png", "A caption")
        content = scribble(filled.photos / "a.png", 9).read_bytes()
        for half in (content[: len(content) // 2], b""):
            (filled.photos / "a.png").write_bytes(half)
            assert filled.index().failed == 1
        (filled.photos / "a.png").write_bytes(content)
        filled.index()
        assert photo_at(filled, "a.png").caption == "A caption"

    def test_it_is_kept_when_the_file_is_moved_or_deleted_and_comes_back(self, filled: Desk) -> None:
        write(filled, "a.png", "A caption")
        path = (filled.photos / "a.png").rename(filled.photos / "moved.png")
        filled.index()
        assert photo_at(filled, "moved.png").caption == "A caption"
        content = path.read_bytes()
        path.unlink()
        filled.index()
        path.write_bytes(content)
        filled.index()
        assert photo_at(filled, "moved.png").caption == "A caption"

    def test_it_never_overwrites_what_the_other_photo_has(self, filled: Desk) -> None:
        write(filled, "a.png", "Of a")
        write(filled, "b.png", "Of b")
        (filled.photos / "a.png").write_bytes((filled.photos / "b.png").read_bytes())
        os.utime(filled.photos / "a.png", (1, 1))
        filled.index()
        assert photo_at(filled, "a.png").caption == "Of b"


def test_a_photo_is_known_by_the_path_of_its_file_however_it_is_written(
    filled: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = photo_at(filled, "deep/c.png")
    monkeypatch.chdir(filled.photos / "deep")
    (tmp_path / "link").symlink_to(filled.photos)
    with filled.open() as library:
        for path in ("c.png", "../deep/./c.png", tmp_path / "link" / "deep" / "c.png"):
            assert library.photo_at(Path(path)) == expected
        (filled.photos / "broken.png").touch()
        for missing in ("d.png", "../broken.png", filled.photos, tmp_path / "elsewhere.png"):
            with pytest.raises(PhotoMissing, match=r"is not in the library\. Index the folder"):
                library.photo_at(Path(missing))


@pytest.mark.parametrize(
    ("caption", "tags"),
    [("x" * 2001, []), ("no text \udcff", []), (None, ["y" * 101]), (None, [str(number) for number in range(101)])],
)
def test_what_is_too_long_or_no_text_is_refused(filled: Desk, caption: str | None, tags: list[str]) -> None:
    with filled.open() as library, pytest.raises(AnnotationRefused):
        library.annotate(1, caption=caption, tags=tags)


def test_a_photo_that_is_not_there_cannot_be_written_about(filled: Desk) -> None:
    with filled.open() as library, pytest.raises(PhotoMissing):
        library.annotate(99, caption="x", tags=[])


def test_people_may_write_while_another_process_indexes(filled: Desk) -> None:
    with filled.open() as indexing, LibraryWriter.lock(indexing):
        write(filled, "a.png", "Meanwhile")
        with indexing.catalog.begin() as connection:  # a batch being committed: who writes waits for it
            connection.execute(select(annotation_table)).all()
            late = threading.Thread(target=write, args=(filled, "b.png", "Later"))
            late.start()
        late.join()
    assert (photo_at(filled, "a.png").caption, photo_at(filled, "b.png").caption) == ("Meanwhile", "Later")
    with filled.open() as library:
        assert verify(library) == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take the forms for one")
def test_a_photo_is_known_by_its_path_in_either_form_of_unicode(desk: Desk) -> None:
    names = {form: unicodedata.normalize(form, "Übung Café/パン.png") for form in ("NFC", "NFD")}
    for seed, (form, other) in enumerate((("NFC", "NFD"), ("NFD", "NFC"))):
        path = scribble(desk.photos / names[form], seed)
        desk.index()
        with desk.open() as library:
            photo = library.photo_at(desk.photos / names[other])
            assert photo.path == str(path)
        assert as_on_disk(desk.photos / names[other]) == path
        assert as_on_disk((desk.photos / names[other]).with_name("new.png")) == path.with_name("new.png")
        path.unlink()
        with desk.open() as library:  # also when its disk is away
            assert library.photo_at(desk.photos / names[other]).id == photo.id
        desk.index()


def test_where_both_forms_exist_each_is_its_own_file(desk: Desk) -> None:
    composed, apart = (desk.photos / unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD"))
    scribble(composed, 1)
    scribble(apart, 2)
    if len(list(desk.photos.iterdir())) == 1:
        pytest.skip("this disk takes the forms for one")
    desk.index()
    with desk.open() as library:
        assert library.photo_at(composed).path == str(composed)
        assert library.photo_at(apart).path == str(apart)
        assert (as_on_disk(composed), as_on_disk(apart)) == (composed, apart)
