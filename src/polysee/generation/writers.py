"""A text that is being written, the same to the decoding loops whatever model writes it.

Shapes: B texts, T tokens of a prompt, S tokens of a source, V vocabulary.
"""

from __future__ import annotations

from typing import Protocol

import torch

from polysee.errors import ConfigError
from polysee.layers.attention import Cache, positions_of
from polysee.models.gpt import Gpt
from polysee.models.transformer import Transformer


class Writer(Protocol):
    """What the decoding loops need of a model; `begin` once, then `step` for every further token.

    Attributes:
        room: how many tokens may still be read.
    """

    room: int

    def begin(self) -> torch.Tensor:
        """Read the prompt; the guess at the token after it, logits (B, V)."""

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Read one more token of each text, (B,); the guess at the one after it, logits (B, V)."""

    def select(self, rows: torch.Tensor) -> None:
        """Go on with these texts, in this order; one may stand there more than once."""

    @property
    def prompt(self) -> list[list[int]]:
        """The tokens of each prompt, without padding."""


class GptWriter:
    """A GPT goes on from prompts, which are padded on the left where they differ in length.

    Shapes:
        tokens: (B, T) int64
        mask: (B, T) bool, True for a real token
    Raises:
        ConfigError: a prompt is empty, or leaves no room to write.
    """

    def __init__(self, model: Gpt, tokens: torch.Tensor, mask: torch.Tensor | None = None) -> None:
        self._set_prompt(model.config.context_length, tokens, mask)
        self.model = model
        self.caches = [Cache() for _ in model.blocks]

    def _set_prompt(
        self, context_length: int, tokens: torch.Tensor, mask: torch.Tensor | None
    ) -> None:
        if mask is not None and mask.all():
            mask = None  # nothing to mask: the faster way
        if not tokens.shape[1] or (mask is not None and not mask.any(1).all()):
            raise ConfigError("an empty prompt: there is no token to go on from")
        self.room = context_length - tokens.shape[1]
        if self.room < 1:
            raise ConfigError(
                f"the prompt has {tokens.shape[1]} tokens; the model reads {context_length}"
                " with what it writes"
            )
        self.tokens, self.mask = tokens, mask

    @property
    def prompt(self) -> list[list[int]]:
        if self.mask is None:
            return self.tokens.tolist()
        return [row[kept].tolist() for row, kept in zip(self.tokens, self.mask, strict=True)]

    def begin(self) -> torch.Tensor:
        return self._read(self.tokens)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        if self.mask is not None:
            self.mask = torch.cat([self.mask, self.mask.new_ones(len(tokens), 1)], dim=1)
        self.room -= 1
        return self._read(tokens[:, None])

    def select(self, rows: torch.Tensor) -> None:
        self.tokens = self.tokens[rows]
        self.mask = None if self.mask is None else self.mask[rows]
        for cache in self.caches:
            cache.select(rows)

    def _read(self, tokens: torch.Tensor) -> torch.Tensor:
        places = None
        if self.mask is not None:
            places = positions_of(self.mask)[:, -tokens.shape[1] :]
        hidden = self.model.hidden(tokens, self.mask, positions=places, caches=self.caches)
        return self.model.logits(hidden[:, -1])


class TransformerWriter:
    """The decoder of a Transformer writes while it looks at what the encoder read, which is done once.

    Args:
        start: the tokens that every text begins with, such as the begin token.
    Shapes:
        source: (B, S) int64
        mask: (B, S) bool, True for a real token
    Raises:
        ConfigError: there is nothing to start with.
    """

    def __init__(
        self,
        model: Transformer,
        source: torch.Tensor,
        mask: torch.Tensor | None = None,
        *,
        start: list[int],
    ) -> None:
        if not start:
            raise ConfigError("an empty start: the decoder needs a token to begin with")
        self.model, self.mask, self.start = model, mask, start
        self.memory = model.encode(source, mask)  # (B, S, D)
        self.caches = [(Cache(), Cache()) for _ in model.decoder]
        self.room = model.config.context_length - len(start)

    @property
    def prompt(self) -> list[list[int]]:
        return [self.start] * len(self.memory)

    def begin(self) -> torch.Tensor:
        start = torch.tensor([self.start], device=self.memory.device)
        return self._read(start.expand(len(self.memory), -1))

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        self.room -= 1
        return self._read(tokens[:, None])

    def select(self, rows: torch.Tensor) -> None:
        self.memory = self.memory[rows]
        self.mask = None if self.mask is None else self.mask[rows]
        for own, other in self.caches:
            own.select(rows)
            other.select(rows)

    def _read(self, tokens: torch.Tensor) -> torch.Tensor:
        hidden = self.model.decode(tokens, self.memory, source_mask=self.mask, caches=self.caches)
        return self.model.logits(hidden[:, -1])
