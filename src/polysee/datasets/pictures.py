"""Pictures with what people say of them, in both languages, for training the shared space."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

from polysee.datasets.tables import read_rows

# What people call two things of which one is on the other, by the pair of VOC names.
_ON = {
    ("person", "horse"): ((
        "a person on a horse", "someone riding a horse", "a rider on a horse", "horse riding",
    ), ("骑马的人", "一个人骑着马", "马背上的人", "有人在骑马")),
    ("person", "bicycle"): ((
        "someone riding a bicycle", "a person on a bike", "a cyclist", "a person riding a bicycle",
    ), ("骑自行车的人", "一个人在骑自行车", "有人骑着单车")),
    ("person", "motorbike"): ((
        "a person on a motorbike", "someone riding a motorcycle", "a motorcyclist",
    ), ("骑摩托车的人", "一个人骑着摩托车")),
    ("cat", "sofa"): (
        ("a cat on a sofa", "a cat sitting on a sofa", "a cat lying on the couch"),
        ("沙发上的猫", "一只坐在沙发上的猫", "猫躺在沙发上"),
    ),
    ("dog", "sofa"): (
        ("a dog on a sofa", "a dog sitting on a sofa", "a dog lying on the couch"),
        ("沙发上的狗", "一只坐在沙发上的狗", "狗趴在沙发上"),
    ),
    ("person", "sofa"): (("a person sitting on a sofa", "people on a couch"), ("坐在沙发上的人", "沙发上的人")),
    ("person", "chair"): (("a person sitting on a chair", "someone in a chair"),
                          ("坐在椅子上的人", "一个人坐在椅子上")),
    ("cat", "chair"): (("a cat on a chair",), ("椅子上的猫",)),
    ("person", "boat"): (("people in a boat", "a person on a boat"), ("船上的人", "坐船的人")),
}  # fmt: skip
_MEASURES = {"猫": "只", "狗": "只", "鸟": "只", "羊": "只", "牛": "头", "马": "匹", "人": "个", "汽车": "辆",
             "公交车": "辆", "自行车": "辆", "摩托车": "辆", "火车": "列", "飞机": "架", "船": "艘", "瓶子": "个",
             "椅子": "把", "餐桌": "张", "沙发": "张", "盆栽": "盆", "电视": "台", "显示器": "台"}  # fmt: skip
_NUMBERS_EN, _NUMBERS_ZH = ("", "a", "two", "three"), ("", "一", "两", "三")
_TINY_EN = (
    "{}",
    "a photo of a {}",
    "a picture of {}",
    "a close-up of a {}",
    "there is a {} in the photo",
)
_TINY_ZH = ("{}", "一张{}的照片", "图片里有{}", "{}的特写", "这是{}")


@dataclass(frozen=True)
class Captioned:
    """One picture: its encoded bytes, and sentences that are true of it.

    Args:
        group: pictures of one group are equally right for each other's sentences.
        captioned: whether people described just this picture, rather than named its class.
    """

    image: bytes
    english: tuple[str, ...]
    chinese: tuple[str, ...]
    group: str
    captioned: bool


def captioned_pictures(seed: int, tiny_pictures: int) -> list[Captioned]:
    """The training pictures: Flickr8k, the COCO subset, VOC, and part of Tiny ImageNet, balanced by class.

    Raises:
        DataError: a data set is absent.
    """
    draw = random.Random(seed)
    pictures = [_from_captions(row) for row in read_rows("captions/flickr8k/train")]
    pictures += [_from_captions(row) for row in read_rows("captions/coco-subset/train")]
    pictures += [_from_boxes(row, draw) for row in read_rows("photos/voc-scenes/train")]
    tiny = read_rows("photos/tiny-imagenet/train-0")[:tiny_pictures] if tiny_pictures else []
    return pictures + [_from_label(row) for row in tiny]


def validation_pictures() -> list[Captioned]:
    """Flickr8k's validation pictures."""
    return [_from_captions(row) for row in read_rows("captions/flickr8k/validation")]


def _from_captions(row: dict[str, Any]) -> Captioned:
    chinese = tuple(row["captions_zh"]) or tuple(row["captions_zh_translated"])
    return Captioned(row["image"], tuple(row["captions_en"]), chinese, row["file"], True)


def _from_label(row: dict[str, Any]) -> Captioned:
    english = tuple(template.format(row["label_en"]) for template in _TINY_EN)
    chinese = tuple(template.format(row["label_zh"]) for template in _TINY_ZH)
    return Captioned(row["image"], english, chinese, f"tiny-{row['label']}", False)


def _from_boxes(row: dict[str, Any], draw: random.Random) -> Captioned:
    boxes = [box for box in json.loads(row["boxes"]) if not box["difficult"]]
    names = dict(zip(row["labels_en"], row["labels_zh"], strict=True))
    english, chinese = [], []
    for _ in range(4):
        chosen = draw.sample(list(names), draw.randint(1, min(3, len(names)))) if names else []
        counts = [min(4, sum(box["en"] == name for box in boxes)) for name in chosen]
        if chosen:
            english.append(" and ".join(map(_counted_en, chosen, counts)))
            chinese.append(
                "和".join(_counted_zh(names[n], c) for n, c in zip(chosen, counts, strict=True))
            )
    for upper, lower in sorted(
        {(a["en"], b["en"]) for a in boxes for b in boxes if _rests_on(a, b)}
    ):
        if (upper, lower) in _ON:  # said twice: it is the more telling sentence
            english.extend(_ON[upper, lower][0] * 2)
            chinese.extend(_ON[upper, lower][1] * 2)
    group = "voc-" + ",".join(sorted(names)) if len(names) == 1 else f"voc-{row['id']}"
    return Captioned(row["image"], tuple(english), tuple(chinese), group, False)


def _counted_en(name: str, count: int) -> str:
    if count > 1 and name not in ("person", "sheep", "bus"):
        return f"{_NUMBERS_EN[count]} {name}s" if count < 4 else f"many {name}s"
    if count > 1:
        return {"person": "people", "sheep": "sheep", "bus": "buses"}[name]
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _counted_zh(name: str, count: int) -> str:
    if count >= 4:
        return f"很多{name}"
    return f"{_NUMBERS_ZH[max(1, count)]}{_MEASURES.get(name, '个')}{name}"


def _rests_on(upper: dict[str, Any], lower: dict[str, Any]) -> bool:
    """Whether the boxes overlap widely and the first one's middle is not below the second one's."""
    a, b = upper["box"], lower["box"]
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return False
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return width * height > 0.3 * smaller and a[1] + a[3] <= b[1] + b[3] + 0.1
