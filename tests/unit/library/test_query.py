"""The query grammar, sentence by sentence, then over made sentences."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polysee.library.query import ParsedQuery, parse_query

ENGLISH = {
    "a beach without people": ("a beach", "people"),
    "a beach without any people": ("a beach", "people"),
    "A Beach WITHOUT People": ("A Beach", "People"),
    "beach w/o people": ("beach", "people"),
    "cats with no collar": ("cats", "collar"),
    "a cat but not a dog": ("a cat", "dog"),
    "a cat but no dog": ("a cat", "dog"),
    "cat, no dog": ("cat", "dog"),
    "cats (no dogs)": ("cats", "dogs"),
    "not a dog": ("", "dog"),
    "no dogs": ("", "dogs"),
    "no dogs on the beach": ("the beach", "dogs"),
    "pictures without people": ("", "people"),
    "show me all my photos without people": ("", "people"),
    "a dog without a leash on the beach": ("a dog on the beach", "leash"),
    "street without cars, people or bikes at night": ("street at night", "cars", "people", "bikes"),
    "beach without people, sunset": ("beach, sunset", "people"),
    "beach without people and dogs": ("beach", "people", "dogs"),
    "no people and no cars": ("", "people", "cars"),
    "a room without people in the background": ("a room", "people"),
    "a man without a hat on his head": ("a man", "hat"),
    "man not wearing a hat": ("man", "wearing a hat"),
    "people who don't smile": ("people", "smile"),
    "animals that aren't dogs": ("animals", "dogs"),
    "a car which is not red": ("a car", "red"),
    "I don't want dogs": ("", "dogs"),
    "everything except dogs": ("", "dogs"),
    "animals except for cats and dogs": ("animals", "cats", "dogs"),
    "anything but dogs": ("", "dogs"),
    "people instead of dogs": ("people", "dogs"),
    "street with neither cars nor people": ("street", "cars", "people"),
    "street with nobody": ("street", "people"),
    "a beach with no one in it": ("a beach", "people"),
    "street with no stop sign": ("street", "stop sign"),
    "beach -people": ("beach", "people"),
    "a street devoid of people": ("a street", "people"),
    "a street free of cars": ("a street", "cars"),
    "a beach without anyone": ("a beach", "people"),
    "a lake without a single boat": ("a lake", "boat"),
    "not many people": ("", "people"),
    "a landscape without anything man-made": ("a landscape", "man-made"),
    "a cat [without a collar]": ("a cat", "collar"),
    "a dog without a collar running on grass": ("a dog running on grass", "collar"),
    "girl without a helmet riding a bike": ("girl riding a bike", "helmet"),
    "beach without people swimming": ("beach", "people swimming"),
    "a park without a dog running": ("a park", "dog running"),
    "a house without a swimming pool": ("a house", "swimming pool"),
    "people not looking at the camera": ("people", "looking at the camera"),
    "a man who doesn't look at the camera": ("a man", "look at the camera"),
    "a cat not sitting on the sofa": ("a cat", "sitting on the sofa"),
    "a room with no furniture except a chair": ("a room a chair", "furniture"),
    "two cats, neither of them black": ("two cats", "black"),
    "a park bench with nobody sitting on it": ("a park bench", "people"),
    "no one is on the beach": ("the beach", "people"),
    "there's no one here": ("", "people"),
    "do not show me dogs": ("", "dogs"),
    "exclude dogs": ("", "dogs"),
    "an old man reading without glasses": ("an old man reading", "glasses"),
    'a room without "modern art"': ("a room", "modern art"),
}
CHINESE = {
    "没有狗的海滩": ("海滩", "狗"),
    "沒有狗的海灘": ("海灘", "狗"),
    "没狗的海滩": ("海滩", "狗"),
    "海滩没有人": ("海滩", "人"),
    "沙发上没有猫": ("沙发", "猫"),
    "没有人和狗的海滩": ("海滩", "人", "狗"),
    "没有人、狗或者车的街道": ("街道", "人", "狗", "车"),
    "没有人也没有狗的海滩": ("海滩", "人", "狗"),
    "有猫没有狗": ("猫", "狗"),
    "有猫但没有狗的照片": ("猫", "狗"),
    "没戴眼镜的猫": ("猫", "戴眼镜"),
    "没有戴眼镜的猫": ("猫", "戴眼镜"),
    "一只没戴眼镜的猫": ("一只猫", "戴眼镜"),
    "未戴口罩的人": ("人", "戴口罩"),
    "没戴眼镜和帽子的人": ("人", "戴眼镜", "戴帽子"),
    "不戴帽子的女孩": ("女孩", "戴帽子"),
    "没穿鞋的孩子": ("孩子", "穿鞋"),
    "不带伞的人": ("人", "伞"),
    "不帶傘的人": ("人", "傘"),
    "不含水印的图片": ("", "水印"),
    "不是黑色的猫": ("猫", "黑色"),
    "不是狗的动物": ("动物", "狗"),
    "不是猫而是狗": ("狗", "猫"),
    "不在沙发上的猫": ("猫", "沙发"),
    "无人的海滩": ("海滩", "人"),
    "街道无人": ("街道", "人"),
    "空无一人的街道": ("街道", "人"),
    "一个人也没有的海滩": ("海滩", "人"),
    "猫，不要狗": ("猫", "狗"),
    "猫，不要白色的狗": ("猫", "白色的狗"),
    "不要狗": ("", "狗"),
    "不要狗的照片": ("", "狗"),
    "不要狗，只要猫": ("猫", "狗"),
    "不想要穿红衣服的人": ("", "穿红衣服的人"),
    "照片里没有人": ("", "人"),
    "没有人的照片": ("", "人"),
    "没有红色的车的街道": ("街道", "红色的车"),
    "街上没有穿红衣服的人": ("街上", "穿红衣服的人"),
    "除了狗": ("", "狗"),
    "除了狗都要": ("", "狗"),
    "除了狗以外的动物": ("动物", "狗"),
    "除狗之外的动物": ("动物", "狗"),
    "动物，除了狗和猫": ("动物", "狗", "猫"),
    "海滩 没有人 日落": ("海滩 日落", "人"),
    "没有dog的海滩": ("海滩", "dog"),
    "beach 没有人": ("beach", "人"),
    "天空没有云，有鸟": ("天空 鸟", "云"),
    "没有蓝色的红色": ("红色", "蓝色"),
    "没有蓝色的红色汽车": ("红色汽车", "蓝色"),
    "没有别的人的海滩": ("海滩", "人"),
    "没有几个人的街道": ("街道", "人"),
    "没有人在的房间": ("房间", "人"),
    "没有人在海滩上": ("在海滩上", "人"),
    "无人海滩": ("海滩", "人"),
    "猫以外的动物": ("动物", "猫"),
    "除狗外的动物": ("动物", "狗"),
    "没有太多人的景点": ("景点", "人"),
    "没有很多人的海滩": ("海滩", "人"),
    "不要太多人的海滩": ("海滩", "人"),
    "没什么人的海滩": ("海滩", "人"),
    "没有太多的人": ("", "人"),
    "没有很多的车的街道": ("街道", "车"),
    "请别有水印": ("", "水印"),
    "街上没什么车": ("街上", "车"),
    "没有很大的狗的公园": ("公园", "很大的狗"),
    "无水印": ("", "水印"),
    "不出现猫": ("", "猫"),
    "街道，别有人": ("街道", "人"),
    "夜晚没有人的街道": ("夜晚的街道", "人"),
    "白色的没有尾巴的猫": ("白色的猫", "尾巴"),
    "穿红衣服但没戴帽子的人": ("穿红衣服的人", "戴帽子"),
    "没戴帽子穿红衣服的人": ("穿红衣服的人", "戴帽子"),
    "一个没有戴帽子也没有戴眼镜的男人": ("一个男人", "戴帽子", "戴眼镜"),
    "没有狗的海滩和没有人的山": ("海滩和山", "狗", "人"),
    "沙发上没有猫的客厅": ("沙发的客厅", "猫"),
    "没有胡子的老人坐在长椅上": ("老人坐在长椅上", "胡子"),
    "既没有猫也没有狗的房间": ("房间", "猫", "狗"),
    "不想看到汽车的街道": ("街道", "汽车"),
    "不下雪的冬天": ("冬天", "下雪"),
    "不看镜头的人": ("人", "看镜头"),
    "看不到脸的人": ("人", "脸"),
    "缺少轮子的车": ("车", "轮子"),
    "不打伞走在雨里的人": ("走在雨里的人", "打伞"),
    "不哭的孩子": ("孩子", "哭"),
    "没门的房子": ("房子", "门"),
    "帮我找没有水印的图": ("", "水印"),
    "有没有没有人的海滩": ("海滩", "人"),
}
AFFIRMATIVE = [
    "a cat sitting on a sofa",
    "snow on a knot",
    "Notting Hill",
    "notebook",
    "no entry sign",
    "no smoking",
    "a no parking sign on a wall",
    "no dogs allowed sign",
    "do not enter",
    "not only a dog but also a cat",
    "nothing but cats",
    "no doubt a dog",
    "No. 10 Downing Street",
    "forget-me-not flowers",
    "no-fly zone",
    'a sign saying "without dogs"',
    "a book called 'No Dogs'",
    "t-shirt",
    "a sign that says no dogs allowed",
    "dogs not allowed sign",
    "say no to drugs poster",
    "not for sale",
    "a not very large dog",
    "no fewer than three dogs",
    "not without a hat",
    "a room without anything",
    "nobody's home",
    "不锈钢水壶",
    "不倒翁",
    "不同的狗",
    "不丹的寺庙",
    "没关系",
    "太阳被云淹没",
    "鲸鱼出没的海",
    "无人机",
    "无人机拍的海滩",
    "无人驾驶汽车",
    "无线鼠标",
    "无花果",
    "无尽的沙漠",
    "有没有狗",
    "是不是猫",
    "除夕夜",
    "除夕外出的人",
    "没什么特别的",
    "没什么",
    "别有洞天",
    "一男一女分别有一只猫",
    "识别有毒蘑菇",
    "除室外的照片",
    "铲除门外的雪",
    "有无水印",
    "特别有趣的狗",
    "很多人的海滩",
    "除草机",
    "除了狗还有猫",
    "《不能没有你》海报",
    "写着“不要停车”的牌子",
    "一只坐在沙发上的猫",
    "别墅",
    "特别的人",
    "特别要好的朋友",
    "别的猫",
    "不要别的",
    "只有一只猫没有别的",
    "除了猫以外没有别的动物",
    "除了人以外什么都没有",
    "除此以外的东西",
    "什么都没有的桌子",
    "意料之外的访客",
    "不开心的孩子",
    "没有关系",
    "毫无生气的街道",
    "万里无云的天空",
    "从没见过的风景",
    "没入云中的山",
    "看不见的城市",
    "牌子上写着不要踩草坪",
]


@pytest.mark.parametrize(("text", "parts"), [*ENGLISH.items(), *CHINESE.items()])
def test_negation_is_read(text: str, parts: tuple[str, ...]) -> None:
    assert parse_query(text) == ParsedQuery(parts[0], parts[1:])


@pytest.mark.parametrize("text", AFFIRMATIVE)
def test_what_only_looks_like_negation_is_left_alone(text: str) -> None:
    assert parse_query(text) == ParsedQuery(text)


@pytest.mark.parametrize(
    "text", ["", "   ", "no", "without", "没有", "不要", "的", "no no no", "没有的的"]
)
def test_a_negator_of_nothing_excludes_nothing(text: str) -> None:
    assert parse_query(text).excluded == ()


@pytest.mark.parametrize("piece", ["没有", "no dog ", "除了猫"])
def test_a_very_long_text_is_taken_as_typed(piece: str) -> None:
    text = (piece * 20_000).strip()
    assert parse_query(text) == ParsedQuery(text)


THINGS = [
    *("dog", "cat", "tv monitor", "dining table", "potted plant", "person", "sofa"),
    *("stop sign", "red car", "north wind", "notebook", "knot"),
]
DINGE = "狗 猫 人 沙发 电视 盆栽 餐桌 公交车 不锈钢锅 无人机 红色的车 穿红衣服的人".split()
NAMES = [name for name in DINGE if "的" not in name]


@given(st.sampled_from(THINGS), st.sampled_from(THINGS), st.sampled_from(THINGS))
def test_english_patterns_hold_for_any_things(x: str, y: str, z: str) -> None:
    for pattern in (
        "{x} without {y}",
        "{x} with no {y}",
        "{x} but not {y}",
        "{x}, no {y}",
        "{x} except {y}",
    ):
        assert parse_query(pattern.format(x=x, y=y)) == ParsedQuery(x, (y,))
    both = (y,) if y == z else (y, z)
    for pattern in ("{x} without {y} or {z}", "{x} without {y} and {z}", "{x}, no {y} and no {z}"):
        assert parse_query(pattern.format(x=x, y=y, z=z)) == ParsedQuery(x, both)
    if not y.endswith("sign"):  # "no stop sign" at the start may be what a sign says
        assert parse_query(f"no {y}") == ParsedQuery("", (y,))


@given(st.sampled_from(DINGE), st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_chinese_patterns_hold_for_any_things(x: str, y: str, z: str) -> None:
    for pattern in (
        "没有{y}的{x}",
        "沒有{y}的{x}",
        "{x}没有{y}",
        "{x}，不要{y}",
        "不带{y}的{x}",
        "不含{y}的{x}",
    ):
        assert parse_query(pattern.format(x=x, y=y)) == ParsedQuery(x, (y,)), pattern
    both = (y,) if y == z else (y, z)
    for pattern in ("没有{y}和{z}的{x}", "没有{y}也没有{z}的{x}", "{x}，没有{y}，没有{z}"):
        assert parse_query(pattern.format(x=x, y=y, z=z)) == ParsedQuery(x, both), pattern
    assert parse_query(f"不要{y}") == ParsedQuery("", (y,))


PIECES = [
    *(
        "without",
        "no",
        "not",
        "except",
        "neither",
        "nor",
        "nobody",
        "with",
        "or",
        "dog",
        "the",
        '"',
        "'",
        "(",
        ",",
        "-",
    ),
    *(
        "没有",
        "沒",
        "不要",
        "不是",
        "无",
        "除了",
        "以外",
        "的",
        "和",
        "也",
        "狗",
        "上",
        "，",
        "《",
        "》",
        "\ue000",
        "\n",
        " ",
    ),
]


@settings(max_examples=500)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=14))
def test_any_text_is_split_into_its_own_words(pieces: list[str]) -> None:
    text = " ".join(pieces) if len(pieces) % 2 else "".join(pieces)
    parsed = parse_query(text)
    assert all(term and term == term.strip() for term in parsed.excluded)
    assert len(set(parsed.excluded)) == len(parsed.excluded)
    assert parsed.wanted == " ".join(parsed.wanted.split())
    invented = {"people", "人"}  # for "nobody" and 空无一人
    typed = set("".join(text.split()))
    for word in {parsed.wanted, *parsed.excluded} - invented:
        assert set(word) - {" ", ","} <= typed
    if not parsed.excluded:
        assert parsed.wanted == " ".join(text.replace("\ue000", " ").split())


@given(
    st.lists(
        st.sampled_from("cat dog on the red sofa snow knot 猫 狗 沙发 在 红色 坐".split()),
        max_size=8,
    )
)
def test_a_query_without_negators_comes_back_as_typed(words: list[str]) -> None:
    text = " ".join(words)
    assert parse_query(text) == ParsedQuery(text)
