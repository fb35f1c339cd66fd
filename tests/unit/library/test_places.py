"""Places in a query, against the real names of GeoNames."""

from __future__ import annotations

import numpy as np
import pytest

from polysee.library.gazetteer import Gazetteer, fold, gazetteer, kilometres
from polysee.library.places import Located, may_name_place, read_places

WHERE = {
    "beijing": (39.91, 116.40),
    "summer palace": (40.0, 116.27),
    "paris": (48.86, 2.35),
    "tokyo": (35.68, 139.70),
    "nice": (43.70, 7.27),
    "dali": (25.60, 100.27),
    "hong kong": (22.30, 114.17),
    "new york": (40.71, -74.00),
    "sydney": (-33.86, 151.20),
    "hawaii": (19.72, -155.08),
    "istanbul": (41.01, 29.00),
    "qingdao": (36.06, 120.38),
    "at sea": (0.0, -140.0),
    "unknown": (np.nan, np.nan),
}
POINTS = np.array(list(WHERE.values()))


@pytest.fixture(scope="module")
def places() -> Gazetteer:
    return gazetteer()


def read(text: str, places: Gazetteer, keep: str = "") -> Located:
    points = POINTS.copy()
    if keep:
        points[[name not in keep.split(",") for name in WHERE]] = np.nan
    known = np.isfinite(points).all(axis=1)
    nearest = np.full(len(points), -1)
    nearest[known] = places.nearest(points[known])
    return read_places(text, text, places, points, lambda: nearest)


def names(located: Located) -> set[str]:
    assert located.inside is not None
    return {name for name, here in zip(WHERE, located.inside, strict=True) if here}


@pytest.mark.parametrize(
    ("text", "rest", "found"),
    [
        ("in 北京", "", "beijing,summer palace"),
        ("北京的冬天", "冬天", "beijing,summer palace"),
        ("北京市", "", "beijing,summer palace"),
        ("Paris", "", "paris"),
        ("paris", "", "paris"),
        ("beach in Sydney", "beach", "sydney"),
        ("cats in tokyo at night", "cats at night", "tokyo"),
        ("in Tokyo and Paris", "", "tokyo,paris"),
        ("北京和巴黎", "", "beijing,summer palace,paris"),
        ("我在大理拍的猫", "猫", "dali"),
        ("云南 雪山", "雪山", "dali"),
        ("in Yunnan", "", "dali"),
        ("日本的寺庙", "寺庙", "tokyo"),
        ("in japan", "", "tokyo"),
        ("香港夜景", "夜景", "hong kong"),
        ("纽约", "", "new york"),
        ("new york street", "street", "new york"),
        ("夏威夷的沙滩", "沙滩", "hawaii"),
        ("青岛海边", "海边", "qingdao"),
        ("lunch in Nice", "lunch", "nice"),
        ("in turkey", "", "istanbul"),
        ("美国", "", "new york,hawaii"),
    ],
)
def test_it_is_read(text: str, rest: str, found: str, places: Gazetteer) -> None:
    located = read(text, places)
    assert located.rest == rest
    assert names(located) == set(found.split(","))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "nice beach",
            "an orange cat",
            "turkey on a plate",
            "a china cup",
            "reading a book",
            "man in a van",
        ),
        *("Boston terrier", "French bulldog", "a girl in white", "fish in the sea", "split wood"),
        *("北京烤鸭", "法国斗牛犬", "中国结", "日本料理", "意大利面", "大海", "海边的日落", "猫"),
    ],
)
def test_what_is_no_place_stays(text: str, places: Gazetteer) -> None:
    assert read(text, places) == Located(text)


def test_a_place_without_pictures_leaves_only_what_may_be_from_there(places: Gazetteer) -> None:
    located = read("temple in Kyoto", places)
    assert located.rest == "temple in Kyoto"
    assert located.names == ()
    assert names(located) == {"unknown"}


def test_borders_count_more_than_distance(places: Gazetteer) -> None:
    # Hong Kong lies within the circle around Shenzhen
    assert names(read("in 深圳", places)) == {"unknown"}


