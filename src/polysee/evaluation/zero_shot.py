"""Naming pictures by words alone: the loop of `polysee eval zero-shot`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from polysee.errors import DataError
from polysee.evaluation import metrics
from polysee.evaluation.metrics import Interval
from polysee.evaluation.pictures import (
    BATCH_SIZE,
    PictureEmbedder,
    Progress,
    embed_rows,
    find_data,
    read_column,
)
from polysee.media.files import Remark


class LabelEmbedder(PictureEmbedder, Protocol):
    """A picture embedder that also turns names of things into vectors, and says how well they fit."""

    def embed_labels(
        self, labels: Sequence[str], templates: Sequence[str] | None = None, /
    ) -> np.ndarray: ...

    def compare(self, pictures: np.ndarray, labels: np.ndarray, /) -> np.ndarray: ...


@dataclass(frozen=True)
class ZeroShotResult:
    """Fractions in 0-1 over `count` pictures, each with its 95 % interval."""

    top1: float
    top5: float
    mean_per_class: float
    count: int
    classes: int
    per_class: dict[str, float]
    intervals: dict[str, Interval]
    failed: list[Remark]


def evaluate_zero_shot(
    embedder: LabelEmbedder,
    data: str | Path,
    labels: str,
    *,
    templates: Sequence[str] | None = None,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> ZeroShotResult:
    """Give every picture the fittest of the column's distinct values.

    Args:
        data: a parquet file with an `image` column, by its path or by that under `POLYSEE_DATA`.
        labels: the column that holds each picture's true name; its distinct values are the choices.
        templates: sentences with `{}` where the name goes; the model's own if None.
    Raises:
        DataError: the file or the column is not of that form.
    """
    data = find_data(data)
    names, targets, rows = read_labels(data, labels)
    words = embedder.embed_labels(names, templates)  # (C, E)
    pictures = embed_rows(embedder, data, rows, batch_size=batch_size, progress=progress)
    truth = targets[np.searchsorted(rows, pictures.rows)]
    scores = embedder.compare(pictures.embeddings, words)
    return summarise(scores, truth, names, pictures.failed)


def read_labels(data: Path, column: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The distinct names in sorted order, each labelled row's name by number, and the rows.

    Rows without a name are left out.
    """
    values = read_column(data, column)
    if not pa.types.is_string(values.type):
        raise DataError(
            f"{data}: the column {column!r} holds {values.type}, and labels must be words; "
            "choose a column of strings"
        )
    words = values.to_pylist()
    rows = np.array(
        [row for row, word in enumerate(words) if word and word.strip()], dtype=np.int64
    )
    names = sorted({words[row] for row in rows})
    if len(names) < 2:
        raise DataError(f"{data}: the column {column!r} needs at least two distinct values")
    number = {name: index for index, name in enumerate(names)}
    return names, np.array([number[words[row]] for row in rows]), rows


def summarise(
    scores: np.ndarray, truth: np.ndarray, names: Sequence[str], failed: list[Remark]
) -> ZeroShotResult:
    """From scores (N, C) and true columns (N,) to the figures."""
    first, five = metrics.top_k(scores, truth, 1), metrics.top_k(scores, truth, 5)
    return ZeroShotResult(
        top1=float(first.mean()),
        top5=float(five.mean()),
        mean_per_class=metrics.mean_per_class(first, truth),
        count=len(truth),
        classes=len(names),
        per_class={names[c]: share for c, share in metrics.per_class(first, truth).items()},
        intervals={
            "top1": metrics.wilson(float(first.sum()), len(truth)),
            "top5": metrics.wilson(float(five.sum()), len(truth)),
            "mean_per_class": metrics.bootstrap_mean_per_class(first, truth),
        },
        failed=failed,
    )
