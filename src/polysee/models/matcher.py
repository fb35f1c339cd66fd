"""A matcher: how well a sentence fits a picture, read from the insides of two frozen towers.

Embeddings of whole pictures and whole sentences cannot tell a dog left of a cat from a cat left of a dog: pooling
forgets who stands where. So this small model reads the map of an image tower before it is pooled, beside the pixels
themselves (drawn things are alike to the pixel, and the tower has seen photographs), and the states of a text
tower's tokens. Image-text matching as in ALBEF (Li et al. 2021, https://arxiv.org/abs/2107.07651).
Differs from the paper: the towers stay as they are; every token first points at the cells that it is about, and at
the end says by itself how likely it is to agree with the picture. The sentence agrees if all of its tokens do, so the
score is the sum of the logarithms.

Shapes: P pictures, N sentences asked about each, T tokens, S text tower's width, C channels of the map, G = grid_size^2
cells of it, row after row, D hidden size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from polysee.errors import ConfigError
from polysee.layers.attention import Attention, padding_mask
from polysee.layers.block import Block
from polysee.layers.convolutions import ConvNorm, ResidualConv
from polysee.layers.sizes import check_sizes
from polysee.models.efficientnet import EfficientNet

_CELL = 8  # pixels a side, of the picture at half its size
_PIXELS = 3 * _CELL**2  # the last channels of a map


@dataclass(frozen=True)
class MatcherConfig:
    """The sizes of a matcher, and what it reads.

    Args:
        towers: hash of the model folder whose towers it reads; see `checkpoints.folder.folder_hash`.
        cuts: how many blocks of the image tower come before its fine map, and before its coarse one, of half the side.
        channels: C, of both together and of a cell's pixels.
        grid_size: of the fine map, at `image_size` pixels.
        text_size: S; `context_length`: the most tokens of a sentence.
        num_picture_layers: of convolution among cells; `num_text_layers`: of attention among tokens, before they see
            the picture; `num_layers`: among tokens and from them to cells.
        dropout: the share of a cell's numbers that are left out in training.
        num_pixel_layers: of convolution that reads the pixels about a cell without the tower; 0 for no such eyes.
    """

    towers: str
    cuts: tuple[int, int] = (15, 20)
    channels: int = 520
    grid_size: int = 12
    image_size: int = 192
    text_size: int = 384
    context_length: int = 64
    hidden_size: int = 128
    num_picture_layers: int = 2
    num_text_layers: int = 1
    num_layers: int = 2
    num_heads: int = 4
    mlp_size: int = 256
    dropout: float = 0.1
    num_pixel_layers: int = 0

    def __post_init__(self) -> None:
        check_sizes(self, may_be_zero=("num_pixel_layers",))
        fine, coarse = self.cuts
        if not 0 < fine < coarse:
            raise ConfigError(f"cuts must be two numbers of blocks, the smaller first: {self.cuts}")
        if self.grid_size % 2:
            raise ConfigError(f"grid_size must be even, not {self.grid_size}")
        if self.hidden_size % self.num_heads:
            raise ConfigError(
                f"hidden_size {self.hidden_size} is not a multiple of num_heads {self.num_heads}"
            )
        if self.num_pixel_layers and (self.channels < _PIXELS or self.hidden_size % 2):
            raise ConfigError(
                f"eyes need {_PIXELS} channels and an even hidden_size, not {self.channels} and {self.hidden_size}"
            )


class Heard(NamedTuple):
    """Sentences as they were read, without any picture.

    Attributes:
        hidden: (P, N, T, D).
        expected: (P, N, T, 4), where the words alone put the thing of each token; see `middle_and_reach`.
    """

    hidden: torch.Tensor
    expected: torch.Tensor


class Agreement(NamedTuple):
    """What the tokens of each sentence say of each picture.

    Attributes:
        tokens: (P, N, T), logits of "this agrees".
        places: (P, N, T, G), logits of the cells that a token points at.
    """

    tokens: torch.Tensor
    places: torch.Tensor


class Matcher(nn.Module):
    """Attention from the tokens of sentences to the cells of pictures.

    Shapes:
        maps: (P, C, Y, X), of `tower_map`
        states: (P, N, T, S), of the text tower; mask: (P, N, T) bool, True for a real token
        returns: (P, N), at most 0: the log-probability that all tokens of a sentence agree with the picture
    Example:
        >>> small = MatcherConfig("", channels=6, grid_size=2, text_size=4, hidden_size=8, num_heads=2, mlp_size=8)
        >>> mask = torch.ones(3, 5, 7, dtype=torch.bool)
        >>> Matcher(small)(torch.zeros(3, 6, 2, 2), torch.zeros(3, 5, 7, 4), mask).shape
        torch.Size([3, 5])
    """

    map_mean: torch.Tensor
    map_deviation: torch.Tensor

    def __init__(self, config: MatcherConfig) -> None:
        super().__init__()
        self.config = config
        size = config.hidden_size
        # What leaves an image tower's blocks has no fixed scale; who trains measures it.
        self.register_buffer("map_mean", torch.zeros(config.channels))
        self.register_buffer("map_deviation", torch.ones(config.channels))
        self.map = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(config.channels, 2 * size), nn.GELU(), nn.Linear(2 * size, size)
        )  # fmt: skip
        self.place = nn.Parameter(0.3 * torch.randn(config.grid_size**2, size))
        self.eyes = _eyes(size, config.num_pixel_layers) if config.num_pixel_layers else None
        sizes = size, config.num_heads, config.mlp_size
        self.picture_blocks = nn.Sequential(
            *(ResidualConv(size) for _ in range(config.num_picture_layers))
        )
        self.picture_norm = nn.LayerNorm(size)
        self.text = nn.Linear(config.text_size, size)
        # A text tower that was taught what sentences mean says little of the order of their words.
        self.order = nn.Parameter(0.3 * torch.randn(config.context_length, size))
        self.text_blocks = nn.ModuleList(Block(*sizes) for _ in range(config.num_text_layers))
        self.text_norm = nn.LayerNorm(size)
        self.point = nn.Linear(size, size)
        self.expect = Expectation(config)
        self.read = nn.Linear(2 * size + 18, size)
        self.blocks = nn.ModuleList(ReadingBlock(*sizes) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(size)
        self.agree = nn.Linear(size, 1)
        nn.init.constant_(self.agree.bias, 2.0)
        # At first every block leaves things as they are, so that what cells and words are can be learnt before.
        for block in (*self.text_blocks, *self.blocks):
            assert isinstance(block, Block)
            _leave_as_it_is(block)

    def forward(self, maps: torch.Tensor, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        said = self.compare(self.look(maps), self.listen(states, mask), mask)
        return all_agree(said.tokens, mask)

    def look(self, maps: torch.Tensor) -> torch.Tensor:
        """Read pictures by themselves.

        Shapes:
            returns: (P, G, D)
        Raises:
            ConfigError: the maps are of another size.
        """
        wanted = (self.config.channels, self.config.grid_size, self.config.grid_size)
        if maps.shape[1:] != wanted:
            raise ConfigError(f"a matcher of maps {wanted}, not {tuple(maps.shape[1:])}")
        cells = self.map(self.scaled(maps.flatten(2).mT))  # (P, G, D)
        if self.eyes is not None:
            pixels = F.pixel_shuffle(maps[:, -_PIXELS:], _CELL)
            cells = cells + self.eyes(pixels).flatten(2).mT
        return self.among(cells)

    def among(self, cells: torch.Tensor) -> torch.Tensor:
        """What is known of cells, in the light of their places and of each other: (P, G, D) to the same."""
        cells, side = cells + self.place, self.config.grid_size
        grid = self.picture_blocks(cells.mT.unflatten(2, (side, side)))  # (P, D, Y, X)
        return self.picture_norm(grid.flatten(2).mT)

    def scaled(self, grid: torch.Tensor) -> torch.Tensor:
        """Cells of maps, (..., C), with the same mean and deviation in every channel."""
        return (grid - self.map_mean) / self.map_deviation

    def listen(self, states: torch.Tensor, mask: torch.Tensor) -> Heard:
        """Read sentences by themselves, states (P, N, T, S), for any P.

        Raises:
            ConfigError: they are too long.
        """
        length, most = states.shape[2], self.config.context_length
        if length > most:
            raise ConfigError(f"a text of {length} tokens; the model reads {most}")
        hidden = (self.text(states) + self.order[:length]).flatten(0, 1)  # (P N, T, D)
        among = padding_mask(mask.flatten(0, 1))  # (P N, 1, 1, T)
        for block in self.text_blocks:
            hidden = block(hidden, among)
        hidden = self.text_norm(hidden).unflatten(0, mask.shape[:2])
        return Heard(hidden, self.expect(states, mask))

    def compare(self, cells: torch.Tensor, heard: Heard, mask: torch.Tensor) -> Agreement:
        """Shapes: cells (P, G, D), of `look`; heard of `listen`; mask (P, N, T)."""
        hidden, expected = heard
        asked = self.point(hidden)
        places = self.sought(cells, asked.flatten(1, 2)).unflatten(1, hidden.shape[1:3])
        shares = places.softmax(3)
        seen = (shares.flatten(1, 2) @ cells).unflatten(1, hidden.shape[1:3])
        sure = torch.stack([places.amax(3), places.logsumexp(3)], dim=3) / 4
        where = middle_and_reach(shares, self.config.grid_size)
        # How far a thing is from where it was said to be, of either sign, is what no linear map could make of the two.
        off = where - expected
        parts = [seen, seen * asked, sure, where, expected, off, off.square()]
        hidden = hidden + self.read(torch.cat(parts, dim=3))
        among = padding_mask(mask.flatten(0, 1))
        for block in self.blocks:
            hidden = block(hidden, cells, among)
        return Agreement(self.agree(self.norm(hidden))[..., 0], places)

    def named(self, names: torch.Tensor) -> torch.Tensor:
        """What asks for the things of names, the mean states of their tokens: (..., S) to (..., D)."""
        return self.point(self.text_norm(self.text(names)))

    def sought(self, cells: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
        """Logits of the cells (P, G, D) that show what is asked for, (P, Q, D): (P, Q, G)."""
        return asked @ cells.mT / self.config.hidden_size**0.5


def _eyes(size: int, layers: int) -> nn.Sequential:
    """Pixels (P, 3, 8 Y, 8 X) to what each cell shows, (P, D, Y, X); nothing, before they have learnt to see."""
    half = size // 2
    last = nn.Conv2d(size, size, 1)
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
    return nn.Sequential(
        ConvNorm(3, half, 4, stride=4, activation=nn.SiLU, norm_momentum=0.1), ResidualConv(half),
        ConvNorm(half, size, 2, stride=2, activation=nn.SiLU, norm_momentum=0.1),
        *(ResidualConv(size) for _ in range(layers)), last,
    )  # fmt: skip


class Expectation(nn.Module):
    """Where the words of a sentence put the thing that each token is about: what is said to be on the left.

    By itself, since among all else that a matcher learns this is learnt last or never.

    Shapes:
        states: (P, N, T, S); mask: (P, N, T)
        returns: (P, N, T, 4), see `middle_and_reach`
    """

    def __init__(self, config: MatcherConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.text = nn.Linear(config.text_size, size)
        self.order = nn.Parameter(0.3 * torch.randn(config.context_length, size))
        self.block = Block(size, config.num_heads, config.mlp_size)
        _leave_as_it_is(self.block)
        self.norm = nn.LayerNorm(size)
        self.place = nn.Linear(size, 4)

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden = (self.text(states) + self.order[: states.shape[2]]).flatten(0, 1)
        hidden = self.block(hidden, padding_mask(mask.flatten(0, 1)))  # (P N, T, D)
        return self.place(self.norm(hidden)).unflatten(0, mask.shape[:2])


def _leave_as_it_is(block: Block) -> None:
    for last in (block.attention.output, block.mlp.project):
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)


def middle_and_reach(shares: torch.Tensor, grid_size: int) -> torch.Tensor:
    """Where the cells that are pointed at have their middle, and how far they spread about it.

    Shapes:
        shares: (..., G), of sum 1
        returns: (..., 4): the middle's row and column from -1 to 1, then the deviations from it
    Example:
        >>> middle_and_reach(torch.tensor([0.0, 1.0, 0.0, 0.0]), 2).tolist()
        [-1.0, 1.0, 0.0..., 0.0...]
    """
    axis = torch.linspace(-1, 1, grid_size, device=shares.device)
    ends = torch.stack([axis.repeat_interleave(grid_size), axis.repeat(grid_size)], dim=1)  # (G, 2)
    middle, square = shares @ ends, shares @ ends.square()
    return torch.cat([middle, (square - middle.square()).clamp(min=1e-4).sqrt()], dim=-1)


def mean_of_real(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Of each text the mean state of its real tokens. Shapes: states (N, T, S), mask (N, T), returns (N, S)."""
    real = mask[..., None].float()
    return (states * real).sum(1) / real.sum(1)


