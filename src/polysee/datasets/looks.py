"""What things look like to a classifier that knows ImageNet's classes only.

`looks.tsv` was written for Polysee by a language model from general knowledge, with no picture and no test at hand: of
everyday and less everyday things, their names in both languages, which of the thousand classes a photograph of one
would be taken for, and how surely. WordNet says what kind of thing each is (`datasets.wordnet`), which often looks
otherwise: an okapi is kin to the giraffe, and looks like a zebra.

Shapes: C ImageNet's classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polysee.errors import DataError

LOOKS = Path(__file__).with_name("looks.tsv")


@dataclass(frozen=True)
class Look:
    """A thing's names in both languages, how surely it is taken for its classes (1-3), and these with weights (C,)."""

    english: tuple[str, ...]
    chinese: tuple[str, ...]
    sureness: int
    classes: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.english, *self.chinese)


def looks(classes: dict[str, int], path: Path = LOOKS) -> list[Look]:
    """Every line of the table.

    Args:
        classes: the number of each class, by its English name.
    Raises:
        DataError: a line is none of the table's, or names a class that is not among these.
    """
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            english, chinese, sureness, taken_for = line.split("\t")
            weights = np.zeros(len(classes))
            for one in taken_for.split(", "):
                name, weight = one.rsplit(" ", 1)
                weights[classes[name]] = int(weight)
            if sureness not in ("1", "2", "3"):
                raise ValueError("sureness is 1, 2 or 3")
            found.append(
                Look(_names(english), _names(chinese), int(sureness), weights / weights.sum())
            )
        except (ValueError, KeyError) as error:
            raise DataError(f"{path}, line {number}: {error}: {line!r}") from error
    return found


def _names(joined: str) -> tuple[str, ...]:
    return tuple(name for name in joined.split("|") if name)
