"""Make a classifier's probabilities mean what they say, on texts that it did not learn from.

Shapes: N texts, C classes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

BINS = 15


def fit_probabilities(
    logits: torch.Tensor, truth: torch.Tensor, precision: float = 0.0
) -> tuple[float, torch.Tensor, float]:
    """Scale and shift the logits so that the truth becomes likeliest, and find below which chance to say "unsure".

    Platt 1999; of two classes this is his method, of more the one of Guo et al. 2017, section 4.2, with a shift
    (https://arxiv.org/abs/1706.04599).

    Args:
        precision: of the answers that are given, so many are to be right; "unsure" is said of as few as that takes.
    Shapes:
        logits: (N, C), truth: (N,)
        returns: the scale, the shift (C,), and the chance of the likeliest class below which the answer is "unsure"
    Example:
        >>> sure = torch.tensor([[9.0, 0.0], [9.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
        >>> scale, shift, _ = fit_probabilities(sure, torch.tensor([0, 0, 1, 1]))
        >>> scale < 0.5
        True
    """
    logits = logits.detach().double()
    log_scale = torch.zeros((), dtype=torch.float64, requires_grad=True)
    shift = torch.zeros(logits.shape[1], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([log_scale, shift], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        found = (
            F.cross_entropy(log_scale.exp() * logits + shift, truth) + 1e-4 * shift.square().sum()
        )
        found.backward()
        return found

    with torch.enable_grad():
        optimiser.step(loss)
    scale, shift = float(log_scale.detach().exp()), shift.detach()
    chances = (scale * logits + shift).softmax(1)
    return scale, shift.float(), unsure_below(chances.numpy(), truth.numpy(), precision)


def unsure_below(chances: np.ndarray, truth: np.ndarray, precision: float) -> float:
    """The smallest chance of the likeliest class at which the answers at least as likely are right often enough.

    Shapes:
        chances: (N, C), truth: (N,)
    Example:
        >>> chances = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]])
        >>> unsure_below(chances, np.array([0, 0, 1]), precision=0.9)
        0.8
    """
    best = chances.max(1)
    order = np.argsort(-best, kind="stable")
    right = (chances.argmax(1) == truth)[order]
    enough = np.flatnonzero(np.cumsum(right) / np.arange(1, len(right) + 1) >= precision)
    return float(best[order][enough[-1]]) if len(enough) else 1.0


def expected_calibration_error(chances: np.ndarray, truth: np.ndarray) -> float:
    """How far, on average, the chance of what is said is from how often it is right, over bins of equal width.

    Naeini et al. 2015; Guo et al. 2017, section 2.

    Shapes:
        chances: (N, C), truth: (N,)
    Example:
        >>> round(expected_calibration_error(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1])), 2)
        0.4
    """
    best, right = chances.max(1), chances.argmax(1) == truth
    bins = np.minimum((best * BINS).astype(int), BINS - 1)
    error = 0.0
    for number in np.unique(bins):
        inside = bins == number
        error += abs(best[inside].mean() - right[inside].mean()) * inside.mean()
    return float(error)
