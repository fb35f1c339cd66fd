"""Chinese for `scenes`: measure words, word order, and 的 where people say it."""

from __future__ import annotations

import random

from polysee.datasets.scenes import Background, Relation, Scene
from polysee.datasets.scenes_things import Chinese, concepts

_NUMBERS = "零一两三四五"
_COLOURS = {
    "red": ("红色", "红"), "orange": ("橙色", "橘色"), "yellow": ("黄色", "黄"), "green": ("绿色", "绿"),
    "blue": ("蓝色", "蓝"), "purple": ("紫色", "紫"), "pink": ("粉色", "粉红色"), "brown": ("棕色", "褐色"),
    "black": ("黑色", "黑"), "white": ("白色", "白"), "grey": ("灰色", "灰"),
}  # fmt: skip
_SIZES = {"big": "大", "small": "小"}
_FEELINGS = {
    "happy": ("开心", "高兴"), "laughing": ("大笑", "笑出眼泪"), "loving": ("花痴", "满眼爱心"),
    "sad": ("难过", "伤心"), "crying": ("哭泣", "大哭"), "angry": ("生气", "愤怒"), "surprised": ("吃惊", "惊讶"),
    "scared": ("害怕", "惊恐"), "sleeping": ("睡觉", "睡着"), "sick": ("恶心", "不舒服"), "shy": ("害羞", "脸红"),
    "worried": ("担心", "忧虑"),
}  # fmt: skip
# Of these one says 一大碗 rather than 一碗大; of a piece, 一大块, only where it is one of a whole.
_CONTAINERS, _PIECES = "杯碗束串团桶盒罐盆袋摞堆", "块片份"

_PLACES = {
    "meadow": ("草地上", "草坪上"), "beach": ("沙滩上", "海边"), "snow": ("雪地里", "雪地上"),
    "night": ("夜空下", "夜里"), "room": ("房间里", "屋里"), "desert": ("沙漠里", "沙漠中"),
    "street": ("马路上", "街上"), "sea": ("海底", "水里", "海里"),
}  # fmt: skip
# {a} is the subject with its number, {b} the object, {b1} the object with its number, {a1} likewise.
_ON = ("{a}在{b}上", "{a}在{b}上面", "{b}上有{a1}", "{b}上面有{a1}")
_ON_ALIVE = ("{a}站在{b}上", "{b}上站着{a1}")
_ON_SEAT = ("{a}坐在{b}上", "{b}上坐着{a1}")
_UNDER = ("{a}在{b}下面", "{b}下面有{a1}", "{b}下有{a1}", "{b1}在{a}上方", "{a}上方有{b1}")
_BESIDE = (
    "{a}在{b}的左边", "{b}左边有{a1}", "{b1}在{a}的右边", "{a}右边有{b1}", "左边是{a}，右边是{b1}",
    "右边是{b1}，左边是{a}", "{a}和{b1}", "{a}在{b}旁边",
)  # fmt: skip
_EXACT = 6  # of the ways to say "left of", those that say it
_BEFORE = ("{a}在{b}前面", "{b}前面有{a1}", "{a}后面有{b1}", "{b1}在{a}后面", "{b}的前面是{a1}")


