"""Everyday and less everyday names of things in both languages, and which of ImageNet's classes each is taken for.

Shapes: C ImageNet's classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from polysee.datasets.dictionary import dictionary_lines, translations, word_frequencies
from polysee.datasets.looks import Look, looks
from polysee.datasets.tables import read_rows
from polysee.datasets.wordnet import Likeness, WordNet

# On the Zipf scale: 1.5 is three in a hundred million words, 2.5 is three in ten million.
RARE, RAREST = 2.5, 1.5
LEAST_LIKE = 0.45  # to some class; below it, words rarely name what one can see
MOST_CHINESE = 3  # words for one thing
SPREAD = 0.06  # how much less alike a class may be and still count a third as much
UNLIKE, ALIKE = 0.4, 0.8  # likeness up to which a name stays, and from which on it moves wholly
SURE = (0.5, 1.0, 1.5)  # how far a name moves that is taken for its classes hardly, perhaps, surely


@dataclass(frozen=True)
class Noun:
    """A thing's names in both languages (perhaps none in one), and what a picture of it is taken for.

    Args:
        classes: (C,), of sum one.
        share: of their place, beside the name's own of length one.
        told: by somebody who knows what it looks like, where others go by its kind.
    """

    english: tuple[str, ...]
    chinese: tuple[str, ...]
    classes: np.ndarray
    share: float
    told: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.english, *self.chinese)


def nouns(wordnet: WordNet) -> list[Noun]:
    """ImageNet's classes, things whose look is told, and every other word of WordNet for a thing like a class.

    Of the words, those that people write of at all. A name is of one thing only, the first that has it.

    Raises:
        DataError: the dictionary or `wordfreq` is absent.
    """
    classes = read_rows("names/imagenet-1k.parquet", ["wnid", "names_en", "names_zh"])
    numbers = [row["wnid"][1:] for row in classes]
    likeness = Likeness(wordnet, numbers)
    found = [
        like_classes(tuple(row["names_en"]), tuple(row["names_zh"]), likeness([number]))
        for row, number in zip(classes, numbers, strict=True)
    ]
    told = looks({row["names_en"][0]: number for number, row in enumerate(classes)})
    found += _without([_told(look) for look in told], _lower(found))
    return found + _words(wordnet, likeness, _lower(found))


def like_classes(english: tuple[str, ...], chinese: tuple[str, ...], likeness: np.ndarray) -> Noun:
    """A thing of which is known how alike it is to each class, (C,) in 0-1."""
    weights = np.exp((likeness - likeness.max()) / SPREAD)
    share = np.clip((likeness.max() - UNLIKE) / (ALIKE - UNLIKE), 0, 1)
    return Noun(english, chinese, weights / weights.sum(), float(share))


def _told(look: Look) -> Noun:
    return Noun(look.english, look.chinese, look.classes, SURE[look.sureness - 1], told=True)


def _without(things: Iterable[Noun], named: set[str]) -> list[Noun]:
    """The things less the names that others have."""
    return [
        Noun(
            tuple(name for name in thing.english if name.lower() not in named),
            tuple(name for name in thing.chinese if name.lower() not in named),
            thing.classes,
            thing.share,
            thing.told,
        )
        for thing in things
    ]


def _words(wordnet: WordNet, likeness: Likeness, named: set[str]) -> list[Noun]:
    """WordNet's words with the dictionary's, less the names that others have."""
    wordfreq = word_frequencies()
    chinese = translations(dictionary_lines())
    common = wordfreq.get_frequency_dict("zh")
    found = []
    for word, senses in wordnet.things().items():
        # One character alone is seldom said, and may mean much.
        known = [name for name in chinese.get(word, ()) if len(name) > 1 and name not in named]
        # What a dictionary of the other language has, too, is no curiosity.
        least = RAREST if known else RARE
        if word in named or wordfreq.zipf_frequency(word, "en") < least:
            continue
        known.sort(key=lambda name: -common.get(name, 0))
        alike = likeness(senses)
        if alike.max() >= LEAST_LIKE:
            found.append(like_classes((word,), tuple(known[:MOST_CHINESE]), alike))
    return found


def _lower(things: Iterable[Noun]) -> set[str]:
    return {name.lower() for thing in things for name in thing.names}
