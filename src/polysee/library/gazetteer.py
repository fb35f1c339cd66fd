"""Names of places and where they lie, from GeoNames, without a network.

Cities of 15,000 and more with what they are called in English and Chinese; countries in both languages;
the provinces of China and the states of the USA. They come with Polysee as a table, which
`recipes/data/gazetteer.py` makes.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

EARTH_KM = 6371.0
FAR_KM = 150.0
"""Further than this from every city a picture lies in no country: at sea, or in a wilderness."""

MUNICIPALITIES = frozenset(("CN", code) for code in ("22", "23", "28", "33"))
"""Beijing, Shanghai, Tianjin, Chongqing: cities that are divisions, and reach as far as these."""

_ENDING = re.compile(r"(?<=..)(?:特别行政区|自治区|省|市)$")

SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("country", pa.string()),
        ("division", pa.string()),
        ("latitude", pa.float32()),
        ("longitude", pa.float32()),
        ("population", pa.int32()),
        ("names", pa.list_(pa.string())),  # folded
    ]
)
"""One row a city, the most populous first; then one an area, without name and coordinates."""


@dataclass(frozen=True)
class Place:
    """What a name stands for: a city, or all of a country or division of one.

    Args:
        row: the city's row in the gazetteer; None for an area.
        division: "" for a whole country.
    """

    name: str
    row: int | None = None
    country: str = ""
    division: str = ""


@dataclass(frozen=True)
class Gazetteer:
    """The places, one row a city.

    Args:
        names: folded name -> rows, the most populous first.
        areas: folded name -> (country, division).
    """

    name: list[str]
    country: np.ndarray
    division: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    population: np.ndarray
    names: dict[str, list[int]] = field(repr=False)
    areas: dict[str, tuple[str, str]] = field(repr=False)

    def find(self, name: str) -> list[Place]:
        """What a name may stand for, the largest first.

        Example:
            >>> [place.country for place in gazetteer().find("巴黎")]
            ['FR']
        """
        key = fold(name)
        found = [Place(name, None, *self.areas[key])] if key in self.areas else []
        rows = self.names.get(key, [])
        return found + [Place(self.name[row], row, str(self.country[row])) for row in rows]

    def people(self, place: Place) -> int:
        """How many live in a city; in an area, many."""
        return 10**9 if place.row is None else int(self.population[place.row])

    def radius(self, row: int) -> float:
        """How far, in kilometres, a city reaches around its centre; a guess from how many live there."""
        return float(3 + 0.012 * np.sqrt(self.population[row]))

    def inside(self, place: Place, where: np.ndarray, nearest: np.ndarray) -> np.ndarray:
        """Which points lie in a place.

        Args:
            where: (N, 2), latitude and longitude in degrees.
            nearest: (N,), of `nearest`.
        Shapes:
            returns: (N,) bool
        """
        known = nearest >= 0
        if place.row is None:
            there = known & (self.country[nearest] == place.country)
            return there & (self.division[nearest] == place.division) if place.division else there
        row = place.row
        centre = np.array([[self.latitude[row], self.longitude[row]]])
        near = kilometres(where, centre)[:, 0] <= self.radius(row)
        # a circle reaches over borders: Shenzhen's over Hong Kong
        same = (self.country[nearest] == self.country[row]) & (
            self.division[nearest] == self.division[row]
        )
        return known & same & (near | self._is_municipality(row))

    def _is_municipality(self, row: int) -> bool:
        """Whether a city is all of its division; a district of it is not."""
        division = (str(self.country[row]), str(self.division[row]))
        if division not in MUNICIPALITIES:
            return False
        own = (self.country == division[0]) & (self.division == division[1])
        return bool(self.population[row] == self.population[own].max())

    def nearest(self, where: np.ndarray) -> np.ndarray:
        """The city that each point is nearest to; -1 where none is near.

        Shapes:
            where: (N, 2), degrees
            returns: (N,) int
        """
        cells, back = np.unique(np.round(where / 0.02).astype(int), axis=0, return_inverse=True)
        rows = np.array([self._nearest(*(cell * 0.02)) for cell in cells], int)
        return rows[back.reshape(-1)] if len(cells) else np.zeros(0, int)

    def _nearest(self, latitude: float, longitude: float) -> int:
        point = np.array([[latitude, longitude]])
        here = (int(np.floor(latitude)), int(np.floor(longitude)))
        reach = 2 if abs(latitude) < 60 else 4
        around = [
            row
            for y in range(here[0] - 2, here[0] + 3)
            for x in range(here[1] - reach, here[1] + reach + 1)
            for row in self._grid.get((y, (x + 180) % 360 - 180), ())
        ]
        if not around:
            return -1
        centres = np.stack([self.latitude[around], self.longitude[around]], axis=1)
        distance = kilometres(point, centres)[0]
        best = int(distance.argmin())
        return around[best] if distance[best] <= FAR_KM else -1

    @cached_property
    def _grid(self) -> dict[tuple[int, int], list[int]]:
        """Rows by degree of latitude and longitude."""
        grid: dict[tuple[int, int], list[int]] = defaultdict(list)
        degrees = zip(
            np.floor(self.latitude).astype(int), np.floor(self.longitude).astype(int), strict=True
        )
        for row, (y, x) in enumerate(degrees):
            grid[int(y), int(x)].append(row)
        return grid


def kilometres(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Distances along the earth's surface.

    Shapes:
        here: (N, 2), degrees
        there: (M, 2)
        returns: (N, M)
    """
    a, b = np.radians(here)[:, None], np.radians(there)[None]
    half = np.sin((a - b) / 2) ** 2
    inner = half[..., 0] + np.cos(a[..., 0]) * np.cos(b[..., 0]) * half[..., 1]
    return 2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(inner, 0, 1)))


def fold(name: str) -> str:
    """A name as it is looked up: without accents, case and administrative endings.

    Example:
        >>> fold("Zürich"), fold("北京市"), fold("New  York")
        ('zurich', '北京', 'new york')
    """
    plain = unicodedata.normalize("NFKD", name.replace("’", "'"))
    plain = "".join(c for c in plain if not unicodedata.combining(c)).casefold()
    return _ENDING.sub("", " ".join(plain.split()))


@cache
def gazetteer() -> Gazetteer:
    """The one gazetteer of this process."""
    return read_gazetteer(Path(__file__).with_name("gazetteer.parquet"))


def read_gazetteer(path: Path) -> Gazetteer:
    """A gazetteer that `recipes/data/gazetteer.py` made."""
    table = pq.read_table(path)
    city = pc.is_valid(table["latitude"])
    cities, rest = table.filter(city), table.filter(pc.invert(city))
    names: dict[str, list[int]] = defaultdict(list)
    for row, called in enumerate(cities["names"].to_pylist()):
        for name in called:
            names[name].append(row)
    areas = zip(*(rest[key].to_pylist() for key in ("country", "division", "names")), strict=True)
    return Gazetteer(
        cities["name"].to_pylist(),
        np.array(cities["country"].to_pylist()),
        np.array(cities["division"].to_pylist()),
        cities["latitude"].to_numpy().astype(np.float64),
        cities["longitude"].to_numpy().astype(np.float64),
        cities["population"].to_numpy(),
        dict(names),
        {name: (country, division) for country, division, called in areas for name in called},
    )
