"""Bilingual texts for teaching a small text tower what a large one knows.

No pictures are needed: captions, sentence pairs, names of things, and queries as people type them, each once.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from importlib import import_module

from polysee.datasets.tables import data_folder, read_rows
from polysee.inputs.prompts import is_chinese

_COLOURS = {"red": "红色的", "black": "黑色的", "white": "白色的", "blue": "蓝色的", "yellow": "黄色的",
            "green": "绿色的", "brown": "棕色的", "small": "小", "big": "大", "old": "旧"}  # fmt: skip
_PLACES = {"on the beach": "海边的", "on a table": "桌子上的", "in the snow": "雪地里的", "in the street": "街上的",
           "in the water": "水里的", "on the grass": "草地上的", "at night": "夜里的", "in a room": "房间里的",
           "in the sky": "天空中的", "in the forest": "树林里的", "in the city": "城市里的",
           "on a sofa": "沙发上的"}  # fmt: skip
_TEMPLATES_EN = ("a photo of a {}", "a picture of {}", "{}", "the {}", "a {}", "a close-up of a {}")
_TEMPLATES_ZH = ("{}的照片", "一张{}的照片", "{}", "一个{}", "{}的特写", "有{}的图片")


def bilingual_texts(seed: int = 0) -> list[str]:
    """Every text of the sources below, without repetition, in an order that `seed` decides.

    Raises:
        DataError: a data set is absent.
    """
    draw = random.Random(seed)
    sources: tuple[Iterable[str], ...] = (
        _captions(draw),
        _pairs(),
        _names(draw),
        _art(),
        _stories(),
        _words(),
    )
    texts = {text.strip(): None for source in sources for text in source}
    texts.pop("", None)
    shuffled = list(texts)
    draw.shuffle(shuffled)
    return shuffled


def _captions(draw: random.Random) -> Iterator[str]:
    columns = ["captions_en", "captions_zh", "captions_zh_translated"]
    for name, most in (("captions/flickr8k/train", 3), ("captions/coco-subset/train", 3)):
        for row in read_rows(name, columns):
            yield from draw.sample(row["captions_en"], min(most, len(row["captions_en"])))
            yield from row["captions_zh"]
            yield from row["captions_zh_translated"][:1]


def _pairs() -> Iterator[str]:
    """Sentences of everyday life; long ones tell little of pictures."""
    for row in read_rows("text/pairs-en-zh/train", ["en", "zh"]):
        if len(row["en"]) <= 40:
            yield row["en"]
            yield row["zh"]


def _names(draw: random.Random) -> Iterator[str]:
    """Names of things, alone, in templates, and as queries with a colour, a place or a second thing."""
    things = [(row["names_en"], row["names_zh"]) for row in read_rows("names/imagenet-1k.parquet")]
    for name in ("photos/tiny-imagenet/train-0", "photos/voc-scenes/train"):
        for row in read_rows(name):
            if "label_en" in row:
                things.append(([row["label_en"]], [row["label_zh"]]))
            else:
                things.extend(
                    ([e], [z]) for e, z in zip(row["labels_en"], row["labels_zh"], strict=True)
                )
    unique = {tuple(en): (en, zh) for en, zh in things}
    things = list(unique.values())
    for names_en, names_zh in things:
        for name in names_en:
            yield from (template.format(name) for template in draw.sample(_TEMPLATES_EN, 2))
            yield name
        for name in names_zh:
            yield from (template.format(name) for template in draw.sample(_TEMPLATES_ZH, 2))
            yield name
        other_en, other_zh = draw.choice(things)
        colour, place = draw.choice(list(_COLOURS)), draw.choice(list(_PLACES))
        yield f"{names_en[0]} and {other_en[0]}"
        yield f"{colour} {names_en[0]} {place}"
        yield f"{names_zh[0]}和{other_zh[0]}"
        yield f"{_PLACES[place]}{_COLOURS[colour]}{names_zh[0]}"


def _art() -> Iterator[str]:
    for row in read_rows("art/art.parquet", ["name_en", "name_zh", "tags_en", "tags_zh"]):
        yield row["name_en"]
        yield row["name_zh"]
        yield from row["tags_en"]
        yield from row["tags_zh"]


def _stories() -> Iterator[str]:
    path = data_folder() / "text/plain-en/tinystories-sample.txt"
    text = path.read_text(encoding="utf-8").replace("<|endoftext|>", " ")
    sentences = re.split(r"(?<=[.!?])\s+", text)
    yield from (sentence for sentence in sentences[:20000] if 10 <= len(sentence) <= 70)


def _words() -> Iterator[str]:
    """The commonest words of both languages, from `wordfreq` where it is installed."""
    try:
        top_n_list = import_module("wordfreq").top_n_list
    except ImportError:
        return
    yield from (word for word in top_n_list("en", 14000) if len(word) > 2 and word.isalpha())
    yield from (word for word in top_n_list("zh", 16000) if is_chinese(word))