def all_agree(tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The log-probability that all real tokens agree. Shapes: tokens, mask (P, N, T), returns (P, N)."""
    return F.logsigmoid(tokens).masked_fill(~mask, 0.0).sum(2)


class ReadingBlock(Block):
    """A block whose tokens also read a picture, between the two parts: several sentences, one picture.

    Shapes:
        x: (P, N, T, D)
        cells: (P, G, D)
        mask: (P N, 1, 1, T) bool, True means "may attend"
        returns: (P, N, T, D)
    """

    def __init__(self, hidden_size: int, num_heads: int, mlp_size: int) -> None:
        super().__init__(hidden_size, num_heads, mlp_size)
        self.cross_norm = nn.LayerNorm(hidden_size)
        self.cross_attention = Attention(hidden_size, num_heads)

    def forward(  # type: ignore[override]
        self, x: torch.Tensor, cells: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        pictures, sentences = x.shape[:2]
        alone = self.attention_norm(x).flatten(0, 1)  # (P N, T, D)
        x = x + self.attention(alone, mask).unflatten(0, (pictures, sentences))
        together = self.cross_norm(x).flatten(1, 2)  # (P, N T, D)
        x = x + self.cross_attention(together, context=cells).unflatten(1, (sentences, -1))
        return x + self.mlp(self.mlp_norm(x))


def tower_map(tower: EfficientNet, pixels: torch.Tensor, cuts: tuple[int, int]) -> torch.Tensor:
    """What is known of each place: an image tower's fine map, its coarse one, whose cells are twice as large, and
    the 8 x 8 pixels of the cell in the picture at half its size.

    Shapes:
        pixels: (P, 3, Y, X)
        returns: (P, C, Y / 16, X / 16), for cuts in stages of strides 16 and 32
    """
    fine, coarse = cuts
    x = first = tower.lower(pixels, fine)
    for block in tower.blocks[fine:coarse]:
        x = block(x)
    enlarged = F.interpolate(x, size=first.shape[-2:], mode="nearest")
    patches = F.pixel_unshuffle(F.avg_pool2d(pixels, 2), _CELL)  # (P, 192, Y / 16, X / 16)
    return torch.cat([first, enlarged, patches], dim=1)
