"""The losses of discrete VAEs, and the figures that say how well one does.

Shapes: B batch, C channels, Y/X rows/columns of pixels, R/S rows/columns of codes, V codes.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F


def squared_error(guess: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """The mean squared difference of pixels: what the peak signal-to-noise ratio is the logarithm of.

    Shapes:
        guess, pixels: (B, C, Y, X)
        returns: ()
    """
    return (guess - pixels).square().mean()


def feature_distance(guess: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """How far two pictures are apart to a network: the squared distance of its features' directions at each place.

    Zhang et al. 2018, equation 1 (https://arxiv.org/abs/1801.03924), all channels counting alike.

    Shapes:
        guess, wanted: (B, D, R, S), of one layer
        returns: (), from 0 to 4
    Example:
        >>> feature_distance(torch.tensor([2.0, 0.0]).view(1, 2, 1, 1), torch.tensor([0.0, 1.0]).view(1, 2, 1, 1))
        tensor(2.)
    """
    guess, wanted = (F.normalize(x.float(), dim=1) for x in (guess, wanted))
    return (guess - wanted).square().sum(1).mean()


def uniform_divergence(log_chances: torch.Tensor) -> torch.Tensor:
    """How far the chances of the codes are from all being equal, in nats for each place of the grid.

    Ramesh et al. 2021, section 2.1 and equation 1 (https://arxiv.org/abs/2102.12092): the prior over codes is uniform.

    Shapes:
        log_chances: (B, V, R, S)
        returns: ()
    Example:
        >>> uniform_divergence(torch.full((1, 4, 1, 1), 0.25).log()).item()
        0.0
    """
    divergence = (log_chances.exp() * (log_chances + math.log(log_chances.shape[1]))).sum(1)
    return divergence.mean()


def signal_to_noise(
    guess: torch.Tensor, image: torch.Tensor, where: torch.Tensor | None = None
) -> torch.Tensor:
    """The peak signal-to-noise ratio of each picture, in decibels.

    Shapes:
        guess, image: (B, C, Y, X), from 0 to 1
        where: (B, Y, X) bool, over which pixels; over all when absent
        returns: (B,); not a number where `where` is empty
    Example:
        >>> round(signal_to_noise(torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.1)).item(), 2)
        20.0
    """
    error = (guess - image).square().mean(1)  # (B, Y, X)
    error = error.mean((1, 2)) if where is None else (error * where).sum((1, 2)) / where.sum((1, 2))
    return -10 * error.clamp(min=1e-10).log10()


def code_usage(codes: torch.Tensor, num_codes: int) -> tuple[float, float]:
    """How many of the codes are used at all, as a share, and the perplexity of their use.

    Shapes:
        codes: any, int64
    Example:
        >>> code_usage(torch.tensor([0, 1, 1, 0]), num_codes=4)
        (0.5, 2.0)
    """
    share = torch.bincount(codes.flatten(), minlength=num_codes).double() / codes.numel()
    entropy = -torch.special.xlogy(share, share).sum()
    return (share > 0).double().mean().item(), round(entropy.exp().item(), 6)
