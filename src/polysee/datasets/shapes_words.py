"""Sentences about the made world of `shapes`, in both languages: true, and worded in many ways.

Every sentence names each thing's shape and colour and their relation; sizes and the background only sometimes.
"""

from __future__ import annotations

import random
from typing import Literal

from polysee.datasets.shapes import Scene, Thing

Language = Literal["english", "chinese"]

_SHAPES_EN = {
    "circle": ("circle", "disc"), "square": ("square", "box"), "triangle": ("triangle",),
    "star": ("star",), "heart": ("heart",), "ring": ("ring", "hoop"),
    "cross": ("cross", "plus sign"), "diamond": ("diamond", "rhombus"), "hexagon": ("hexagon",),
    "moon": ("moon", "crescent"), "arrow": ("arrow",), "flower": ("flower", "blossom"),
}  # fmt: skip
# The word, and the measure words that go with it.
_SHAPES_ZH = {
    "circle": (("圆形", "个"), ("圆", "个")), "square": (("正方形", "个"), ("方块", "块个")),
    "triangle": (("三角形", "个"), ("三角", "个")), "star": (("星星", "颗"), ("五角星", "颗个")),
    "heart": (("爱心", "颗个"), ("心形", "个")), "ring": (("圆环", "个"), ("环", "个")),
    "cross": (("十字", "个"), ("加号", "个")), "diamond": (("菱形", "个"),),
    "hexagon": (("六边形", "个"), ("六角形", "个")), "moon": (("月牙", "弯个"), ("弯月", "轮")),
    "arrow": (("箭头", "个"), ("箭", "支")), "flower": (("花", "朵"), ("花朵", "个")),
}  # fmt: skip
_COLOURS_EN = {"purple": ("purple", "violet")}
_COLOURS_ZH = {
    "red": ("红色", "红"), "orange": ("橙色", "橘色"), "yellow": ("黄色", "黄"), "green": ("绿色", "绿"),
    "blue": ("蓝色", "蓝"), "purple": ("紫色", "紫"), "pink": ("粉色", "粉红色"), "brown": ("棕色", "褐色"),
}  # fmt: skip
_SIZES_EN = {True: ("big", "large"), False: ("small", "little")}
_SIZES_ZH = {True: "大", False: "小"}

# {a} is the left, upper or inner thing, {z} the last, {m} the middle of three.
_RELATIONS_EN = {
    ("alone", 1): ("{a}", "{a}", "a picture of {a}", "there is {a}"),
    ("left", 2): (
        "{a} to the left of {z}", "{a} left of {z}", "{z} to the right of {a}", "{z} right of {a}",
        "on the left {a}, on the right {z}", "on the right {z}, on the left {a}",
    ),
    ("above", 2): (
        "{a} above {z}", "{a} over {z}", "{z} below {a}", "{z} under {a}",
        "at the top {a}, at the bottom {z}", "at the bottom {z}, at the top {a}",
    ),
    ("inside", 2): ("{a} inside {z}", "{a} in {z}", "{z} with {a} in it", "{z} around {a}"),
    ("left", 3): (
        "from left to right {a}, {m} and {z}", "{a}, {m} and {z} from left to right",
        "from right to left {z}, {m} and {a}", "{m} between {a} on the left and {z} on the right",
    ),
    ("above", 3): (
        "from top to bottom {a}, {m} and {z}", "{a}, {m} and {z} from top to bottom",
        "from bottom to top {z}, {m} and {a}", "{m} between {a} at the top and {z} at the bottom",
    ),
}  # fmt: skip
_RELATIONS_ZH = {
    ("alone", 1): ("{a}", "{a}", "图里有{a}", "这是{a}"),
    ("left", 2): (
        "{a}在{z}的左边", "{z}的左边有{a}", "{z}在{a}的右边", "{a}右边是{z}",
        "左边是{a}，右边是{z}", "右边是{z}，左边是{a}",
    ),
    ("above", 2): (
        "{a}在{z}的上面", "{z}的上方有{a}", "{z}在{a}的下面", "{a}下面是{z}",
        "上面是{a}，下面是{z}", "下面是{z}，上面是{a}",
    ),
    ("inside", 2): ("{a}在{z}里面", "{z}里有{a}", "{z}里面套着{a}", "{z}围着{a}"),
    ("left", 3): (
        "从左到右是{a}、{m}和{z}", "从左往右依次是{a}、{m}、{z}",
        "从右到左是{z}、{m}和{a}", "{m}在中间，左边是{a}，右边是{z}",
    ),
    ("above", 3): (
        "从上到下是{a}、{m}和{z}", "从上往下依次是{a}、{m}、{z}",
        "从下到上是{z}、{m}和{a}", "{m}在中间，上面是{a}，下面是{z}",
    ),
}  # fmt: skip


def describe(scene: Scene, language: Language, seed: int | str) -> str:
    """One true sentence; another seed words it in another way.

    Example:
        >>> scene = Scene((Thing("star", "red", True), Thing("ring", "blue", False)), "left", True, False)
        >>> describe(scene, "english", 5)
        'a red star left of a little blue hoop on a dark background'
        >>> describe(scene, "chinese", 0)
        '红星星右边是一个蓝色的圆环'
    """
    draw = random.Random(f"words-{language}-{seed}")
    english = language == "english"
    thing = _thing_en if english else _thing_zh
    said = [thing(t, draw) for t in scene.things]
    frames = (_RELATIONS_EN if english else _RELATIONS_ZH)[scene.relation, len(said)]
    sentence = draw.choice(frames).format(a=said[0], m=said[len(said) // 2], z=said[-1])
    if draw.random() < 0.75:
        return sentence
    if english:
        tone = draw.choice(("dark",) if scene.dark else ("light", "pale"))
        return draw.choice(("{0} on a {1} background", "on a {1} background {0}")).format(
            sentence, tone
        )
    tone = "深色" if scene.dark else "浅色"
    return draw.choice(("{1}背景上，{0}", "{0}，背景是{1}的")).format(sentence, tone)


def _thing_en(thing: Thing, draw: random.Random) -> str:
    """ "a big red star", "a star that is red", "a red star"."""
    shape = draw.choice(_SHAPES_EN[thing.shape])
    colour = draw.choice(_COLOURS_EN.get(thing.colour, (thing.colour,)))
    size = draw.choice(_SIZES_EN[thing.big]) if draw.random() < 0.4 else ""
    late = draw.random() < 0.15
    words = f"{size} {shape} that is {colour}" if late else f"{size} {colour} {shape}"
    words = words.strip()
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _thing_zh(thing: Thing, draw: random.Random) -> str:
    """一颗红色的大星星、红星星、一颗大的红色星星。"""
    shape, measures = draw.choice(_SHAPES_ZH[thing.shape])
    colour = draw.choice(_COLOURS_ZH[thing.colour])
    count = f"一{draw.choice(measures)}" if draw.random() < 0.8 else ""
    if draw.random() >= 0.4:
        of = "的" if colour.endswith("色") and draw.random() < 0.8 else ""
        return f"{count}{colour}{of}{shape}"
    size = _SIZES_ZH[thing.big]
    return draw.choice((f"{count}{colour}的{size}{shape}", f"{count}{size}的{colour}{shape}"))
