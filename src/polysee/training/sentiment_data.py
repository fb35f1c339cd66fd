"""What a small model of sentiment learns from: reviews, parts of them, and descriptions that praise nothing."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polysee.datasets.labelled_texts import LabelledTexts, is_held_out, read_labelled_texts
from polysee.datasets.tables import read_rows

LABELS = ("negative", "positive")
UNKNOWN, NEUTRAL = -1, 2
"""Marks in place of a label: only the teacher knows; neither."""
SHORTEST = 12
"""Characters of a part of a review."""

_CUT = re.compile(r"(?<=[,.!?;，。！？；\n])")


@dataclass(frozen=True)
class Reviews:
    """The parts of labelled data sets.

    Args:
        learnt: of all data sets, in one.
        held_out: of each, the part of its train split that nothing is learnt from.
        validation: of each.
    """

    learnt: LabelledTexts
    held_out: dict[str, LabelledTexts]
    validation: dict[str, LabelledTexts]


def read_reviews(names: Sequence[str], held_out: float) -> Reviews:
    """Read data sets with a train and a validation part.

    Args:
        held_out: the share; see `datasets.labelled_texts.is_held_out`.
    Raises:
        DataError: one is absent or not of this form.
    """
    learnt = LabelledTexts([], [], LABELS)
    kept: dict[str, LabelledTexts] = {}
    validation: dict[str, LabelledTexts] = {}
    for name in names:
        found = read_labelled_texts(f"{name}/train", labels=LABELS)
        apart = np.array([is_held_out(text, held_out) for text in found.texts])
        kept[name] = found.rows(np.flatnonzero(apart).tolist())
        some = found.rows(np.flatnonzero(~apart).tolist())
        learnt.texts.extend(some.texts)
        learnt.numbers.extend(some.numbers)
        validation[name] = read_labelled_texts(f"{name}/validation", labels=LABELS)
    return Reviews(learnt, kept, validation)


def parts_of(texts: Sequence[str], each: int, seed: int) -> dict[str, int]:
    """Clauses in a row of texts that have several: what people say of one thing.

    Args:
        each: how many of a text, at most; none of them is the whole text.
    Returns:
        Each part with the number of its text.
    Example:
        >>> parts_of(["The room was clean, the bed was soft. We slept very well."], 1, seed=0)
        {'the bed was soft. We slept very well.': 0}
    """
    draw = random.Random(seed)
    found: dict[str, int] = {}
    for number, text in enumerate(texts):
        clauses = [clause for clause in _CUT.split(text) if clause.strip()]
        for _ in range(each if len(clauses) > 1 else 0):
            first = draw.randrange(len(clauses))
            last = first + draw.randint(1, 3)
            part = "".join(clauses[first:last]).strip()
            if SHORTEST <= len(part) < len(text.strip()):
                found.setdefault(part, number)
    return found


def neutral_texts(count: int, seed: int) -> list[str]:
    """Captions, which say what stands in a picture, in both languages: half of them Chinese."""
    draw = random.Random(seed)
    rows = read_rows("captions/flickr8k/train", ["captions_en", "captions_zh"])
    draw.shuffle(rows)
    texts: dict[str, None] = {}
    for row in rows:
        for column in ("captions_en", "captions_zh"):
            if row[column]:
                texts[draw.choice(row[column])] = None
    return list(texts)[:count]