class ChineseWords:
    """One sentence about a scene."""

    def __init__(
        self, scene: Scene, draw: random.Random, detail: float, ground: bool = True
    ) -> None:
        self.scene, self.draw, self.detail, self.ground = scene, draw, detail, ground

    def sentence(self) -> str:
        """Example: 蓝色背景上，三个红苹果。"""
        said, is_noun = self._things()
        if not self._wanted() or not self.ground:
            if is_noun and self.draw.random() < 0.15:
                return self.draw.choice(("图里有{0}", "画着{0}", "这是{0}")).format(said)
            return said
        background = self.scene.background
        if background.place in ("plain", "gradient"):
            return self._before_colour(said, background)
        place = self.draw.choice(_PLACES[background.place])
        if is_noun:
            frames = ("{1}有{0}", "{1}的{0}") + (("{0}在{1}",) if place != "夜里" else ())
            return self.draw.choice(frames).format(said, place)
        return f"{place}，{said}"

    def _before_colour(self, said: str, background: Background) -> str:
        colours = [self._pale(colour) for colour in background.colours]
        plain: tuple[str, ...] = ("{1}背景上，{0}", "{0}，{1}背景", "{0}，背景是{1}的")
        two = ("{0}，背景从{1}渐变到{2}", "从{1}到{2}的渐变背景上，{0}")
        frames = plain if background.place == "plain" else two
        return self.draw.choice(frames).format(said, *colours)

    def _things(self) -> tuple[str, bool]:
        """What is said of the things, and whether that is a noun, such as 一只戴着帽子的狗."""
        relations = self.scene.relations
        beside = [r for r in relations if r.kind == "left of"]
        if len(beside) > 1:
            return self._row([beside[0].subject, *(r.object for r in beside)]), False
        if not relations:
            return self.noun(0), True
        if len(relations) == 1:
            return self._related(relations[0])
        inner = next(r for r in relations if r.kind != "left of")
        nouns = {inner.subject: self._doing(inner)}
        outer = beside[0]
        first, second = (nouns.get(i) or self.noun(i) for i in (outer.subject, outer.object))
        return self._beside_frame().format(a=first, a1=first, b=second, b1=second), False

    def _related(self, relation: Relation) -> tuple[str, bool]:
        if relation.kind in ("wearing", "holding"):
            if self.draw.random() < 0.65:
                return self._doing(relation), True
            verb = self._verb(relation)
            return f"{self.noun(relation.subject)}{verb}{self.noun(relation.object)}", False
        subject, whole = self.noun(relation.subject), self.noun(relation.object)
        short = self.noun(relation.object, bare=True) if self.draw.random() < 0.6 else whole
        frame = self._frame(relation)
        return frame.format(a=subject, a1=subject, b=short, b1=whole), False

    def _frame(self, relation: Relation) -> str:
        if relation.kind == "on":
            roles = concepts()[self.scene.things[relation.subject].concept].roles
            seat = self.scene.things[relation.object].concept in ("sofa", "bed", "chair", "toilet")
            alive = _ON_SEAT if seat else _ON_ALIVE
            return self.draw.choice(_ON + alive if "alive" in roles else _ON)
        if relation.kind == "left of":
            return self._beside_frame()
        return self.draw.choice(_UNDER if relation.kind == "under" else _BEFORE)

    def _beside_frame(self) -> str:
        return self.draw.choice(_BESIDE[:_EXACT] if self.detail >= 1 else _BESIDE)

    def _doing(self, relation: Relation) -> str:
        """一只戴着帽子的狗."""
        worn = self.noun(relation.object, bare=self.draw.random() < 0.75)
        return self.noun(relation.subject, doing=f"{self._verb(relation)}{worn}的")

    def _verb(self, relation: Relation) -> str:
        if relation.kind == "wearing":
            return "戴着"
        return self.draw.choice(("拿着", "拿着", "举着", "抓着"))

    def _row(self, order: list[int]) -> str:
        backwards = self.draw.random() < 0.3
        nouns = [self.noun(i) for i in (order[::-1] if backwards else order)]
        joined = f"{'、'.join(nouns[:-1])}和{nouns[-1]}"
        way = "从右到左" if backwards else self.draw.choice(("从左到右", "从左往右"))
        return self.draw.choice((f"{way}是{joined}", f"{way}依次是{joined}"))

    def noun(self, index: int, *, bare: bool = False, doing: str = "") -> str:
        """一顶红色的大帽子、两块披萨、一张哭泣的脸.

        Args:
            bare: without number and measure word, as in 坐在沙发上; several are always counted.
            doing: what stands between them and the rest, as in 一只戴着帽子的狗.
        """
        thing, concept = self.scene.things[index], concepts()[self.scene.things[index].concept]
        size = _SIZES[thing.size] if thing.size and self._wanted() else ""
        words = concept.chinese[:1] if size or self.detail >= 1 else concept.chinese
        word = self.draw.choices(words, [3] + [1] * (len(words) - 1))[0]
        measure = word.measures[0] if self.draw.random() < 0.7 else self.draw.choice(word.measures)
        number = _NUMBERS[thing.count]
        # What is counted by a unit is named with it: 一滴水, not 水.
        bare = bare and thing.count == 1 and concept.english[0].unit in ("", "pair")
        counted = "" if bare else f"{number}{measure}"
        colour = ""
        if thing.colour and self._wanted():
            colour = self._colour(thing.colour, word, full=bool(size))
        feeling = ""
        if thing.feeling and (self._wanted() or "feels" in concept.roles):
            feeling = f"{self._one_of(_FEELINGS[thing.feeling])}的"
        piece = measure in _PIECES and bool(concept.english[0].unit)
        if size and counted and (measure in _CONTAINERS or piece):
            return f"{number}{size}{measure}{doing}{colour}{feeling}{word.word}"
        if size and word.word[0] in "大小":
            size = f"很{size}的"  # never 大大象
            return f"{counted}{doing}{size}{colour}{feeling}{word.word}"
        return f"{counted}{doing}{colour}{feeling}{size}{word.word}"

    def _colour(self, colour: str, word: Chinese, *, full: bool) -> str:
        """红色的 or 红; the full form before a size, and before words of one character."""
        name = self._one_of(_COLOURS[colour])
        if full:
            return f"{name.removesuffix('色')}色的"
        if len(name) == 1:
            return name if len(word.word) > 1 else f"{name}色的"
        return f"{name}的" if self.draw.random() < 0.8 else name

    def _pale(self, colour: str) -> str:
        name = _COLOURS[colour][0]
        return name if colour in ("white", "pink") or self.draw.random() < 0.6 else f"浅{name}"

    def _one_of(self, words: tuple[str, ...]) -> str:
        return words[0] if self.draw.random() < 0.6 else self.draw.choice(words)

    def _wanted(self) -> bool:
        return self.draw.random() < self.detail


def phrases() -> list[str]:
    """Everything that is said about things, with the places of the things in braces."""
    tables = (_COLOURS, _FEELINGS, _PLACES)
    found = [phrase for table in tables for ways in table.values() for phrase in ways]
    frames = [*_ON, *_ON_ALIVE, *_ON_SEAT, *_UNDER, *_BESIDE, *_BEFORE]
    words = "图里有 画着 这是 背景 背景是 背景上 渐变 从 到 浅 色 的 很 大 小 在 上 里 有 和"
    words += " 着 戴着 拿着 举着 抓着 戴 拿 依次是"
    order = "从左到右 从左往右 从右到左 左边 右边 前面 后面 上面 下面 下 旁边 一 两 三 四 五 里面"
    return [*found, *frames, *words.split(), *order.split()]
