"""DALL-E: one Transformer reads a text and goes on with the codes of a picture.

Ramesh et al. 2021, section 2.2 and appendix B (https://arxiv.org/abs/2102.12092). The text is filled up to a fixed
length with a learnt padding for each place, then come the codes of the discrete VAE, row after row; each token sees
what came before it, of the picture perhaps only a part: its row, its column or its neighbourhood. The VAE is part of
the model here, so that a folder holds all that drawing needs. Between text and picture a layout may stand, which says
what is drawn where; see `models.layout`.

Shapes: B batch, T text tokens given, L text places, P layout places (none without layouts), N codes of a picture, S all
tokens so far, D hidden size, V text vocabulary, U layout vocabulary, K codes that there are, C channels, Y/X
rows/columns of pixels, R rows and columns of codes.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from polysee.errors import ConfigError
from polysee.layers.attention import Cache
from polysee.layers.block import Block
from polysee.layers.initialise import initialise
from polysee.layers.sizes import check_sizes
from polysee.models.dvae import Dvae, DvaeConfig
from polysee.models.layout import END, Layout, LayoutConfig

PATTERNS = ("full", "row", "column", "neighbourhood")


@dataclass(frozen=True)
class DalleConfig:
    """The sizes of a DALL-E.

    Args:
        dvae: of the discrete VAE, whose codes are drawn.
        vocab_size: V.
        context_length: L.
        patterns: what of the picture the layers see, over and over; the names are those of `PATTERNS`.
        last_pattern: what the last layer sees.
        reach: of "neighbourhood": how many rows and columns away it ends.
        layout: of the layouts between text and picture; None for none, as in the paper.
    """

    dvae: DvaeConfig = field(default_factory=DvaeConfig)
    vocab_size: int = 4000
    context_length: int = 40
    hidden_size: int = 320
    num_layers: int = 8
    num_heads: int = 5
    mlp_size: int = 1280
    patterns: tuple[str, ...] = ("full",)
    last_pattern: str = "full"
    reach: int = 3
    dropout: float = 0.0
    layout: LayoutConfig | None = None

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.hidden_size % self.num_heads:
            raise ConfigError(
                f"hidden_size {self.hidden_size} is not a multiple of num_heads {self.num_heads}"
            )
        if not self.patterns:
            raise ConfigError("patterns must name at least one")
        for key, names in (("patterns", self.patterns), ("last_pattern", (self.last_pattern,))):
            for name in names:
                if name not in PATTERNS:
                    raise ConfigError(f"{key}: unknown {name!r}; one of {', '.join(PATTERNS)}")

    @property
    def picture_length(self) -> int:
        """N."""
        return self.dvae.grid_size**2

    @property
    def layout_length(self) -> int:
        """P."""
        return 0 if self.layout is None else self.layout.length

    def pattern(self, layer: int) -> str:
        """What a layer sees."""
        if layer == self.num_layers - 1:
            return self.last_pattern
        return self.patterns[layer % len(self.patterns)]


# Appendix B: every fourth layer by columns, the others by rows, the last by neighbourhood.
PATTERNS_OF_THE_PAPER = ("row", "column", "row", "row")


@functools.lru_cache(maxsize=64)
def attention_mask(pattern: str, context_length: int, grid_size: int, reach: int) -> torch.Tensor:
    """What each token may see, as data: text everything before it, a code the whole text and a part of the picture.

    Args:
        pattern: "full" is all codes before it; "row" the last `grid_size` of them, itself included; "column" those
            above it; "neighbourhood" those at most `reach` rows and columns away.
    Shapes:
        returns: (L + N, L + N) bool, for queries in rows; True means "may attend"
    Example:
        >>> attention_mask("column", context_length=1, grid_size=2, reach=1).int().tolist()
        [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [1, 1, 0, 1, 0], [1, 0, 1, 0, 1]]
    """
    place = torch.arange(grid_size**2)
    query, key = place[:, None], place[None, :]
    rows = query // grid_size - key // grid_size
    columns = query % grid_size - key % grid_size
    seen = {
        "full": torch.ones(1, 1, dtype=torch.bool),
        "row": query - key < grid_size,
        "column": columns == 0,
        "neighbourhood": (rows <= reach) & (columns.abs() <= reach),
    }[pattern]
    length = context_length + grid_size**2
    mask = torch.ones(length, length, dtype=torch.bool)
    mask[context_length:, context_length:] = seen
    return mask.tril()


class Guess(NamedTuple):
    """What the model expects.

    Attributes:
        text: (B, L - 1, V) logits; of each text token but the first.
        codes: (B, N, K) logits; of each code.
        layout: (B, P, U) logits; of each layout token; None without layouts.
    """

    text: torch.Tensor
    codes: torch.Tensor
    layout: torch.Tensor | None = None


class Dalle(nn.Module):
    """The model that draws.

    Shapes:
        tokens: (B, T) int64, a text that begins with the tokenizer's begin token; T is at most L
        mask: (B, T) bool, True for a real token; a row without any is the empty text
        codes: (B, N) int64
        layout: (B, P) int64; without one, or where one says nothing, it is drawn by the text alone
    Raises:
        ConfigError: the text is longer than `context_length`.
    Example:
        >>> dvae = DvaeConfig(image_size=16, patch_size=2, hidden_size=8, levels=(3, 3))
        >>> small = DalleConfig(dvae, vocab_size=10, context_length=4, hidden_size=8, num_layers=1, num_heads=2)
        >>> text = torch.zeros(2, 3, dtype=torch.long)
        >>> Dalle(small)(text, text == 0, torch.zeros(2, 16, dtype=torch.long)).codes.shape
        torch.Size([2, 16, 9])
    """

    def __init__(self, config: DalleConfig) -> None:
        super().__init__()
        self.config = config
        size, grid = config.hidden_size, config.dvae.grid_size
        self.token = nn.Embedding(config.vocab_size, size)
        self.position = nn.Embedding(config.context_length, size)
        self.padding = nn.Embedding(config.context_length, size)
        self.code = nn.Embedding(config.dvae.num_codes, size)
        self.row = nn.Embedding(grid, size)
        self.column = nn.Embedding(grid, size)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            Block(size, config.num_heads, config.mlp_size, dropout=config.dropout)
            for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(size)
        self.text_output = nn.Linear(size, config.vocab_size)
        self.code_output = nn.Linear(size, config.dvae.num_codes)
        self.layout = None if config.layout is None else Layout(config.layout, size, grid)
        self.apply(initialise)
        self.dvae = Dvae(config.dvae)

    def forward(
        self,
        tokens: torch.Tensor,
        mask: torch.Tensor,
        codes: torch.Tensor,
        layout: torch.Tensor | None = None,
    ) -> Guess:
        text, before = self.config.context_length, self.config.layout_length
        before += text
        prefix, places = self.read_prefix(tokens, mask, layout)
        # The last code is never read: there is nothing behind it to guess.
        x = torch.cat([prefix, self.read_codes(codes[:, :-1], places=places[:, 1:])], dim=1)
        hidden = self.hidden(x)  # (B, L + P + N - 1, D)
        return Guess(
            self.text_output(hidden[:, : text - 1]),
            self.code_output(hidden[:, before - 1 :]),
            None if self.layout is None else self.layout.output(hidden[:, text - 1 : before - 1]),
        )

    def guess_layout(
        self, tokens: torch.Tensor, mask: torch.Tensor, layout: torch.Tensor
    ) -> torch.Tensor:
        """What is expected of layouts alone, as in `forward`, at a fraction of its cost: (B, P, U) logits.

        Raises:
            ConfigError: the model writes no layouts.
        """
        if self.layout is None:
            raise ConfigError("this model draws without a layout")
        read = self.layout.read(layout[:, :-1])
        hidden = self.hidden(torch.cat([self.read_text(tokens, mask), read], dim=1))
        return self.layout.output(hidden[:, self.config.context_length - 1 :])

    def read_prefix(
        self, tokens: torch.Tensor, mask: torch.Tensor, layout: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All that stands before the codes, as the first block reads it, and what the layout says of each code's place.

        Shapes:
            returns: (B, L + P, D), (B, N, D)
        """
        text = self.read_text(tokens, mask)
        if self.layout is None:
            return text, text.new_zeros(len(text), self.config.picture_length, 1)
        if layout is None:
            layout = self.no_layout(len(tokens), tokens.device)
        places = self.layout.places(layout)
        read = self.layout.read(layout)
        # What is read last before a code knows what stands at that code's place.
        read = torch.cat([read[:, :-1], read[:, -1:] + places[:, :1]], dim=1)
        return torch.cat([text, read], dim=1), places

    def no_layout(self, count: int, device: torch.device) -> torch.Tensor:
        """Layouts that say nothing: (B, P)."""
        shape = count, self.config.layout_length
        return torch.full(shape, END, dtype=torch.long, device=device)

    def read_text(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Texts as the first block reads them, filled up: (B, T) to (B, L, D)."""
        length, given = self.config.context_length, tokens.shape[1]
        if given > length:
            raise ConfigError(f"{given} tokens; the model reads {length}")
        tokens = F.pad(tokens, (0, length - given))
        mask = F.pad(mask, (0, length - given))
        read = self.token(tokens) + self.position.weight
        return torch.where(mask[..., None], read, self.padding.weight)

    def read_codes(
        self, codes: torch.Tensor, start: int = 0, places: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Codes as the first block reads them: (B, any) to (B, any, D), the first of them at place `start`.

        Args:
            places: (B, any, D), what the layout says of the place behind each.
        """
        read = self.code(codes) + self.code_places()[start : start + codes.shape[1]]
        return read if places is None else read + places

    def code_places(self) -> torch.Tensor:
        """What is said of each code's own place, its row and its column: (N, D)."""
        return (self.row.weight[:, None] + self.column.weight).flatten(0, 1)

    def hidden(self, x: torch.Tensor, caches: Sequence[Cache] | None = None) -> torch.Tensor:
        """What the last block gives, normalised.

        Shapes:
            x: (B, any, D), what comes next, after what is in the caches
            caches: one for every block
            returns: (B, any, D)
        """
        start = len(caches[0]) if caches else 0
        end = start + x.shape[1]
        x = self.dropout(x)
        for layer, block in enumerate(self.blocks):
            mask = self.mask_of(layer)[start:end, :end].to(x.device)
            x = block(x, mask, cache=caches[layer] if caches else None)
        return self.norm(x)

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Normalised pixels (B, C, Y, X) to codes (B, N)."""
        return self.dvae.encode(pixels).flatten(1)

    def decode_image(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes (B, N) to normalised pixels (B, C, Y, X)."""
        grid = self.config.dvae.grid_size
        return self.dvae.decode(codes.unflatten(1, (grid, grid)))

    def mask_of(self, layer: int) -> torch.Tensor:
        """What each token may see in a layer: (L + P + N, L + P + N) bool; see `attention_mask`."""
        config = self.config
        pattern = config.pattern(layer)
        before = config.context_length + config.layout_length
        return attention_mask(pattern, before, config.dvae.grid_size, config.reach)
