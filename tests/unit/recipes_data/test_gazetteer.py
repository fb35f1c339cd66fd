"""The table of places, from files of the shape that GeoNames' have."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from polysee.library.gazetteer import read_gazetteer


def city(name: str, country: str, division: str, people: int, *others: str) -> dict[str, object]:
    return {
        "name": name,
        "countrycode": country,
        "admin1code": division,
        "latitude": 48.85341,
        "longitude": -2.3488,
        "population": people,
        "alternatenames": list(others),
    }


def test_cities_and_areas(script: Callable[[str], ModuleType], tmp_path: Path) -> None:
    cities = [
        city("Springfield", "US", "IL", 110_000, "Springfild"),
        city("Paris", "FR", "11", 2_100_000, "巴黎", "Lutetia", "PAR", "Pariz", "Париж"),
        city("Paris", "US", "TX", 25_000, "パリ"),
    ]
    made = {str(number): one for number, one in enumerate(cities)}
    (tmp_path / "cities15000.json").write_text(json.dumps(made), encoding="utf-8")
    states = {"IL": {"code": "IL", "name": "Illinois"}, "NY": {"code": "NY", "name": "New York"}}
    (tmp_path / "us_states.json").write_text(json.dumps(states), encoding="utf-8")
    count = script("gazetteer").build(tmp_path, tmp_path / "made.parquet")

    places = read_gazetteer(tmp_path / "made.parquet")
    assert count == len(places.name) + len(set(places.areas.values()))
    assert places.name == ["Paris", "Springfield", "Paris"]  # the most populous first
    assert [place.country for place in places.find("PARIS")] == ["FR", "US"]
    assert places.find("巴黎")[0].row == places.find("lutetia")[0].row == 0
    assert not places.find("par")  # a code
    assert not places.find("Springfild")  # of a small city, its own name alone
    assert not places.find("париж")  # neither English nor Chinese
    assert abs(places.latitude[0] - 48.85341) < 1e-5
    assert places.areas["illinois"] == ("US", "IL")
    assert places.areas["法国"] == places.areas["法國"] == ("FR", "")
    assert "new york" not in places.areas  # the city is meant
    assert "georgia" in places.areas  # the country
