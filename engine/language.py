"""Is a query English? Short queries have too few letters for the usual detectors, so words decide.

The libraries that were tried take a third to two thirds of short English queries for another language
(docs/development/experiments.md). Known here are the words that the model has learned, which are English, and the
commonest words of ten other languages.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import regex

from indexer.library.text_analysis import fold

_FOREIGN = """
    der die das den dem des ein eine einen einem einer und mit auf im am zu zum zur beim vom für über unter
    neben zwei drei mein meine ich ist hund katze kind kinder frau mann mädchen junge leute haus wasser meer
    strand berg berge wald baum schnee sonne himmel nacht auto fahrrad essen schwarz weiß rot grün blau gelb
    geburtstag hochzeit urlaub
    el los las un una unos unas y con en del al por para sobre dos tres mi perro gato niño niña niños mujer
    hombre chica chico gente casa agua mar playa montaña bosque árbol nieve sol cielo noche coche bicicleta
    comida negro blanco rojo verde azul amarillo cumpleaños boda
    le les une des et avec dans sur sous du au aux deux trois mon ma mes chien chat enfant enfants femme homme
    fille garçon gens maison eau mer plage montagne forêt arbre neige soleil ciel nuit voiture vélo manger noir
    blanc rouge vert bleu jaune anniversaire mariage vacances
    il lo gli di della dello dei con sulla sul nella nel due tre mio mia cane gatto bambino bambina bambini
    donna uomo ragazza ragazzo persone acqua mare spiaggia montagna bosco albero sole cielo notte macchina
    bicicletta cibo nero bianco rosso giallo compleanno matrimonio
    o os uma umas uns com em na no nos nas da do dos das dois três meu minha cachorro cão criança crianças
    mulher homem menina menino pessoas água praia montanha floresta árvore neve céu noite carro comida preto
    branco vermelho amarelo aniversário casamento
    het een van voor met op bij en onder naast twee drie mijn hond kat kinderen vrouw meisje jongen mensen huis
    zee boom sneeuw zon lucht nacht fiets eten zwart wit rood groen blauw geel verjaardag bruiloft
    och ett på med av till två tre min katt barn kvinna flicka pojke människor hus vatten hav strand fjäll skog
    träd snö sol himmel bil cykel mat svart vit röd grön blå gul födelsedag bröllop og det på mand kvinde pige
    dreng
    i w na z do nad pod dwa trzy mój pies kot dziecko dzieci kobieta mężczyzna ludzie dom woda morze plaża góra
    góry las drzewo śnieg słońce niebo noc samochód rower jedzenie czarny biały czerwony zielony niebieski żółty
    urodziny ślub
    ve bir iki üç ile köpek kedi çocuk çocuklar kadin adam ev su deniz plaj kumsal dağ orman ağaç kar güneş
    gökyüzü gece araba bisiklet yemek siyah beyaz kirmizi yeşil mavi sari doğum düğün
    dan di dengan dua tiga saya anjing kucing anak perempuan orang rumah laut pantai gunung hutan pohon salju
    matahari langit malam mobil sepeda makanan hitam putih merah hijau biru kuning
"""
_WORDS = frozenset(fold(word) for word in _FOREIGN.split())
_OTHER_SCRIPT = regex.compile(r"[\p{L}--\p{Latin}]", regex.V1)


def is_foreign(words: Sequence[str], unknown: Collection[str]) -> bool:
    """Whether the words of a query, of which the model does not know some, are in another language than English.

    At least half of them must be `unknown`. Then letters of another script say so, or one of the commonest words of
    another language, or of several words one with a letter that English does not have.
    """
    if not unknown or 2 * sum(word in unknown for word in words) < len(words):
        return False
    if any(_OTHER_SCRIPT.search(word) for word in unknown):
        return True
    return any(fold(part) in _WORDS for word in unknown for part in regex.split("['\u2019]", word)) or (
        len(words) > 1 and not all(word.isascii() for word in unknown)
    )
