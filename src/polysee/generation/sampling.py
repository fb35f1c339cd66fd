"""How the next token is drawn from the guesses.

Shapes: B texts, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from polysee.errors import ConfigError

COLDEST = 1e-3  # temperatures below it are none
_FEW = 256  # tokens that are sorted at first


@dataclass(frozen=True)
class Decoding:
    """How a text is written.

    Args:
        max_tokens: the most tokens that are written.
        temperature: what logits are divided by before drawing; 0, or less than `COLDEST`, takes the likeliest
            token, always.
        top_k: draw from the k likeliest tokens; 0 for all.
        top_p: draw from the fewest tokens that together are this likely: the nucleus.
        repetition_penalty: how much less likely a token is made that stands in the text already; 1 for not at all.
        beams: how many texts are followed at once, of which the likeliest is taken; 1 for just one.
        length_penalty: the power of a text's length that its log-probability is divided by, among beams.
        seed: the same seed draws the same text.
        end: the token that ends a text, which is not part of what is returned.
    Raises:
        ConfigError: a value is out of range, or beams are to be drawn.
    """

    max_tokens: int = 128
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    beams: int = 1
    length_penalty: float = 1.0
    seed: int = 0
    end: int | None = None

    def __post_init__(self) -> None:
        ranges = {
            "max_tokens": self.max_tokens >= 1,
            "temperature": math.isfinite(self.temperature) and self.temperature >= 0,
            "top_k": self.top_k >= 0,
            "top_p": 0 < self.top_p <= 1,
            "repetition_penalty": math.isfinite(self.repetition_penalty)
            and self.repetition_penalty > 0,
            "beams": self.beams >= 1,
            "length_penalty": math.isfinite(self.length_penalty),
        }
        for name, right in ranges.items():
            if not right:
                raise ConfigError(f"{name} is out of range: {getattr(self, name)}")
        if self.beams > 1 and self.temperature:
            raise ConfigError("beams are not drawn: leave temperature at 0, or beams at 1")


def penalise_repetition(
    logits: torch.Tensor, texts: Sequence[Sequence[int]], penalty: float
) -> torch.Tensor:
    """Make tokens that stand in a text already less likely there.

    Keskar et al. 2019, section 4.1 (https://arxiv.org/abs/1909.05858): what is positive is divided, what is negative
    multiplied.

    Shapes:
        logits: (B, V)
        returns: (B, V)
    """
    if penalty == 1:
        return logits
    logits = logits.clone()
    for row, text in zip(logits, texts, strict=True):
        seen = torch.tensor(sorted(set(text)), dtype=torch.long, device=logits.device)
        values = row[seen]
        row[seen] = torch.where(values > 0, values / penalty, values * penalty)
    return logits


def keep_top_k(logits: torch.Tensor, k: int) -> torch.Tensor:
    """Rule out all but the k likeliest tokens: (B, V) to (B, V).

    Fan et al. 2018, section 5.4 (https://arxiv.org/abs/1805.04833).
    """
    if not 0 < k < logits.shape[-1]:
        return logits
    least = logits.topk(k).values[:, -1:]
    return logits.masked_fill(logits < least, -torch.inf)


def keep_top_p(logits: torch.Tensor, p: float) -> torch.Tensor:
    """Rule out all but the fewest tokens whose probabilities reach p together: (B, V) to (B, V).

    Holtzman et al. 2020, section 3.1 (https://arxiv.org/abs/1904.09751). The likeliest token is always kept.
    """
    if p >= 1:
        return logits
    chances = logits.softmax(-1)
    for count in (_FEW, logits.shape[-1]):  # few are soon sorted, and mostly enough
        likely = chances.topk(min(count, logits.shape[-1])).values
        before = likely.cumsum(-1) - likely  # how likely all those are that are likelier
        if bool((before[:, -1] >= p).all()):
            break
    kept = (before < p).sum(-1, keepdim=True)
    least = likely.gather(1, kept - 1)
    more, equal = chances > least, chances == least
    # Of equals the first: so a row does not depend on how many were sorted for the others.
    equal &= equal.cumsum(-1) <= kept - more.sum(-1, keepdim=True)
    return logits.masked_fill(~(more | equal), -torch.inf)


class Sampler:
    """Draws the next token of every text, each from a generator of its own: row i is seeded with `seed` + i.

    So a text does not depend on what else is in the batch.
    """

    def __init__(self, decoding: Decoding, count: int, device: torch.device) -> None:
        self.decoding = decoding
        self.generators = [
            torch.Generator(device).manual_seed(decoding.seed + i) for i in range(count)
        ]

    def __call__(self, logits: torch.Tensor, texts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Shapes: logits (B, V); returns tokens (B,)."""
        decoding = self.decoding
        logits = penalise_repetition(logits, texts, decoding.repetition_penalty)
        if decoding.temperature < COLDEST:
            return logits.argmax(-1)
        logits = keep_top_k(logits / decoding.temperature, decoding.top_k)
        chances = keep_top_p(logits, decoding.top_p).softmax(-1)
        drawn = [
            row.multinomial(1, generator=generator)
            for row, generator in zip(chances, self.generators, strict=True)
        ]
        return torch.cat(drawn)
