"""What a model said before and after it was fine-tuned, side by side.

Shapes: P pictures, N classes, Q captions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polysee.evaluation import metrics
from polysee.evaluation.metrics import Interval, Ranking


@dataclass(frozen=True)
class Figures:
    """Fractions in 0-1 of one model, each with its 95 % interval."""

    values: dict[str, float]
    intervals: dict[str, Interval]


@dataclass(frozen=True)
class Compared:
    """Two models over the same pictures.

    Args:
        main: the name of the figure that counts most.
        gain: of that figure, with the interval of the paired difference.
    """

    main: str
    before: Figures
    after: Figures
    gain: float
    gain_interval: Interval


def compare_classes(before: np.ndarray, after: np.ndarray, truth: np.ndarray) -> Compared:
    """From what two models find probable to figures.

    Shapes:
        before, after: (P, N); truth: (P,)
    """
    first = [metrics.top_k(chances, truth, 1) for chances in (before, after)]
    one, other = (_class_figures(hits, truth) for hits in first)
    return _compared("top1", one, other, first[1] - first[0], np.arange(len(truth)))


def _class_figures(hits: np.ndarray, truth: np.ndarray) -> Figures:
    return Figures(
        {"top1": float(hits.mean()), "mean_per_class": metrics.mean_per_class(hits, truth)},
        {
            "top1": metrics.wilson(float(hits.sum()), len(truth)),
            "mean_per_class": metrics.bootstrap_mean_per_class(hits, truth),
        },
    )


def compare_captions(before: Ranking, after: Ranking, owners: np.ndarray) -> Compared:
    """From where two models rank each caption's picture to figures.

    Shapes:
        owners: (Q,), the picture of each caption
    """
    one, other = (_caption_figures(ranking, owners) for ranking in (before, after))
    difference = after.recall_at(5) - before.recall_at(5)
    return _compared("R@5", one, other, difference, owners)


def _caption_figures(ranking: Ranking, owners: np.ndarray) -> Figures:
    recalls = {f"R@{k}": ranking.recall_at(k) for k in (1, 5, 10)}
    return Figures(
        {name: float(hits.mean()) for name, hits in recalls.items()},
        {name: metrics.bootstrap(hits, owners) for name, hits in recalls.items()},
    )


def _compared(
    main: str, before: Figures, after: Figures, difference: np.ndarray, groups: np.ndarray
) -> Compared:
    interval = metrics.bootstrap(difference, groups)
    return Compared(main, before, after, float(difference.mean()), interval)


def confusion(chances: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How many pictures of each class (row) were taken for each (column).

    Shapes:
        chances: (P, N), truth: (P,)
        returns: (N, N)
    Example:
        >>> confusion(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1]))
        array([[1, 0],
               [1, 0]])
    """
    counts = np.zeros((chances.shape[1],) * 2, dtype=np.int64)
    np.add.at(counts, (truth, chances.argmax(1)), 1)
    return counts
