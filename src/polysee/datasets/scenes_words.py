"""Sentences about the scenes of `scenes`: true, and worded in many ways, in either language.

Which attributes and whether the background are said is left to chance, so that a model learns each word by itself.
"""

from __future__ import annotations

import random
from typing import Literal

from polysee.datasets.scenes import Scene
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
