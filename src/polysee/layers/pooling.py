"""From a vector for every token to one for the whole text.

Shapes: B batch, T tokens, D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable

import torch


def first_token(hidden: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """The first token's vector, (B, D), which BERT calls [CLS]."""
    return hidden[:, 0]


def mean_token(hidden: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """The mean over the real tokens, (B, D).

    Shapes:
        hidden: (B, T, D)
        mask: (B, T) bool, True for a real token
        returns: (B, D)
    """
    if mask is None:
        return hidden.mean(1)
    real = mask[..., None].to(hidden.dtype)  # (B, T, 1)
    return (hidden * real).sum(1) / real.sum(1).clamp(min=1)


POOLINGS: dict[str, Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]] = {
    "first": first_token,
    "mean": mean_token,
}
