"""Texts with a label each, from parquet, and the part of them that is held out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polysee.datasets.tables import read_table
from polysee.errors import DataError


@dataclass(frozen=True)
class LabelledTexts:
    """Texts and the number of each one's label.

    Args:
        labels: the names, in order: what a number means.
    """

    texts: list[str]
    numbers: list[int]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def rows(self, rows: Sequence[int]) -> LabelledTexts:
        """Some of them."""
        return LabelledTexts(
            [self.texts[i] for i in rows], [self.numbers[i] for i in rows], self.labels
        )


def read_labelled_texts(
    name: str | Path, text: str = "text", label: str = "label", labels: Sequence[str] = ()
) -> LabelledTexts:
    """Read a data set.

    Args:
        text, label: the columns; a label is a string, a whole number or a truth value.
        labels: the names that are expected, in order; those that stand in the column, in order, when empty. A column
            that holds only 0 and 1, or truth values, means the first and the second of two.
    Raises:
        DataError: the file or a column is absent, a row has no text or no label, or a label is not expected.
    """
    table = read_table(name, [text, label])
    texts, values = (table.column(column).to_pylist() for column in (text, label))
    if not texts:
        raise DataError(f"{name}: no rows")
    for column, found in ((text, texts), (label, values)):
        absent = next((i for i, value in enumerate(found) if value is None), None)
        if absent is not None:
            raise DataError(f"{name}: row {absent + 1} has no {column}")
    if not all(isinstance(one, str) for one in texts):
        raise DataError(f"{name}: column {text} holds no texts")
    if not all(isinstance(value, str | int) for value in values):
        raise DataError(f"{name}: column {label} holds neither names nor whole numbers")
    names = tuple(labels) or tuple(_ordered(set(values)))
    if len(names) == 2 and set(values) <= {0, 1}:
        return LabelledTexts(texts, [int(value) for value in values], names)
    place = {one: number for number, one in enumerate(names)}
    unknown = next((value for value in values if str(value) not in place), None)
    if unknown is not None:
        raise DataError(f"{name}: {unknown!r} is none of the labels {', '.join(names)}")
    return LabelledTexts(texts, [place[str(value)] for value in values], names)


def is_held_out(text: str, share: float) -> bool:
    """Whether a text is of the part that is not learnt from; it depends on the text alone.

    Example:
        >>> sum(is_held_out(f"text {number}", 0.1) for number in range(1000))
        87
    """
    digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32


def _ordered(values: set[str | int]) -> list[str]:
    """Numbers by size, names by the alphabet."""
    return [str(value) for value in sorted(values, key=lambda v: (isinstance(v, str), v))]
