"""Sort every text of a parquet file, and compare with its label.

Shapes: N texts, C labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polysee.datasets.labelled_texts import LabelledTexts, read_labelled_texts
from polysee.evaluation.metrics import Interval, wilson
from polysee.inference import TextClassifier
from polysee.training.probabilities import expected_calibration_error

Progress = Callable[[int, int], None]
"""Called with what is done and the total."""

STEP = 256


@dataclass(frozen=True)
class TextsResult:
    """How well a model sorts texts.

    Args:
        accuracy: of the likeliest label, whether or not it is sure enough to be given.
        ece: the expected calibration error over 15 bins of equal width.
        count: of texts.
        answered: the share of texts that are not "unsure", and `answered_accuracy` the share of them that is right.
        labels: the names; `confusion`: how many of each (row) were taken for each (column).
    """

    accuracy: float
    ece: float
    count: int
    answered: float
    answered_accuracy: float
    labels: list[str]
    confusion: list[list[int]]
    intervals: dict[str, Interval]


def evaluate_texts(
    model: TextClassifier, data: Path, text: str, label: str, *, progress: Progress | None = None
) -> TextsResult:
    """Sort the texts of a file.

    Args:
        text, label: its columns. Labels are the model's own names, or 0 and 1 for the first and the second of two.
    Raises:
        DataError: the file or a column is absent, or a label is none of the model's.
    """
    found = read_labelled_texts(data, text, label, model.labels)
    return judge_texts(model, found, progress)


def judge_texts(
    model: TextClassifier, found: LabelledTexts, progress: Progress | None = None
) -> TextsResult:
    """As `evaluate_texts`, of texts that have been read."""
    parts = []
    for start in range(0, len(found), STEP):
        parts.append(model.classify(found.texts[start : start + STEP]))
        if progress:
            progress(min(start + STEP, len(found)), len(found))
    chances, truth = np.concatenate(parts), np.array(found.numbers)
    return result_of(chances, truth, list(model.labels), model.unsure_below)


def result_of(
    chances: np.ndarray, truth: np.ndarray, labels: list[str], unsure_below: float
) -> TextsResult:
    """The figures.

    Shapes:
        chances: (N, C), truth: (N,)
    """
    said = chances.argmax(1)
    right, sure = said == truth, chances.max(1) >= unsure_below
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(confusion, (truth, said), 1)
    return TextsResult(
        accuracy=float(right.mean()),
        ece=expected_calibration_error(chances, truth),
        count=len(truth),
        answered=float(sure.mean()),
        answered_accuracy=float(right[sure].mean()) if sure.any() else 0.0,
        labels=labels,
        confusion=confusion.tolist(),
        intervals={
            "accuracy": wilson(float(right.sum()), len(right)),
            "answered_accuracy": wilson(float(right[sure].sum()), int(sure.sum())),
        },
    )