def test_distances_and_names() -> None:
    between = kilometres(np.array([[48.8566, 2.3522]]), np.array([[51.5074, -0.1278]]))[0, 0]
    assert between == pytest.approx(344, abs=2)  # Paris to London
    assert fold("São Paulo") == "sao paulo"
    assert fold("新疆维吾尔自治区") == "新疆维吾尔"


def test_the_far_sea_is_nowhere(places: Gazetteer) -> None:
    assert places.nearest(np.array([[0.0, -140.0], [-33.86, 151.2], [66.1, -179.9]]))[0] == -1


def test_the_table_is_whole(places: Gazetteer) -> None:
    assert len(places.name) > 30_000
    assert (np.diff(places.population) <= 0).all()  # the most populous is found first
    assert np.isfinite(places.latitude).all()
    assert np.isfinite(places.longitude).all()
    assert [p.country for p in places.find("London")][:2] == ["GB", "CA"]
    assert {places.find(name)[0].country for name in ("France", "法国", "法國")} == {"FR"}
    assert {places.find(n)[0].division for n in ("加州", "California", "加利福尼亚")} == {"CA"}


def test_which_queries_are_worth_a_look() -> None:
    assert may_name_place("in paris")
    assert may_name_place("Paris")
    assert may_name_place("北京")
    assert not may_name_place("two dogs and a cat on a red sofa")


@pytest.mark.parametrize(
    ("text", "rest", "without"),
    [
        ("不在北京", "", "北京"),
        ("不要在北京拍的", "", "北京"),
        ("不是北京的照片", "照片", "北京"),
        ("没去过北京", "", "北京"),
        ("非北京", "", "北京"),
        ("除了北京以外的狗", "狗", "北京"),
        ("北京以外的狗", "狗", "北京"),
        ("除了巴黎和北京", "", "巴黎,北京"),
        ("北京和巴黎以外的猫", "猫", "北京,巴黎"),
        ("not in Beijing", "", "Beijing"),
        ("dogs, not in Beijing", "dogs", "Beijing"),
        ("photos outside Beijing", "photos", "Beijing"),
        ("everything except Paris", "everything", "Paris"),
        ("cats not in Paris or Beijing", "cats", "Paris,Beijing"),
    ],
)
def test_a_place_that_is_not_wanted_is_left_out_and_never_meant(text, rest, without, places):
    """What is from nowhere known stays."""
    found = read(text, places)
    assert (found.rest, found.names) == (rest, ())
    assert found.excluded == tuple(without.split(","))
    gone = {"beijing", "summer palace"} if {"北京", "Beijing"} & set(found.excluded) else set()
    gone |= {"paris"} if {"巴黎", "Paris"} & set(found.excluded) else set()
    assert names(found) == set(WHERE) - gone


def test_one_place_is_wanted_and_another_is_not(places):
    found = read("in Paris and not in Beijing", places)
    assert (found.names, found.excluded) == (("Paris",), ("Beijing",))
    assert names(found) == {"paris"}


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("在北京没有狗的", "没有狗的"),
        ("在北京不要狗", "不要狗"),
        ("北京没有狗的街道", "没有狗的街道"),
        ("Beijing without dogs", "without dogs"),
    ],
)
def test_what_is_not_wanted_there_does_not_hide_the_place(text, rest, places):
    found = read(text, places)
    assert found.rest == rest
    assert len(found.names) == 1
    assert names(found) == {"beijing", "summer palace"}


def test_a_municipality_reaches_as_far_as_its_division(places):
    """The Great Wall at Badaling is in Beijing, and Wanzhou in Chongqing, but not the other way."""
    points = np.array([(40.36, 116.02), (40.43, 116.57), (30.81, 108.41), (29.56, 106.55)])
    nearest = places.nearest(points)
    for name, wanted in (("北京", [1, 1, 0, 0]), ("重庆", [0, 0, 1, 1]), ("万州", [0, 0, 1, 0])):
        place = places.find(name)[0]
        assert places.inside(place, points, nearest).tolist() == [bool(x) for x in wanted], name
