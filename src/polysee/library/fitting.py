"""Fitting a calibration: logistic regression by Newton's method, the choice of a cut, reliability.

Shapes: M examples, V pieces of evidence, B bins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PENALTY = 1e-3
STEPS = 50


def fit_evidence(evidence: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, float]:
    """`fit_logistic`, but more evidence never speaks against: what would get a negative weight is
    left out, the most negative first.

    Such a weight is a quirk of the examples (a name whose pictures stand in the background, too) and
    does not carry over to other pictures.
    """
    kept = np.arange(evidence.shape[1])
    while True:
        weights, bias = fit_logistic(evidence[:, kept], truth)
        if len(kept) == 1 or weights.min() >= 0:
            break
        kept = np.delete(kept, np.argmin(weights * evidence[:, kept].std(axis=0)))
    result = np.zeros(evidence.shape[1])
    result[kept] = weights
    return result, bias


def fit_logistic(evidence: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and bias that make the truth most likely, with a light penalty on large weights.

    Shapes:
        evidence: (M, V)
        truth: (M,), 0-1
        returns: (V,) and a number
    Example:
        >>> evidence = np.array([[0.0], [0.0], [1.0], [1.0]])
        >>> weights, bias = fit_logistic(evidence, np.array([0, 1, 1, 1]))
        >>> bool(weights[0] > 0)
        True
    """
    mean, deviation = evidence.mean(axis=0), np.maximum(evidence.std(axis=0), 1e-9)
    inputs = np.column_stack([(evidence - mean) / deviation, np.ones(len(evidence))])  # (M, V+1)
    penalty = np.diag([PENALTY] * evidence.shape[1] + [0.0])
    solution = np.zeros(inputs.shape[1])
    for _ in range(STEPS):
        probability = 1 / (1 + np.exp(-np.clip(inputs @ solution, -30, 30)))
        gradient = inputs.T @ (probability - truth) / len(truth) + penalty @ solution
        curvature = (inputs * (probability * (1 - probability))[:, None]).T @ inputs / len(truth)
        step = np.linalg.solve(curvature + penalty + 1e-9 * np.eye(len(solution)), gradient)
        solution -= np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-7:
            break
    weights = solution[:-1] / deviation
    return weights, float(solution[-1] - weights @ mean)


@dataclass(frozen=True)
class Reliability:
    """How often pictures of a given relevance are right.

    Args:
        said: (B,), the mean relevance in each bin.
        found: (B,), the share that is right.
        count: (B,), examples.
        error: the mean gap between both, over all examples (ECE).
    """

    said: np.ndarray
    found: np.ndarray
    count: np.ndarray
    error: float


def reliability(probability: np.ndarray, truth: np.ndarray, *, bins: int = 10) -> Reliability:
    """Compare probabilities with what turned out true, in bins of equal width; none is empty.

    Example:
        >>> round(reliability(np.array([0.9, 0.9, 0.1]), np.array([1, 1, 0])).error, 3)
        0.1
    """
    place = np.minimum((probability * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    used = count > 0
    said = np.bincount(place, weights=probability, minlength=bins)[used] / count[used]
    found = np.bincount(place, weights=truth, minlength=bins)[used] / count[used]
    error = float((count[used] * np.abs(said - found)).sum() / count.sum())
    return Reliability(said, found, count[used], error)
