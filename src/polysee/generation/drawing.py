"""Draw the codes of pictures, one after the other, steered by a text.

Shapes: B pictures, T text tokens, N codes of a picture, K codes that there are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn import functional as F

from polysee.errors import ConfigError
from polysee.generation.sampling import Decoding, Sampler
from polysee.generation.stepping import Map, Stepper
from polysee.layers.attention import Cache
from polysee.models.dalle import Dalle, attention_mask

MOST_GUIDANCE = 100.0


class Text(NamedTuple):
    """A text for every picture: tokens (B, T) int64, mask (B, T) bool with True for a real token."""

    tokens: torch.Tensor
    mask: torch.Tensor


class Given(NamedTuple):
    """Codes that stand already: codes (B, N) int64, fixed (B, N) bool with True for those that are kept."""

    codes: torch.Tensor
    fixed: torch.Tensor

    @property
    def start(self) -> int:
        """How many codes can be read at once: those that are fixed, where they are the first of every picture.

        Scattered ones are read one by one, so that what is drawn between them does not depend on the batch.
        """
        count = int(self.fixed[0].sum())
        first = torch.arange(self.fixed.shape[1], device=self.fixed.device) < count
        return count if bool((self.fixed == first).all()) else 0


def draw_codes(
    model: Dalle,
    text: Text,
    decoding: Decoding,
    *,
    guidance: float = 1.0,
    away_from: Text | None = None,
    given: Given | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> torch.Tensor:
    """Draw pictures; row i is drawn with the seed `decoding.seed` + i, whatever else is in the batch.

    Args:
        decoding: temperature, `top_k`, `top_p` and seed; the rest has no meaning here.
        guidance: how much further than the text says to go from what would be drawn without it. Ho and Salimans 2022
            (https://arxiv.org/abs/2207.12598), who do so in diffusion; 1 is the text alone, and costs half.
        away_from: what not to draw, in the place of no text at all.
        given: codes that are kept; the others are drawn as what came before them wants it.
        progress: called with the number of codes drawn and their number in all.
    Shapes:
        returns: (B, N) int64
    Raises:
        ConfigError: a text is too long, or the guidance is no number from 0 to 100.
    """
    if not 0 <= guidance <= MOST_GUIDANCE:
        raise ConfigError(f"guidance is out of range: {guidance}")
    guided = guidance != 1
    with torch.inference_mode():
        writer = _Painter(model, text, _other(text, away_from) if guided else None)
        count, total = len(text.tokens), model.config.picture_length
        codes = torch.zeros(count, 0, dtype=torch.long, device=text.tokens.device)
        hidden = writer.start()
        if given is not None and given.start:
            codes = given.codes[:, : given.start]
            hidden = writer.read(codes)
        sampler = Sampler(decoding, count, text.tokens.device)
        guess = Map.of(model.code_output, rows=len(hidden))
        while codes.shape[1] < total:
            logits = guess(hidden)
            if guided:
                wanted, other = logits.chunk(2)
                logits = other + guidance * (wanted - other)
            drawn = sampler(logits, [[]] * count)[:, None]  # (B, 1)
            if given is not None:
                place = slice(codes.shape[1], codes.shape[1] + 1)
                drawn = torch.where(given.fixed[:, place], given.codes[:, place], drawn)
            codes = torch.cat([codes, drawn], dim=1)
            if codes.shape[1] < total:
                hidden = writer.read(drawn)
            if progress is not None:
                progress(codes.shape[1], total)
        return codes


@torch.inference_mode()
def told_by(model: Dalle, text: Text, codes: torch.Tensor) -> torch.Tensor:
    """How much a text tells of pictures: the mean over codes of log p(code | text) - log p(code | no text), in nats.

    By Bayes' rule the sum of these is log p(text | picture), less what the text is worth by itself: so of several
    pictures the one that the text fits best has the most.

    Shapes:
        codes: (B, N) int64
        returns: (B,)
    """
    untold = Text(text.tokens, torch.zeros_like(text.mask))
    with_text, without = (
        -F.cross_entropy(model(*told, codes).codes.movedim(2, 1), codes, reduction="none")
        for told in (text, untold)
    )
    return (with_text - without).mean(1)


class _Painter:
    """The model with what it has read: the texts, and below them those to be kept away from."""

    def __init__(self, model: Dalle, text: Text, other: Text | None) -> None:
        self.model, self.twice = model, other is not None
        self.caches = [Cache() for _ in model.blocks]
        read = model.read_text(*text)
        if other is not None:
            read = torch.cat([read, model.read_text(*other)])
        self._last = model.hidden(read, self.caches)[:, -1]
        self._drawn = 0
        self._step = Stepper(model.blocks, model.norm, len(read))
        config = model.config
        patterns = [config.pattern(layer) for layer in range(config.num_layers)]
        self._masks = [
            None
            if pattern == "full"  # a token that is new sees all before it
            else attention_mask(
                pattern, config.context_length, config.dvae.grid_size, config.reach
            ).to(read.device)
            for pattern in patterns
        ]

    def start(self) -> torch.Tensor:
        """What is known after the text alone: (B, D), twice B where there are other texts."""
        return self._last

    def read(self, codes: torch.Tensor) -> torch.Tensor:
        """Read codes (B, any) and say what is known after the last."""
        x = self.model.read_codes(codes, self._drawn)
        self._drawn += codes.shape[1]
        x = torch.cat([x, x]) if self.twice else x
        if codes.shape[1] == 1:
            place = len(self.caches[0])
            masks = [
                None if mask is None else mask[place : place + 1, : place + 1]
                for mask in self._masks
            ]
            return self._step(x[:, 0], self.caches, masks)
        return self.model.hidden(x, self.caches)[:, -1]


def _other(text: Text, away_from: Text | None) -> Text:
    if away_from is not None:
        return away_from
    return Text(text.tokens, torch.zeros_like(text.mask))
