"""Whether a query is English is decided by its words, however short it is."""

from __future__ import annotations

import pytest

from engine.language import is_foreign
from indexer.library.text_analysis import without_accents
from model.scoring.vocabulary import words_of

ENGLISH = """
    dog|a dog|two cats sleeping|man riding a bike|child in the snow|a birthday cake|mountain lake|boats in the harbour
    |empty street at night|kids jumping into a pool|grandma|surfer on a wave|flowers in a vase|yellow taxi|pizza|kite
    |iguana|xylophone|a narwhal|eiffel tower|my sister in berlin|rex|img receipts|hot air balloon|die hard poster|table
    |hand|hotel|espresso|sushi|rodeo|ferris wheel|café terrace|ramen|paris in spring|jalapeño|chess players|am radio
    |no smoking sign|a man in a hat|van on a road|barn|fern|camp fire|hut in the hills|gift|bank|rot|brand|chef|mist
    |red wine|ski jump|sun and sea|oven mitt|tuxedo|ballet|graffiti|rusty anchor|zebra crossing
""".strip()
OTHERS = """
    ein hund am strand|zwei kinder spielen im garten|sonnenuntergang über dem meer|schwarze katze|mann auf dem fahrrad
    |un perro en la playa|perro|dos niños jugando al fútbol|mujer con sombrero rojo|una boda en la iglesia|coche rojo
    |un chien sur la plage|chien|deux enfants dans la neige|voiture rouge|gâteau d'anniversaire|les montagnes en hiver
    |un cane sulla spiaggia|due bambini che giocano|gatto nero|macchina rossa|tramonto sul mare|donna con cappello
    |um cachorro na praia|duas crianças brincando|pôr do sol|een hond op het strand|twee kinderen in de sneeuw|meisje
    |pies na plaży|czarny kot|dwoje dzieci w śniegu|en hund på stranden|två barn i snön|kumsalda köpek|kırmızı araba
    |собака на пляже|закат над морем|собака|дети играют в снегу|一只狗在海滩上|日落|红色汽车|犬|海辺の犬|夕日
    |해변의 개|일몰
    |كلب على الشاطئ|غروب الشمس|כלב על החוף|σκύλος στην παραλία|कुत्ता समुद्र तट पर|หมาบนชายหาด|con chó trên bãi biển
    |anjing di pantai|une femme et un homme|mein auto ist blau|la casa blanca|árbol de navidad|kedi|barco en el mar
""".strip()
NONSENSE = "asdkjh qwe|qwertz uiop|xxzzyy|blorf|fjdksl|zzz|hjkl hjkl|wqpo dkfj"
KNOWN = """
    dog a two cats sleeping man riding bike child in the snow birthday cake mountain lake boats empty street at night
    kids jumping into pool surfer on wave flowers vase yellow taxi pizza kite tower my sister hot air balloon hard
    poster table hand hotel rodeo wheel terrace spring players no smoking sign hat van road barn fire hut hills gift
    bank red wine ski jump sun and sea oven mitt ballet graffiti zebra crossing anchor rusty camp rot radio cafe am
"""
"""What a model may have learned."""


def queries(text: str) -> list[str]:
    return [query.strip() for query in text.split("|")]


def unknown(words: list[str], known: str) -> set[str]:
    return {word for word in words if without_accents(word) not in known.split()}


def called_foreign(query: str) -> bool:
    words = words_of(query)
    return is_foreign(words, unknown(words, KNOWN))


def test_there_are_sixty_queries_of_each_kind() -> None:
    assert min(len(queries(ENGLISH)), len(queries(OTHERS))) >= 60


@pytest.mark.parametrize("query", queries(ENGLISH))
def test_english_is_english_also_where_a_word_was_never_learned(query: str) -> None:
    assert not called_foreign(query)


@pytest.mark.parametrize("query", queries(OTHERS))
def test_other_languages_are_told_by_script_letters_or_their_commonest_words(query: str) -> None:
    assert called_foreign(query)


@pytest.mark.parametrize("query", queries(NONSENSE))
def test_nonsense_is_no_language(query: str) -> None:
    assert not called_foreign(query)


@pytest.mark.parametrize("query", ["a dog named perro on the beach", "two men in front of the sushi bar", ""])
def test_a_foreign_word_in_an_english_sentence_makes_it_no_other_language(query: str) -> None:
    known = f"{KNOWN} named beach men of front bar"
    words = words_of(query)
    assert not is_foreign(words, unknown(words, known))
