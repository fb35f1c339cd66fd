"""A name said in several sentences, and their vectors made one.

The text tower learnt from sentences; a bare "crane" lies off where sentences about cranes
lie, and which "crane" is meant is open. The mean of several plain sentences' vectors is a steadier
query (Radford et al. 2021, section 3.1.4, https://arxiv.org/abs/2103.00020, who use eighty; a few
short ones do most of it). Classification, zero-shot evaluation and searches by one or a few words
share these templates; a model may bring its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from polysee.errors import ConfigError

EmbedText = Callable[[Sequence[str]], np.ndarray]
"""Takes N texts, gives float32 (N, E) of unit length."""

ENGLISH = (
    "{}",
    "a photo of a {}",
    "a picture of {}",
    "there is a {} in the photo",
    "a close-up of a {}",
)
CHINESE = (
    "{}",
    "一张{}的照片",
    "图片里有{}",
    "这是{}",
    "{}的特写",
)
MOST_WORDS, MOST_CHARACTERS = 3, 6

_CHINESE_CHARACTER = re.compile(r"[\u3400-\u9fff]")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def is_chinese(text: str) -> bool:
    """Whether a text is to be met in Chinese: it holds at least one Chinese character.

    Example:
        >>> is_chinese("穿T恤的人"), is_chinese("a cat")
        (True, False)
    """
    return bool(_CHINESE_CHARACTER.search(text))


def is_name(text: str) -> bool:
    """Whether a query is a name or a few words, to be put into sentences, and no sentence itself.

    Example:
        >>> [is_name(text) for text in ("tv monitor", "a cat on a sofa", "公交车", "在睡觉的猫")]
        [True, False, True, False]
    """
    characters = len(_CHINESE_CHARACTER.findall(text))
    if characters:
        return characters <= MOST_CHARACTERS and not re.search("[在着][^\\s]", text)
    return 0 < len(_WORD.findall(text)) <= MOST_WORDS


def sentences(name: str, templates: Sequence[str] | None = None) -> list[str]:
    """The sentences that stand for a name, in its own language.

    Args:
        templates: sentences with `{}` where the name goes; of these, the ones in the name's
            language are used where there are any, else all. None: this module's own.
    Raises:
        ConfigError: a template lacks `{}`.
    Example:
        >>> sentences("猫", ["a photo of a {}", "一张{}的照片"])
        ['一张猫的照片']
        >>> sentences("apple", ["a {}"])
        ['an apple']
    """
    chosen = templates or (CHINESE if is_chinese(name) else ENGLISH)
    for template in chosen:
        if "{}" not in template:
            raise ConfigError(f"the template {template!r} has no {{}} where the name goes")
    same = [one for one in chosen if one == "{}" or is_chinese(one) == is_chinese(name)]
    filled = [_fill(template, name.strip()) for template in same or chosen]
    return list(dict.fromkeys(filled))


def embed_names(
    embed_text: EmbedText, names: Sequence[str], templates: Sequence[str] | None = None
) -> np.ndarray:
    """One vector a name: the mean over its sentences, of unit length.

    Shapes:
        returns: (len(names), E), float32
    """
    groups = [sentences(name, templates) for name in names]
    vectors = embed_text([text for group in groups for text in group]).astype(np.float32)
    starts = np.cumsum([0, *map(len, groups)])[:-1]
    sums = np.add.reduceat(vectors, starts, axis=0)  # (N, E)
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)


def _fill(template: str, name: str) -> str:
    if template != "{}" and re.match(r"(?:a|an|the)\s", name, re.IGNORECASE):
        template = template.replace("a {}", "{}")
    text = template.replace("{}", name)
    return re.sub(rf"\ba (?={re.escape(name)})(?=[aeiou])", "an ", text, flags=re.IGNORECASE)
