"""Everyday and less everyday names of things in both languages, and which of ImageNet's classes each is like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polysee.datasets.dictionary import dictionary_lines, translations, word_frequencies
from polysee.datasets.tables import read_rows
from polysee.datasets.wordnet import Likeness, WordNet

# On the Zipf scale: 1.5 is three in a hundred million words, 2.5 is three in ten million.
RARE, RAREST = 2.5, 1.5
LEAST_LIKE = 0.45  # to some class; below it, words rarely name what one can see
MOST_CHINESE = 3  # words for one thing


@dataclass(frozen=True)
class Noun:
    """A thing's names in both languages (perhaps none in one), and its likeness in 0-1 to each class (C,)."""

    english: tuple[str, ...]
    chinese: tuple[str, ...]
    likeness: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.english, *self.chinese)


def nouns(wordnet: WordNet) -> list[Noun]:
    """ImageNet's classes, and every word of WordNet for a thing like one of them that people write of at all.

    Raises:
        DataError: the dictionary or `wordfreq` is absent.
    """
    wordfreq = word_frequencies()
    classes = read_rows("names/imagenet-1k.parquet", ["wnid", "names_en", "names_zh"])
    numbers = [row["wnid"][1:] for row in classes]
    likeness = Likeness(wordnet, numbers)
    found = [
        Noun(tuple(row["names_en"]), tuple(row["names_zh"]), likeness([number]))
        for row, number in zip(classes, numbers, strict=True)
    ]
    named = {name.lower() for noun in found for name in noun.names}
    chinese = translations(dictionary_lines())
    common = wordfreq.get_frequency_dict("zh")
    for word, senses in wordnet.things().items():
        # One character alone is seldom said, and may mean much.
        known = [name for name in chinese.get(word, ()) if len(name) > 1 and name not in named]
        # What a dictionary of the other language has, too, is no curiosity.
        least = RAREST if known else RARE
        if word in named or wordfreq.zipf_frequency(word, "en") < least:
            continue
        known.sort(key=lambda name: -common.get(name, 0))
        noun = Noun((word,), tuple(known[:MOST_CHINESE]), likeness(senses))
        if noun.likeness.max() >= LEAST_LIKE:
            found.append(noun)
    return found
