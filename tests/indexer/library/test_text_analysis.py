"""What is the same word, and what is not, in any script."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.library.text_analysis import BETWEEN_TEXTS, fold, indexed_text, search_words, without_accents


def finds(query: str, text: str) -> bool:
    """Whether every word of `query` stands in `text`, as the text index compares them."""
    tokens = f" {indexed_text(text)} "
    return bool(search_words(query)) and all(f" {word} " in tokens for word in search_words(query))


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Łódź", "Lodz"), ("SØREN", "soren"), ("Ærø", "AERO"), ("Đà Nẵng", "da nang"), ("ısı", "ISI"),
        ("İstanbul", "istanbul"), ("STRASSE", "straße"), ("œuvre", "OEUVRE"), ("Þór", "thor"), ("Það", "thad"),
        ("Ħamrun", "hamrun"), ("Ŋ", "n"), ("Ĳssel", "ijssel"), ("Ǿ", "o"), ("Ɓ", "b"), ("Ŧ", "t"),
        ("ΆΛΦΑ ς", "αλφα σ"), ("Жёлтый", "ЖЕЛТЫЙ"), ("مَدْرَسَة", "مدرسة"), ("أحمد", "احمد"),
        ("مـــدرسة", "مدرسة"), ("שָׁלוֹם", "שלום"), ("Ｔｏｋｙｏ　１２３", "tokyo 123"),
        ("ﾊﾟﾝ屋", "パン屋"), ("ｶﾞｰﾃﾞﾝ", "ガーデン"), ("ﾡ", "ᄀ"), ("ﬁn", "fin"), ("№ ㎏", "no kg"),
        ("٢٠٢١", "2021"), ("२०२१", "2021"), ("２０２１", "2021"), ("m²", "m2"), ("Ⅷ", "viii"),
        ("葛\U000e0100", "葛"), ("co\u00adoperate", "cooperate"), ("می\u200cخواهم", "میخواهم"),
        ("a\ufeffb", "ab"), ("foo\u200bbar", "bar"),
    ],
)  # fmt: skip
def test_case_accents_width_and_form_make_no_difference(text: str, query: str) -> None:
    assert finds(query, text)
    assert finds(text, query) or "\u200b" in text


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("パン屋", "ハン屋"), ("ハン屋", "パン屋"), ("ﾊﾟﾝ", "ﾊﾝ"), ("が", "か"), ("ガ", "カ"),
        ("ゔ", "う"), ("びょういん", "びよういん"), ("क्षमा", "कषमा"), ("कर्म", "करम"), ("की", "का"),
        ("ক্ষ", "কষ"), ("ศิลป์", "ศลป"), ("กี่", "กี"), ("ခ်", "ခ"), ("ក្រ", "ករ"), ("cafeteria", "cafe"),
        ("cafe", "cafeteria"), ("東京", "京東"), ("東京 夜", "京 都"), ("👨‍👩‍👧", "👨‍👧"),
        ("🇩🇪", "🇫🇷"), ("🇩🇪🇫🇷", "🇪🇫"), ("🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🏴󠁧󠁢󠁳󠁣󠁴󠁿"), ("❤", "💔"),
        ("1️⃣", "2️⃣"), ("20190714", "2019"),
    ],
)  # fmt: skip
def test_different_letters_stay_different(text: str, query: str) -> None:
    assert not finds(query, text)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("東京タワーの夜景", "夜景"), ("東京タワーの夜景", "タワー"), ("東京タワーの夜景", "東京 夜景"),
        ("北京大学", "大学"), ("犬と猫", "犬"), ("ทะเลสวยมาก", "ทะเล"), ("ทะเลสวยมาก", "สวย"),
        ("น้ำตก", "น้ำ"), ("ភ្នំពេញ", "ពេញ"), ("ທະເລສາບ", "ສາບ"), ("ရန်ကုန်မြို့", "ရန်ကုန်"),
        ("서울에서", "서울"), ("부산여행", "여행"), ("ㄅㄆㄇ", "ㄆ"), ("東京tower2019", "東京"),
        ("東京tower2019", "tower"), ("IMG_birthday_party", "birthday"), ("birthday-party", "party"),
        ("birthday.party/2019", "party"), ("20190714_birthday", "birthday"), ("party2019", "party"),
        ("party2019", "2019"), ("Aunt_Mary's", "mary"), ("l'anniversaire", "anniversaire"),
        ("l\u2019été", "ete"), ("dell'arte", "arte"), ("O'Hara", "ohara"), ("O\u2019Hara", "o'hara"),
        ("Hawaiʻi", "hawaii"), ("Mary's 60th", "mary 60th"), ("the dogs' house", "dogs"), ("I❤NY", "ny"),
        ("100€", "€"), ("½ cup", "cup"),
    ],
)  # fmt: skip
def test_a_word_is_found_where_it_is_a_part(text: str, query: str) -> None:
    assert finds(query, text)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("❤️", "❤"), ("❤", "❤️"), ("❤\ufe0e", "❤️"), ("👍🏽", "👍"), ("👍", "👍🏿"), ("🇩🇪", "🇩🇪"),
        ("🇩🇪🇫🇷", "🇫🇷"), ("👨‍👩‍👧", "👨‍👩‍👧"), ("👨‍👩‍👧", "👩"), ("🏃🏽‍♀️", "🏃"),
        ("🏃🏽‍♀️", "🏃‍♀"), ("🏳️‍🌈", "🌈"), ("🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"), ("1️⃣", "1️⃣"),
        ("#️⃣", "#️⃣"), ("*️⃣", "*️⃣"), ("‼️", "‼"), ("™️", "™"), ("㊗️", "㊗"), ("🎂🎉", "🎉"),
        ("party🎉2019", "🎉"), ("★★★", "★"), ("♪ la", "♪"), ("→", "→"), ("€", "€"),
        ("\uf8ff", "\uf8ff"), ("🅰️", "🅰"), ("🈁", "🈁"),
    ],
)  # fmt: skip
def test_emoji_and_symbols_are_words(text: str, query: str) -> None:
    assert finds(query, text)


def test_words_that_tell_nothing_count_only_where_there_are_no_others() -> None:
    assert search_words("a dog on the beach") == {"dog", "beach"}
    assert search_words("The Who") == {"the", "who"}
    assert finds("IT", "IT")
    assert search_words("!? \u2026") == set()
    assert not finds("in the a", "a cat in the hat")
    assert finds("the who", "The Who")


@given(st.text())
def test_the_form_of_a_text_makes_no_difference(text: str) -> None:
    for form in ("NFC", "NFD"):
        assert search_words(unicodedata.normalize(form, text)) == search_words(text)
        assert indexed_text(unicodedata.normalize(form, text)) == indexed_text(text)
        assert fold(unicodedata.normalize(form, text)) == fold(text)


@given(st.text())
def test_what_is_folded_stays_so_and_tokens_are_letters_to_the_index(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    for token in indexed_text(text).split(" "):
        assert all(letter.isalnum() for letter in token if letter.isascii())
    assert not any(BETWEEN_TEXTS in word for word in search_words(text))


@pytest.mark.parametrize("digits", ["\U00011f52\U00011f50", "\U0001e4f1", "\U00011da3", "\u0662\u0660", "\uff12\uff10"])
def test_digits_of_a_newer_unicode_than_pythons_break_no_search(digits: str) -> None:
    assert fold(digits) in (digits, "20", "1", "3")
    assert finds(f"photo {digits}", f"photo {digits}")


@given(st.text())
def test_every_text_is_found_by_itself(text: str) -> None:
    assert finds(text, text) or not search_words(text)


def test_accents_go_and_case_stays() -> None:
    assert without_accents("Łódź, Ærø, Straße: İı Đð Þþ が") == "Lodz, AEro, Strasse: Ii Dd THth が"
