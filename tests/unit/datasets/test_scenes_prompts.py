"""Prompts as people type them: what is put in plain words, and what is left alone."""

from __future__ import annotations

import pytest

from polysee.datasets.scenes import scene_of
from polysee.datasets.scenes_prompts import _SIMPLIFIED, _TRADITIONAL, plain
from polysee.datasets.scenes_things import concepts
from polysee.datasets.scenes_words import (
    LANGUAGES,
    _known_words,
    describe,
    things_named,
    unknown_words,
)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("画笔", "画笔"),
        ("画一支画笔", "一支画笔"),
        ("画着三个苹果", "画着三个苹果"),
        ("麻烦你给我画两只猫", "两只猫"),
        ("２只猫", "两只猫"),
        ("12只猫", "12只猫"),
        ("6只猫", "6只猫"),
        ("一只 戴帽子 的狗", "一只戴帽子的狗"),
        ("飛機在雲上面", "飞机在云上面"),
        ("a cat and 2 dogs, please!", "a cat and two dogs"),
        ("make a house", "a house"),
        ("a drawing of a dog", "a drawing of a dog"),
        ("a robot that can draw", "a robot that can draw"),
        ("戴着🎩的🐶", "戴着礼帽的狗"),
        ("🧑\u200d🚀🧑\u200d🚀", "两名宇航员"),
        ("👨\u200d👩\u200d👧", "男人女人女孩"),
        ("📈", "📈"),
        ("🐶🐶🐶🐶🐶", "五只狗"),
        ("🐶🐶🐶🐶🐶🐶", "🐶🐶🐶🐶🐶🐶"),
        ("2只Cats在Sofa上", "两只猫在沙发上"),
        ("一件T恤", "一件T恤"),
        ("  ", ""),
        ("\u200b", ""),
    ],
)
def test_it_says_the_same_in_plain_words(prompt, said):
    assert plain(prompt) == said
    assert plain(said) == said


def test_what_scenes_say_is_plain_already():
    for seed in range(300):
        scene = scene_of("training", seed)
        for language in LANGUAGES:
            said = describe(scene, language, seed, 1.0)
            assert plain(said) == said


def test_every_emoji_of_the_world_is_a_word_of_it():
    for concept in concepts().values():
        for picture in concept.pictures:
            assert unknown_words(plain(f"a {picture}")) == [], picture
            assert unknown_words(plain(f"一个{picture}")) == [], picture


def test_characters_stand_above_their_simplified_ones():
    known = set("".join(_known_words()[1]))
    assert len(_TRADITIONAL) == len(_SIMPLIFIED) == len(set(_TRADITIONAL))
    assert not set(_TRADITIONAL) & known
    assert sum(character in known for character in _SIMPLIFIED) > 0.9 * len(_SIMPLIFIED)


def test_what_is_left_is_named_whole():
    assert unknown_words("杯子和金鱼") == ["杯子", "金"]
    assert unknown_words("a dog's hat") == []
    assert unknown_words("7 dogs 🪬") == ["7", "🪬"]


def test_the_things_that_sentences_name_are_found():
    wrong = 0
    for seed in range(400):
        scene = scene_of("validation", seed)
        said = things_named(describe(scene, LANGUAGES[seed % 2], seed, 1.0))
        there = [thing.concept for thing in scene.things]
        wrong += len(said) != len(there) or not all(any(t in s for s in said) for t in there)
    assert wrong < 8  # 一面镜子 names noodles; an orange is taken for the colour


@pytest.mark.parametrize(
    ("text", "things"),
    [
        ("马路上有一辆汽车", ["car"]),
        ("a fish under water", ["fish"]),
        ("一件T恤", ["T-shirt"]),
        ("a red and an orange ground", []),
        ("nothing of the world", []),
    ],
)
def test_what_only_holds_a_name_is_none(text, things):
    assert [said[0] for said in things_named(text)] == things
