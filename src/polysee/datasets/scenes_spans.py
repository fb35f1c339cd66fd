"""Sentences about scenes, and which of their words are about which thing."""

from __future__ import annotations

import random

from polysee.datasets.scenes import Scene
from polysee.datasets.scenes_words import Language
from polysee.datasets.scenes_words_en import EnglishWords
from polysee.datasets.scenes_words_zh import ChineseWords

_FIRST = 0xE000  # characters for private use, which no sentence holds: they mark where a thing's words begin
_CLOSE = "\uf8ff"


def describe_with_owners(
    scene: Scene, language: Language, seed: int | str, detail: float = 0.6, ground: bool = True
) -> tuple[str, list[int]]:
    """The sentence of `scenes_words.describe`, and for each of its characters the number of a thing; -1 for none.

    Args:
        ground: whether the background may be said.
    Example:
        >>> from polysee.datasets.scenes import Background, Relation, Thing
        >>> beside = Scene((Thing("dog"), Thing("car")), (Relation("on", 0, 1),), Background("beach"), "noto")
        >>> text, owners = describe_with_owners(beside, "english", 3, detail=0.0)
        >>> text, "".join("-01"[owner + 1] for owner in owners)
        ('a car with a dog on it', '11111------00000------')
    """
    draw = random.Random(f"scene-words-{language}-{seed}")
    words = _English if language == "english" else _Chinese
    text, owners, inside = [], [], [-1]
    for character in words(scene, draw, detail, ground).sentence():
        if character == _CLOSE:
            inside.pop()
        elif _FIRST <= ord(character) < ord(_CLOSE):
            inside.append(ord(character) - _FIRST)
        else:
            text.append(character)
            owners.append(inside[-1])
    return "".join(text), owners


class _English(EnglishWords):
    def noun(self, index: int) -> str:
        return _marked(index, super().noun(index))


class _Chinese(ChineseWords):
    def noun(self, index: int, *, bare: bool = False, doing: str = "") -> str:
        return _marked(index, super().noun(index, bare=bare, doing=doing))


def _marked(index: int, words: str) -> str:
    return f"{chr(_FIRST + index)}{words}{_CLOSE}"
