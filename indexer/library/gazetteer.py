"""The names of places, offline: of 170,000 cities and villages of 1,000 inhabitants or more.

Data of GeoNames, CC BY 4.0 (docs/development/make_places.py makes the file).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.library.text_analysis import fold

_FILE = Path(__file__).with_name("cities.npz")
_EARTH_RADIUS_KM = 6371.0
_KM_PER_DEGREE = 111.2
_MAX_CITY_KM, _MAX_REGION_KM = 50.0, 150.0
"""Farther from any city a photo has only a region and a country; still farther, at sea or in a desert, nothing."""
_PEOPLE_PER_KM2 = 8000
_MIN_PEOPLE = 1000
_DECIMALS = 2
_MIN_SUGGESTED_POPULATION = 15_000
_MAX_SUGGESTED, _MIN_SIMILARITY, _MAX_LETTERS_MORE = 3, 0.75, 2
_OTHER_COUNTRY_NAMES = {
    "uk": "United Kingdom", "great britain": "United Kingdom", "britain": "United Kingdom",
    "us": "United States", "usa": "United States", "america": "United States",
    "holland": "Netherlands", "czech republic": "Czechia", "turkiye": "Turkey", "burma": "Myanmar",
}  # fmt: skip


@dataclass(frozen=True)
class PlaceName:
    """Where a photo was taken, in English words. What is not known is None."""

    city: str | None = None
    region: str | None = None
    """A state, province or district."""
    country: str | None = None


@dataclass(frozen=True)
class City:
    """A city or village."""

    name: str
    region: str | None
    country: str
    latitude: float
    """Degrees north."""
    longitude: float
    """Degrees east."""
    population: int

    @property
    def full_name(self) -> str:
        """With region and country."""
        region = None if self.region == self.name else self.region
        return ", ".join(part for part in (self.name, region, self.country) if part)


class Gazetteer:
    """The cities, those with most people first. It is read when it is first needed."""

    @cached_property
    def _file(self) -> dict[str, NDArray[np.generic]]:
        with np.load(_FILE, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    @cached_property
    def _names(self) -> list[str]:
        return self._lines("names")

    @cached_property
    def _countries(self) -> list[str]:
        return self._lines("countries")

    @cached_property
    def _regions(self) -> list[str]:
        return self._lines("regions")

    @cached_property
    def _searched(self) -> tuple[bytes, NDArray[np.int64]]:
        """The folded names of all cities, a line each, and where the lines end."""
        text = self._file["searched_names"]
        return text.tobytes(), np.flatnonzero(text == ord("\n"))

    @cached_property
    def _by_latitude(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Rows in order of latitude, and the latitudes."""
        latitudes = self._positions[:, 0]
        order = np.argsort(latitudes)
        return order, latitudes[order]

    @cached_property
    def _positions(self) -> NDArray[np.float64]:
        return self._file["positions"].astype(np.float64)

    @cached_property
    def _populations(self) -> NDArray[np.int64]:
        return self._file["populations"].astype(np.int64)

    @cached_property
    def _radius_km(self) -> NDArray[np.float64]:
        """(N,) How far a city reaches: the radius of a disc with its people."""
        people = np.maximum(self._populations, _MIN_PEOPLE)
        return np.asarray(np.sqrt(people / (math.pi * _PEOPLE_PER_KM2)))

    def _lines(self, name: str) -> list[str]:
        return self._file[name].tobytes().decode().split("\n")

    @lru_cache(maxsize=100_000)  # noqa: B019 - there is one gazetteer
    def place_at(self, latitude: float, longitude: float) -> PlaceName:
        """The name of a position in degrees: of the city whose edge is nearest, seen as a disc with its people.

        The plainly nearest would name quarters: *Times Square*, *Minato City*, *Paris 16 Passy*.
        """
        order, latitudes = self._by_latitude
        reach = _MAX_REGION_KM / _KM_PER_DEGREE
        first, last = np.searchsorted(latitudes, (latitude - reach, latitude + reach))
        rows = order[first:last]
        apart = np.abs((self._positions[rows, 1] - longitude + 180) % 360 - 180)
        rows = rows[apart <= reach / max(math.cos(math.radians(min(abs(latitude) + reach, 90))), 1e-3)]
        distances = kilometres(self._positions[rows], latitude, longitude)
        if not (near := distances <= _MAX_REGION_KM).any():
            return PlaceName()
        rows, distances = rows[near], distances[near]
        best = int(np.argmin(distances - self._radius_km[rows]))
        city = self._city(int(rows[best]))
        return PlaceName(city.name if distances[best] <= _MAX_CITY_KM else None, city.region, city.country)

    def cities_named(self, text: str) -> list[City]:
        """The cities of that name in any language, the largest first; `paris, texas` and `munich, germany` too."""
        name, *within = (" ".join(fold(part).split()) for part in text.split(","))
        cities = [self._city(row) for row in self._rows_named(name)]
        return [city for city in cities if all(self._lies_in(city, area) for area in within)] if name else []

    def similar_names(self, text: str) -> list[str]:
        """Up to three names of larger cities that are spelled much like `text`."""
        name = " ".join(fold(text.partition(",")[0]).split())
        alike = [
            folded
            for folded in self._large_cities
            if folded[0] == name[:1] and abs(len(folded) - len(name)) <= _MAX_LETTERS_MORE
        ]
        near = get_close_matches(name, alike, _MAX_SUGGESTED, _MIN_SIMILARITY)
        return [self._large_cities[folded] for folded in near]

    @cached_property
    def _large_cities(self) -> dict[str, str]:
        """The names of larger cities by their folded form."""
        count = int(np.sum(self._populations >= _MIN_SUGGESTED_POPULATION))
        return {fold(name): name for name in reversed(self._names[:count])}

    def is_area(self, text: str) -> bool:
        """Whether `text` is the name of a country or a region."""
        folded = fold(text)
        return folded in _OTHER_COUNTRY_NAMES or folded in map(fold, self._countries) or folded in self._folded_regions

    def country_named(self, text: str) -> str | None:
        """The country that goes by another name, such as `uk`, or by its code; None for none."""
        folded = fold(text)
        if folded in _OTHER_COUNTRY_NAMES:
            return _OTHER_COUNTRY_NAMES[folded]
        codes = enumerate(self._lines("country_codes"))
        return next((self._countries[row] for row, names in codes if f"\t{folded}\t" in names), None)

    @cached_property
    def _folded_regions(self) -> frozenset[str]:
        return frozenset(map(fold, self._regions)) - {""}

    def _rows_named(self, name: str) -> Iterator[int]:
        text, ends = self._searched
        wanted = f"\t{name}\t".encode()
        last, at = -1, text.find(wanted)
        while at >= 0:
            row = int(np.searchsorted(ends, at))
            if row != last:
                yield row
            last, at = row, text.find(wanted, at + 1)

    def _lies_in(self, city: City, area: str) -> bool:
        country = self.country_named(area)
        return area in (fold(city.country), fold(city.region or "")) or (country == city.country)

    def _city(self, row: int) -> City:
        latitude, longitude = self._positions[row].round(5).tolist()
        return City(
            self._names[row],
            self._regions[int(self._file["region_of"][row])] or None,
            self._countries[int(self._file["country_of"][row])],
            latitude,
            longitude,
            int(self._populations[row]),
        )


def kilometres(positions: NDArray[np.float64], latitude: float, longitude: float) -> NDArray[np.float64]:
    """Great-circle distances (N,) of positions (N, 2) from a place, in degrees. The error is half a percent at most."""
    (latitudes, longitudes), here = np.radians(positions.T), np.radians([latitude, longitude])
    half_chord = (
        np.sin((latitudes - here[0]) / 2) ** 2
        + np.cos(latitudes) * math.cos(here[0]) * np.sin((longitudes - here[1]) / 2) ** 2
    )
    return np.asarray(2 * _EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half_chord, 0, 1))))


GAZETTEER = Gazetteer()


def places_at(positions: Iterable[tuple[float | None, float | None]]) -> list[PlaceName]:
    """The names of positions in degrees; an empty one where there is no position.

    Positions are rounded to a kilometre, so that few are looked up.
    """
    return [
        PlaceName()
        if latitude is None or longitude is None
        else GAZETTEER.place_at(round(latitude, _DECIMALS), round(longitude, _DECIMALS))
        for latitude, longitude in positions
    ]
