"""WordNet's nouns: what each word may mean, and how alike two meanings are.

Miller 1995; version 3.0, whose numbers ImageNet's class names ("wnid") are. Read from the files of Debian's package
`wordnet-base`, or of any copy of the database.

Shapes: C meanings that others are compared with.
"""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polysee.errors import DataError

# WordNet's own division of nouns (lexnames(5WN)): animals, artefacts, parts of bodies, food, natural objects, plants.
THINGS = frozenset({5, 6, 8, 13, 17, 20})
SEEN = THINGS | {18, 19}  # persons and phenomena, too


@dataclass(frozen=True)
class Meaning:
    """A set of synonyms, by its number in WordNet; `broader` are the meanings of which it is a kind."""

    words: tuple[str, ...]
    file: int
    broader: tuple[str, ...]


class WordNet:
    """The nouns of a WordNet database.

    Args:
        folder: holds `data.noun` and `index.noun`; by default `POLYSEE_WORDNET` or where Debian puts them.
    Raises:
        DataError: the files are not there.
    """

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or Path(os.environ.get("POLYSEE_WORDNET", "/usr/share/wordnet"))
        try:
            data, index = (
                (folder / name).read_text(encoding="latin-1").splitlines()
                for name in ("data.noun", "index.noun")
            )
        except OSError as error:
            raise DataError(
                f"{folder}: no WordNet database here ({error.strerror}); install Debian's package"
                " wordnet-base, or let POLYSEE_WORDNET name the folder of data.noun and index.noun"
            ) from error
        self.meanings = dict(_meaning(line) for line in data if line[:1].isdigit())
        self.senses = dict(_senses(line) for line in index if not line.startswith(" "))
        self._kinds_of: dict[str, frozenset[str]] = {}
        below = Counter(kind for number in self.meanings for kind in self.kinds_of(number))
        whole = math.log(len(self.meanings)) or 1.0
        # Seco et al. 2004: what has fewer kinds below it says more.
        self.information = {number: 1 - math.log(below[number]) / whole for number in below}

    def things(self) -> dict[str, tuple[str, ...]]:
        """Every word whose first or second meaning is a thing that one can see; with its first four such meanings."""
        found: dict[str, tuple[str, ...]] = {}
        for word, numbers in self.senses.items():
            kept = [number for number in numbers[:4] if self.meanings[number].file in THINGS]
            if set(kept) & set(numbers[:2]):
                found[word] = tuple(kept)
        return found

    def is_seen(self, word: str) -> bool:
        """Whether one can see what the word may mean."""
        return any(self.meanings[number].file in SEEN for number in self.senses[word][:3])

    def kinds_of(self, number: str) -> frozenset[str]:
        """A meaning, and every broader one."""
        if number not in self._kinds_of:
            broader = (self.kinds_of(above) for above in self.meanings[number].broader)
            self._kinds_of[number] = frozenset({number}).union(*broader)
        return self._kinds_of[number]


class Likeness:
    """How alike meanings are to some that are given, in 0-1 by Lin's measure.

    Lin 1998: twice what the narrowest kind that both belong to says, over what each says. It goes by kinds, so a
    pagoda is like a mosque and not like a mandarin.

    Args:
        given: C numbers of meanings.
    """

    def __init__(self, wordnet: WordNet, given: Sequence[str]) -> None:
        self.wordnet = wordnet
        members: defaultdict[str, np.ndarray] = defaultdict(lambda: np.zeros(len(given), bool))
        for column, number in enumerate(given):
            for kind in wordnet.kinds_of(number):
                members[kind][column] = True
        self.members = dict(members)
        self.information = np.array([wordnet.information[number] for number in given])

    def __call__(self, numbers: Sequence[str]) -> np.ndarray:
        """Of a word that may mean each of these: the likeness of its likest meaning. Shapes: returns (C,)."""
        return np.max([self._of(number) for number in numbers], axis=0)

    def _of(self, number: str) -> np.ndarray:
        shared = np.zeros(len(self.information))
        for kind in self.wordnet.kinds_of(number):
            if kind in self.members:
                shared = np.maximum(shared, self.members[kind] * self.wordnet.information[kind])
        return 2 * shared / np.maximum(self.wordnet.information[number] + self.information, 1e-9)


def _meaning(line: str) -> tuple[str, Meaning]:
    """A line of data.noun (wndb(5WN)): number, file, kind, how many words in hexadecimal, words, pointers."""
    fields = line.split("|", 1)[0].split()
    count = int(fields[3], 16)
    words = tuple(fields[4 + 2 * place].replace("_", " ") for place in range(count))
    pointers = fields[5 + 2 * count :]
    broader = tuple(
        pointers[place + 1]
        for place in range(0, len(pointers) - 3, 4)
        if pointers[place] in ("@", "@i") and pointers[place + 2] == "n"
    )
    return fields[0], Meaning(words, int(fields[1]), broader)


def _senses(line: str) -> tuple[str, tuple[str, ...]]:
    """A line of index.noun: word, kind, how many meanings, ..., their numbers, the commonest first."""
    fields = line.split()
    return fields[0].replace("_", " "), tuple(fields[-int(fields[2]) :])
