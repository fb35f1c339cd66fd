"""Sentences about the scenes of `scenes`: true, and worded in many ways, in either language.

Which attributes and whether the background are said is left to chance, so that a model learns each word by itself.
"""

from __future__ import annotations

import functools
import random
import re
from typing import Literal

from polysee.datasets import scenes_words_en, scenes_words_zh
from polysee.datasets.scenes import Scene
from polysee.datasets.scenes_art import Style
from polysee.datasets.scenes_things import concepts
from polysee.datasets.scenes_words_en import EnglishWords
from polysee.datasets.scenes_words_zh import ChineseWords

Language = Literal["english", "chinese"]
LANGUAGES: tuple[Language, Language] = ("english", "chinese")


def describe(scene: Scene, language: Language, seed: int | str, detail: float = 0.6) -> str:
    """One true sentence; another seed words it in another way.

    Args:
        detail: the chance that an attribute, or the background, is said. What was kept for validation or test
            concerns colours, sizes and counts, so measure with 1.
    Example:
        >>> from polysee.datasets.scenes import Background, Relation, Thing
        >>> things = Thing("dog"), Thing("top hat", colour="red")
        >>> worn = Scene(things, (Relation("wearing", 0, 1),), Background("beach"), "noto")
        >>> describe(worn, "english", 0, detail=1.0)
        'a dog in a red top hat on the beach'
        >>> describe(worn, "chinese", 9, detail=1.0)
        '沙滩上的一只戴着一顶红色的礼帽的狗'
    """
    draw = random.Random(f"scene-words-{language}-{seed}")
    words = EnglishWords if language == "english" else ChineseWords
    return words(scene, draw, detail).sentence()


def styled(text: str, style: Style | None) -> str:
    """A sentence as a model reads it that draws in several styles.

    Example:
        >>> styled("a dog", "noto"), styled("a dog", None)
        ('noto: a dog', 'a dog')
    """
    return f"{style}: {text}" if style else text


def unknown_words(prompt: str) -> list[str]:
    """What of a prompt no sentence about scenes ever says, each once, in the order given.

    Chinese is cut into the longest words known, from the left; what is left over is unknown. So are numbers in digits,
    and emoji; see `scenes_prompts` for those that can be said in words.

    Example:
        >>> unknown_words("two dogs wearing a fez"), unknown_words("一只戴着斗笠的狗")
        (['fez'], ['斗笠'])
        >>> unknown_words("100个杯子")
        ['100', '杯子']
    """
    english, chinese = _known_words()
    longest = max(map(len, chinese))
    found: list[str] = []
    for word in chinese:
        if not word[0] >= "\u3400":  # T恤 is one word
            prompt = prompt.replace(word, " ")
    for run in re.findall(
        r"[\u3400-\u9fff]+|\d+|[^\W\d_\u3400-\u9fff]+(?:['’-][^\W\d_\u3400-\u9fff]+)*|[^\W_]|[\U0001f000-\U0001ffff]+",
        prompt,
    ):
        if not re.match(r"[\u3400-\u9fff]", run):
            if re.sub("['’]s$", "", run.lower()) not in english:
                found.append(run)
            continue
        start = rest = 0
        while start < len(run):
            lengths = range(min(longest, len(run) - start), 0, -1)
            length = next((n for n in lengths if run[start : start + n] in chinese), 0)
            if length and rest < start:
                found.append(_whole_word(run, rest, start))
            start += length or 1
            rest = start if length else rest
        if rest < len(run):
            found.append(_whole_word(run, rest, len(run)))
    return list(dict.fromkeys(found))


def _whole_word(run: str, start: int, end: int) -> str:
    """What was left over, with what goes before an ending that is no word."""
    return run[max(0, start - 1) : end] if run[start:end] in ("子", "儿", "咪") else run[start:end]


def name_of(concept: str, language: Language) -> str:
    """The plainest name of a thing.

    Example:
        >>> name_of("dog", "chinese")
        '狗'
    """
    words = concepts()[concept]
    return words.english[0].one if language == "english" else words.chinese[0].word


def things_named(text: str) -> list[tuple[str, ...]]:
    """The concepts that a text names, in its order, each once; several where a word means any of them.

    Example:
        >>> things_named("two dogs and a robot"), things_named("一只戴着礼帽的狗")
        ([('dog',), ('robot',)], [('top hat',), ('dog',)])
        >>> things_named("a hat")
        [('top hat', 'sun hat', 'cap', 'graduation cap')]
    """
    found = (_names().get(name.group().lower()) for name in _any_name().finditer(text))
    return list(dict.fromkeys(filter(None, found)))


@functools.cache
def _names() -> dict[str, tuple[str, ...]]:
    """What each name can mean, in both languages."""
    meant: dict[str, list[str]] = {}
    for concept in concepts().values():
        words = [word.word.lower() for word in concept.chinese]
        for english in concept.english:
            words += [english.one.lower(), english.many.lower()]
        for word in dict.fromkeys(words):
            meant.setdefault(word, []).append(concept.name)
    del meant["orange"]  # in most sentences it is the colour
    return {word: tuple(names) for word, names in meant.items()}


@functools.cache
def _any_name() -> re.Pattern[str]:
    """The longest name that begins at a place, or what holds a name and is none: 前面, "under water"."""
    phrases = [p for p in (*scenes_words_zh.phrases(), *scenes_words_en.phrases()) if "{" not in p]
    others = [phrase for phrase in phrases if len(phrase) > 1 and phrase.lower() not in _names()]
    every = "|".join(sorted(map(re.escape, (*_names(), *others)), key=len, reverse=True))
    return re.compile(rf"(?<![A-Za-z])(?:{every})(?![A-Za-z])", re.IGNORECASE)


@functools.cache
def _known_words() -> tuple[frozenset[str], frozenset[str]]:
    """The words of both languages: of the concepts, and of everything that is said about them."""
    english: set[str] = set()
    chinese: set[str] = set()
    for concept in concepts().values():
        english.update(f"{word.one} {word.many} {word.unit}" for word in concept.english)
        for word in concept.chinese:
            chinese.update((word.word, *word.measures))
    english.update(scenes_words_en.phrases())
    english = {
        word
        for phrase in english
        for word in re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", phrase.lower())
    }
    english |= {f"{word}s" for word in english if len(word) > 2}
    for phrase in scenes_words_zh.phrases():
        chinese.update(re.findall(r"[\u3400-\u9fff]+", phrase))
    return frozenset(english), frozenset(chinese)
