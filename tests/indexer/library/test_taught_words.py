"""Words that people teach: which photos show them, and which do not."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sqlalchemy import select

from indexer.library import migrations
from indexer.library.annotations import MAX_TAG, MAX_TAGS, inherit_annotations
from indexer.library.catalog import not_shown_table
from indexer.library.errors import AnnotationRefused, TaughtWordMissing, TaughtWordRefused
from indexer.library.exporting import exported_photos
from indexer.library.library import Library
from indexer.library.taught_words import Offer
from indexer.library.verification import verify
from indexer.library.writer import LibraryWriter
from tests.indexer.desk import Desk, scribble


@pytest.fixture
def filled(desk: Desk) -> Desk:
    for seed, name in enumerate("abcdef"):
        scribble(desk.photos / f"{name}.png", seed)
    desk.index()
    return desk


def ids(library: Library, desk: Desk, names: str) -> list[int]:
    return [library.photo_at(desk.photos / f"{name}.png").id for name in names]


def said(library: Library, word_id: int) -> tuple[str, str]:
    """The names of the files that show the word, and of those that do not."""
    word = library.taught_word(word_id)
    shown, not_shown = (
        "".join(sorted(Path(photo.path).stem for photo in library.photos(photo_ids)))
        for photo_ids in (word.shown, word.not_shown)
    )
    return shown, not_shown


def tags(library: Library, photo_id: int) -> list[str]:
    return library.photo(photo_id).tags


def test_a_yes_is_the_tag_a_no_takes_it_away_and_either_may_be_taken_back(filled: Desk) -> None:
    with filled.open() as library:
        a, b, c = ids(library, filled, "abc")
        library.annotate(c, caption=None, tags=["sea", "REX "])
        rex = library.teach_word("  Rex ")
        assert (rex.name, rex.shown, rex.not_shown) == ("Rex", [c], [])
        assert library.teach_word("rex") == rex
        assert library.answer(rex.id, [a, b, c, 99], shown=True) == {a: None, b: None}
        assert (tags(library, a), tags(library, c)) == (["Rex"], ["sea", "REX"])
        assert library.answer(rex.id, [b, c], shown=False) == {b: True, c: True}
        assert (said(library, rex.id), tags(library, c)) == (("a", "bc"), ["sea"])
        assert library.answer(rex.id, [a, b], shown=None) == {a: True, b: False}
        assert said(library, rex.id) == ("", "c")
        assert library.answer(rex.id, [a, b], shown=None) == {}
        with filled.open() as view:
            assert verify(view) == []
    with Library.open(filled.library) as library:
        assert [(word.name, word.not_shown) for word in library.taught_words()] == [("Rex", [c])]


def test_a_tag_written_anywhere_takes_a_no_back_however_it_is_written(filled: Desk) -> None:
    with filled.open() as library:
        a, b, c, d = photo_ids = ids(library, filled, "abcd")
        boat = library.teach_word("Bläues  Boot").id
        other = library.teach_word("Boot").id
        for word_id in (boat, other):
            library.answer(word_id, photo_ids, shown=False)
        library.annotate(a, caption=None, tags=["blaues boot"])
        library.edit_annotation(b, lambda before: before.edited(tag=["Bla\u0308ues\u00a0BOOT"]))
        library.edit_annotations([c], lambda before: before.edited(tag=["BLÄUES \t boot"]))
        library.edit_annotation(d, lambda before: before.edited(tag=["blaues", "boote"], caption="Bläues Boot"))
        assert said(library, boat) == ("abc", "d")
        assert said(library, other) == ("", "abcd")


def test_of_two_people_who_answer_at_once_each_is_heard_and_no_photo_is_both(filled: Desk) -> None:
    with filled.open() as library:
        photo_ids = ids(library, filled, "abcdef")
        with ThreadPoolExecutor() as people:
            words = list(people.map(lambda name: library.teach_word(name).id, ["Rex", "rex", "REX"] * 3))
            assert len(set(words)) == 1
            list(people.map(lambda shown: library.answer(words[0], photo_ids, shown), [True, False] * 5))
        shown, not_shown = said(library, words[0])
        assert sorted([shown, not_shown]) == ["", "abcdef"]


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("Élodie", "elodie"),
        ("Blue   boat", "blue boat"),
        ("🐕\u200d🦺", "🐕🦺"),
        ("❤\ufe0f", "❤"),
        ("小白", "小白"),
        ("می\u200cخواهم", "میخواهم"),
        ("Straße", "STRASSE"),
        ("x" * MAX_TAG, "X" * MAX_TAG),
        ('a "quoted", name; C\'est', 'A  "QUOTED", name; c\'est'),
    ],
)
def test_any_name_that_a_tag_may_have_can_be_taught_and_is_known_however_it_is_written(
    filled: Desk, name: str, same: str
) -> None:
    with filled.open() as library:
        (a,) = ids(library, filled, "a")
        library.annotate(a, caption=None, tags=[same])
        word = library.teach_word(name)
        assert (word.shown, library.teach_word(same).id) == ([a], word.id)
        assert library.answer(word.id, [a], shown=None) == {a: True}
        assert tags(library, a) == []


@pytest.mark.parametrize(
    "name", ["", " \n\t", "!!!", "\u200b", "x" * (MAX_TAG + 1), "a\0b", "Rex\u202e", "\udcff", "a\x1b[2J"]
)
def test_a_name_that_nobody_could_read_or_search_is_refused(desk: Desk, name: str) -> None:
    with desk.open() as library:
        word_id = library.teach_word("Rex").id
        with pytest.raises(TaughtWordRefused):
            library.teach_word(name)
        with pytest.raises(TaughtWordRefused):
            library.rename_taught_word(word_id, name)
        assert [word.name for word in library.taught_words()] == ["Rex"]


def test_there_are_limits(filled: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.library.taught_words.MAX_WORDS", 1)
    monkeypatch.setattr("indexer.library.taught_words.MAX_NOT_SHOWN", 2)
    with filled.open() as library:
        a, b, c = ids(library, filled, "abc")
        word_id = library.teach_word("Rex").id
        assert library.teach_word("REX").id == word_id
        with pytest.raises(TaughtWordRefused, match="delete some"):
            library.teach_word("Max")
        library.answer(word_id, [a, b], shown=False)
        with pytest.raises(TaughtWordRefused, match="take some back"):
            library.answer(word_id, [b, c], shown=False)
        library.annotate(c, caption=None, tags=[str(number) for number in range(MAX_TAGS)])
        with pytest.raises(AnnotationRefused, match=r"c\.png: 101 tags"):
            library.answer(word_id, [a, c], shown=True)
        assert said(library, word_id) == ("", "ab"), "all or none"


def test_what_is_not_there_cannot_be_changed_and_its_number_is_not_given_to_another(filled: Desk) -> None:
    with filled.open() as library:
        (a,) = ids(library, filled, "a")
        gone = library.teach_word("Rex").id
        library.delete_taught_word(gone, keep_tags=False)
        assert library.teach_word("Max").id != gone
        for change in (
            lambda: library.taught_word(gone),
            lambda: library.taught_word(2**63),
            lambda: library.answer(gone, [a], shown=True),
            lambda: library.rename_taught_word(gone, "Max"),
            lambda: library.delete_taught_word(gone, keep_tags=True),
            lambda: library.add_keyword_examples(gone),
        ):
            with pytest.raises(TaughtWordMissing, match="deleted or merged"):
                change()
        assert tags(library, a) == []


def test_renaming_renames_the_tag_and_merges_with_a_word_or_tag_of_that_name(filled: Desk) -> None:
    with filled.open() as library:
        a, b, c, d, e, f = ids(library, filled, "abcdef")
        rex = library.teach_word("rex").id
        library.annotate(a, caption="A dog", tags=["sea", "REX", "rex", "sand"], favourite=True)
        library.answer(rex, [b], shown=True)
        library.answer(rex, [c, d], shown=False)
        assert not library.rename_taught_word(rex, "Rex")
        assert (tags(library, a), tags(library, b)) == (["sea", "Rex", "sand"], ["Rex"])
        assert library.photo(a).caption == "A dog"
        assert library.photo(a).favourite
        assert not library.rename_taught_word(rex, "Rexy")
        assert (library.taught_word(rex).name, said(library, rex)) == ("Rexy", ("ab", "cd"))

        library.annotate(e, caption=None, tags=["MAX"])  # not taught
        library.edit_annotation(c, lambda before: before.edited(tag=["max"]))
        assert library.rename_taught_word(rex, "Max")
        assert (said(library, rex), tags(library, e)) == (("abce", "d"), ["MAX"])

        bello = library.teach_word("Bello").id
        library.answer(bello, [a, d], shown=True)
        library.answer(bello, [b, f], shown=False)
        assert library.rename_taught_word(bello, "max")
        assert [word.id for word in library.taught_words()] == [bello]
        assert said(library, bello) == ("abcde", "f")
        assert tags(library, a) == ["sea", "max", "sand"]


def test_a_deleted_word_takes_its_tag_along_unless_it_is_to_be_kept(filled: Desk) -> None:
    with filled.open() as library:
        a, b = ids(library, filled, "ab")
        word = library.teach_word("Rex")
        library.answer(word.id, [a], shown=True)
        library.answer(word.id, [b], shown=False)
        was = library.delete_taught_word(word.id, keep_tags=True)
        assert (was.shown, was.not_shown, tags(library, a), library.taught_words()) == ([a], [b], ["Rex"], [])
        again = library.teach_word("Rex")
        assert (again.shown, again.not_shown) == ([a], [])
        library.delete_taught_word(again.id, keep_tags=False)
        assert tags(library, a) == []


class TestPhotosThatChange:
    def test_answers_follow_a_photo_that_is_moved_copied_edited_hidden_and_back(self, filled: Desk) -> None:
        with filled.open() as library:
            word_id = library.teach_word("Rex").id
            library.answer(word_id, ids(library, filled, "ab"), shown=True)
            library.answer(word_id, ids(library, filled, "cde"), shown=False)
        (filled.photos / "c.png").rename(filled.photos / "m.png")
        scribble(filled.photos / "b.png", 11)
        scribble(filled.photos / "d.png", 12)
        (filled.photos / "f.png").write_bytes((filled.photos / "a.png").read_bytes())
        content = (filled.photos / "e.png").read_bytes()
        (filled.photos / "e.png").unlink()
        filled.index()
        with filled.open() as library:
            assert said(library, word_id) == ("ab", "dm"), "f is a copy of a, e is hidden"
            library.rename_taught_word(word_id, "Max")
        (filled.photos / "e.png").write_bytes(content)
        filled.index()
        with filled.open() as library:
            assert said(library, word_id) == ("ab", "dem")
            assert verify(library) == []

    def test_tags_of_hidden_photos_are_renamed_and_removed_too(self, filled: Desk) -> None:
        with filled.open() as library:
            rex, max_ = library.teach_word("Rex").id, library.teach_word("Max").id
            library.answer(rex, ids(library, filled, "ab"), shown=True)
            library.answer(max_, ids(library, filled, "a"), shown=False)
            with LibraryWriter.lock(library) as writer:
                writer.remove_folder(filled.photos)
            assert said(library, rex) == ("", "")
            assert library.rename_taught_word(rex, "Max")
        filled.index()
        with filled.open() as library:
            assert said(library, rex) == ("ab", ""), "a yes wins over a no"

    def test_what_was_said_of_the_photo_itself_is_not_overwritten_by_what_it_inherits(self, filled: Desk) -> None:
        with filled.open() as library:
            rex, max_ = library.teach_word("Rex").id, library.teach_word("Max").id
            library.answer(rex, ids(library, filled, "ad"), shown=True)
            library.answer(max_, ids(library, filled, "ac"), shown=False)
            library.answer(rex, ids(library, filled, "bc"), shown=False)
            library.answer(max_, ids(library, filled, "e"), shown=True)
            library.edit_annotation(ids(library, filled, "a")[0], lambda before: before.edited(caption="A dog"))
            b, e, f, a, c, d = ids(library, filled, "befacd")  # f is a photo of which nobody said anything
            with library.catalog.begin() as connection:
                inherit_annotations(connection, {b: a, e: c, f: d})
            assert said(library, rex) == ("adf", "bc"), "a no of b itself, and nothing of e, which has a tag of its own"
            assert said(library, max_) == ("e", "abc")
            assert library.photo_at(filled.photos / "b.png").caption == "A dog"


def test_photos_with_the_name_as_a_keyword_are_offered_and_added_only_when_asked(desk: Desk) -> None:
    for seed, words in enumerate((["rex", "!!!"], ["REX", "REX", "!!!"], ["Rex"], ["Rexy", "!!!"], ["rex", "dog"])):
        notes = PngInfo()
        subjects = "".join(f"<r:li>{word}</r:li>" for word in words)
        notes.add_itxt(
            "XML:com.adobe.xmp",
            '<x xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            f"<dc:subject>{subjects}</dc:subject></x>",
        )
        Image.new("RGB", (8, 8), (seed, 0, 0)).save(desk.photos / f"{'abcde'[seed]}.png", pnginfo=notes)
    for seed, name in enumerate("xyz"):
        scribble(desk.photos / f"{name}.png", seed)
    desk.index()
    with desk.open() as library:
        a, b, e, *others = ids(library, desk, "abexyz")
        for photo_id in others:
            library.annotate(photo_id, caption=None, tags=["Boat", "boat", "dog"])
        library.annotate(others[0], caption=None, tags=["Boat", "dog", "house"])
        assert library.taught_word_offers() == [
            Offer("rex", 4, "keyword"), Offer("Boat", 3, "tag"), Offer("dog", 3, "tag"),
        ]  # fmt: skip
        word = library.teach_word("Rex")
        library.answer(word.id, [e], shown=False)
        library.answer(word.id, [a], shown=True)
        assert "rex" not in {offer.name.lower() for offer in library.taught_word_offers()}
        assert library.taught_word(word.id).shown == [a]
        assert library.keyword_examples(word.id) == library.add_keyword_examples(word.id)
        assert b in library.taught_word(word.id).shown
        assert library.keyword_examples(word.id) == library.add_keyword_examples(word.id) == []
        assert library.taught_word(word.id).not_shown == [e]


def test_answers_are_exported_backed_up_and_kept_by_a_repair_and_other_weights(filled: Desk, tmp_path: Path) -> None:
    with filled.open() as library:
        a, b = ids(library, filled, "ab")
        for name in ("Rex", "Bello"):
            word_id = library.teach_word(name).id
            library.answer(word_id, [a], shown=False)
        library.answer(word_id, [b], shown=True)
        with LibraryWriter.lock(library) as writer:
            writer.repair([a, b])
        library.back_up(tmp_path / "backup.sqlite")
    filled.index(generation="other")
    (filled.photos / "a.png").unlink()
    filled.index(generation="other")
    with filled.open(generation="other") as library:
        exported = {photo["digest"]: photo["not_shown"] for photo in exported_photos(library)}
        assert sorted(exported.values()) == [[], [], [], [], [], ["Bello", "Rex"]], "of the hidden photo too"
        assert said(library, word_id) == ("b", "")
    with closing(sqlite3.connect(tmp_path / "backup.sqlite")) as backup:
        assert backup.execute("SELECT count(*) FROM not_shown").fetchall() == [(2,)]


@pytest.mark.sqlite
def test_a_library_of_before_words_were_taught_has_none_and_keeps_its_tags(
    filled: Desk,
) -> None:
    with closing(sqlite3.connect(filled.library / "catalog.sqlite")) as connection:
        connection.executescript(
            "BEGIN; DROP TABLE not_shown; DROP TABLE taught_word; UPDATE alembic_version SET version_num = '0010';"
            "INSERT INTO annotation VALUES (1, NULL, '[\"Rex\"]', 0); COMMIT;"
        )
    with filled.open() as library:
        assert list(filled.library.glob(f"catalog-before-{migrations.HEAD}.sqlite"))
        assert library.taught_words() == []
        word = library.teach_word("Rex")
        assert word.shown == [1]
        library.answer(word.id, [2], shown=False)
        with library.catalog.connect() as connection_:
            assert connection_.execute(select(not_shown_table)).all() == [(word.id, 2)]
