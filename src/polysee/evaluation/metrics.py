"""Recall, accuracy and how sure one may be of them. Pure numpy: no files, no models.

Every function that ranks breaks ties fairly: a target that shares its score with others counts
for the share of orders in which it comes early enough. A model that says the same of everything
therefore scores chance, not 100 %.

Shapes: Q queries, N candidates, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Z_95 = 1.959963984540054  # two-sided 95 % quantile of the normal distribution
RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float


def hits_within(better: np.ndarray, equal: np.ndarray, k: int) -> np.ndarray:
    """The chance that a target stands among the first `k`.

    Args:
        better: how many other candidates score above the target.
        equal: how many other candidates score the same as the target.
        k: how many places count.
    Shapes:
        better, equal: (Q,)
        returns: (Q,), 0 or 1 where there is no tie
    Example:
        >>> hits_within(np.array([0, 5, 4]), np.array([0, 0, 1]), k=5)
        array([1. , 0. , 0.5])
    """
    return np.clip((k - better) / (equal + 1), 0.0, 1.0)


def top_k(scores: np.ndarray, targets: np.ndarray, k: int) -> np.ndarray:
    """Whether each row's target is among its `k` highest scores.

    Shapes:
        scores: (Q, C)
        targets: (Q,), column numbers
        returns: (Q,), in 0-1
    Example:
        >>> top_k(np.array([[0.1, 0.7, 0.2]]), np.array([2]), k=1)
        array([0.])
    """
    own = np.take_along_axis(scores, targets[:, None], axis=1)  # (Q, 1)
    better = (scores > own).sum(axis=1)
    equal = (scores == own).sum(axis=1) - 1  # the target equals itself
    return hits_within(better, equal, k)


def mean_per_class(hits: np.ndarray, classes: np.ndarray) -> float:
    """The mean over classes of the mean over each class's pictures.

    A set where one class fills half the pictures cannot hide the others here.

    Shapes:
        hits, classes: (Q,)
    """
    return float(np.mean(list(per_class(hits, classes).values())))


def per_class(hits: np.ndarray, classes: np.ndarray) -> dict[int, float]:
    """The mean of `hits` for every class that occurs."""
    return {int(c): float(hits[classes == c].mean()) for c in np.unique(classes)}


def wilson(successes: float, count: int) -> Interval:
    """Wilson's score interval of a proportion; sound near 0 and 1 and for small counts.

    Wilson 1927 (https://doi.org/10.1080/01621459.1927.10502953).

    Example:
        >>> interval = wilson(8, 10)
        >>> round(interval.low, 3), round(interval.high, 3)
        (0.49, 0.943)
    """
    if count == 0:
        return Interval(0.0, 1.0)
    share = successes / count
    spread = Z_95 * np.sqrt(share * (1 - share) / count + Z_95**2 / (4 * count**2))
    middle = share + Z_95**2 / (2 * count)
    scale = 1 + Z_95**2 / count
    return Interval(
        float(max(0.0, (middle - spread) / scale)), float(min(1.0, (middle + spread) / scale))
    )


def bootstrap(
    values: np.ndarray, groups: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """The interval of a mean whose values come in groups, by drawing whole groups again.

    Five captions of one picture are not five independent queries: drawing pictures, not captions,
    keeps the interval honest.

    Shapes:
        values, groups: (Q,)
    """
    _, index = np.unique(groups, return_inverse=True)
    sums = np.bincount(index, weights=values)
    counts = np.bincount(index)
    random = np.random.default_rng(seed)
    means = np.empty(resamples)
    for row in range(resamples):
        drawn = random.integers(len(sums), size=len(sums))
        means[row] = sums[drawn].sum() / counts[drawn].sum()
    return _percentiles(means)


def bootstrap_mean_per_class(
    hits: np.ndarray, classes: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """The interval of `mean_per_class`, by drawing again inside every class.

    Shapes:
        hits, classes: (Q,)
    """
    random = np.random.default_rng(seed)
    kinds = np.unique(classes)
    total = np.zeros(resamples)
    for kind in kinds:
        own = hits[classes == kind]
        total += own[random.integers(len(own), size=(resamples, len(own)))].mean(axis=1)
    return _percentiles(total / len(kinds))


def _percentiles(samples: np.ndarray) -> Interval:
    low, high = np.percentile(samples, [2.5, 97.5])
    return Interval(float(low), float(high))


@dataclass(frozen=True)
class Ranking:
    """Where each query's target came: how many candidates beat it, how many equal it."""

    better: np.ndarray
    equal: np.ndarray

    def recall_at(self, k: int) -> np.ndarray:
        """Each query's hit among the first `k`, in 0-1; its mean is R@k."""
        return hits_within(self.better, self.equal, k)


def rank_texts_to_images(
    texts: np.ndarray, images: np.ndarray, owners: np.ndarray, *, block: int = 1024
) -> Ranking:
    """Rank every picture for every caption.

    Args:
        owners: the number of the picture that each caption belongs to.
        block: how many captions are scored at once, which bounds the memory.
    Shapes:
        texts: (Q, E)
        images: (N, E)
        owners: (Q,)
    """
    parts = []
    for start in range(0, len(texts), block):
        scores = texts[start : start + block] @ images.T  # (block, N)
        own = np.take_along_axis(scores, owners[start : start + block, None], axis=1)
        parts.append(((scores > own).sum(axis=1), (scores == own).sum(axis=1) - 1))
    return _join(parts)


def rank_images_to_texts(
    texts: np.ndarray, images: np.ndarray, owners: np.ndarray, *, block: int = 1024
) -> Ranking:
    """Rank every caption for every picture; the best of a picture's own captions is its target.

    Shapes:
        texts: (Q, E)
        images: (N, E), each with at least one caption
        owners: (Q,)
    """
    parts = []
    for start in range(0, len(images), block):
        scores = images[start : start + block] @ texts.T  # (block, Q)
        own = owners[None, :] == np.arange(start, start + len(scores))[:, None]
        best = np.where(own, scores, -np.inf).max(axis=1, keepdims=True)
        parts.append((((scores > best) & ~own).sum(axis=1), ((scores == best) & ~own).sum(axis=1)))
    return _join(parts)


def _join(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> Ranking:
    return Ranking(
        better=np.concatenate([better for better, _ in parts]),
        equal=np.concatenate([equal for _, equal in parts]),
    )
