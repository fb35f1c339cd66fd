"""A judge of scenes: which things a picture shows, how each looks, and how two of them stand to each other.

A convolutional net reads the picture into a grid and says for every cell of it which thing is there. A question names
a concept: where the cells say it is, the grid is read (attention pooling, with the answers of the cells as weights),
and small heads answer. So every answer is about one place, and "red" cannot be taken from another thing.

Shapes: B batch, C channels, Y/X rows/columns of pixels, G cells of the grid, row after row, D hidden size, N concepts,
Q questions, P pairs of questions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from polysee.errors import ConfigError
from polysee.layers.convolutions import ConvNorm, ResidualConv
from polysee.layers.sizes import check_sizes

MOST = 5  # of one thing
SIZES = 3  # big, small, neither
_AMOUNTS = 16
_MOMENTS = 6


@dataclass(frozen=True)
class JudgeConfig:
    """What can be asked, in the order of the answers, and the sizes of the net.

    Args:
        concepts, colours, feelings: their names; the feelings' last answer is "none".
        relations: their names; each can be turned round, so there are twice as many answers.
        image_size: of the pictures, which are square; a multiple of twice `patch_size`.
        patch_size: the side of the patches that the picture is cut into first; a cell has twice that.
        hidden_size: D; of the patches, half.
        num_layers: of residual blocks over the cells; over the patches there is one.
    """

    concepts: tuple[str, ...]
    colours: tuple[str, ...]
    feelings: tuple[str, ...]
    relations: tuple[str, ...]
    image_size: int = 96
    patch_size: int = 4
    hidden_size: int = 128
    num_layers: int = 3

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.image_size % (2 * self.patch_size) or self.hidden_size % 2:
            raise ConfigError(
                f"image_size {self.image_size} is not a multiple of {2 * self.patch_size} pixels,"
                f" or hidden_size {self.hidden_size} is not even"
            )
        for name in ("concepts", "colours", "feelings", "relations"):
            names = getattr(self, name)
            if not names or len(set(names)) < len(names):
                raise ConfigError(f"{name} must be names, each once")

    @property
    def grid_size(self) -> int:
        return self.image_size // (2 * self.patch_size)


class Seen(NamedTuple):
    """A picture as it was read.

    Attributes:
        grid: (B, G, D).
        log_chances: (B, G, N + 1), of each concept, and last of none, to be what a cell shows.
    """

    grid: torch.Tensor
    log_chances: torch.Tensor


@dataclass(frozen=True)
class Answers:
    """What is said of each concept that was asked about; all are logits.

    Attributes:
        present: (B, Q).
        colour: (B, Q, colours); count: (B, Q, MOST), from one on; size: (B, Q, SIZES); feeling: (B, Q, feelings + 1).
        hidden: (B, Q, D), and place: (B, Q, 6), for questions about pairs.
    """

    present: torch.Tensor
    colour: torch.Tensor
    count: torch.Tensor
    size: torch.Tensor
    feeling: torch.Tensor
    hidden: torch.Tensor
    place: torch.Tensor


class Judge(nn.Module):
    """The net and its heads.

    Shapes:
        pixels: (B, C, Y, X), normalised
        returns: (B, N), a logit for the presence of every concept
    Example:
        >>> small = JudgeConfig(("dog", "cat"), ("red",), ("sad",), ("on",), 16, 2, 8, 1)
        >>> Judge(small)(torch.zeros(3, 3, 16, 16)).shape
        torch.Size([3, 2])
    """

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__()
        self.config = config
        size, half = config.hidden_size, config.hidden_size // 2
        self.fine = nn.Sequential(_patches(3, half, config.patch_size), ResidualConv(half))
        self.coarse = nn.Sequential(
            _patches(half, size, 2), *(ResidualConv(size) for _ in range(config.num_layers))
        )
        # A vector for each concept, and last for nothing: what a cell is compared with, and what a question asks.
        self.concept = nn.Embedding(len(config.concepts) + 1, size)
        nn.init.normal_(self.concept.weight, std=0.5 / math.sqrt(size))
        self.common = nn.Parameter(torch.zeros(len(config.concepts) + 1))  # how often each is seen
        self.amounts = nn.Linear(size, _AMOUNTS)
        self.read = _Mlp(2 * size + _AMOUNTS + _MOMENTS, size, size)
        self.present = nn.Linear(size, 1)
        self.colour = nn.Linear(size, len(config.colours))
        self.count = nn.Linear(size, MOST)
        self.size = nn.Linear(size, SIZES)
        self.feeling = nn.Linear(size, len(config.feelings) + 1)
        self.relation = _Mlp(2 * size + 3 * _MOMENTS, size, 2 * len(config.relations))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        everything = torch.arange(len(self.config.concepts), device=pixels.device)
        return self.ask(self.look(pixels), everything.expand(len(pixels), -1)).present

    def look(self, pixels: torch.Tensor) -> Seen:
        """Read pictures.

        Raises:
            ConfigError: the pixels are of another size.
        """
        size = self.config.image_size
        if pixels.shape[-2:] != (size, size):
            rows, columns = pixels.shape[-2:]
            raise ConfigError(f"the model reads {size}x{size} pixels, not {rows}x{columns}")
        grid = self.coarse(self.fine(pixels)).permute(0, 2, 3, 1).flatten(1, 2)  # (B, G, D)
        logits = F.linear(grid, self.concept.weight, self.common)  # (B, G, N + 1)
        return Seen(grid, logits.log_softmax(2))

    def ask(self, seen: Seen, concepts: torch.Tensor) -> Answers:
        """Answer everything about each concept, (B, Q) int64; what is not there has no colour worth a word."""
        index = concepts[:, None].expand(-1, seen.grid.shape[1], -1)
        log_chances = seen.log_chances.gather(2, index).mT  # (B, Q, G)
        chances = log_chances.exp()
        weights = chances / chances.sum(2, keepdim=True).clamp(min=1e-9)
        mean = weights @ seen.grid  # (B, Q, D)
        amounts = chances @ self.amounts(seen.grid) / 8  # (B, Q, 16)
        place = self._moments(log_chances, weights)
        query = self.concept(concepts) * self.config.hidden_size**0.5
        hidden = self.read(torch.cat([mean, amounts, place, query], dim=2))
        return Answers(
            self.present(hidden)[..., 0], self.colour(hidden), self.count(hidden),
            self.size(hidden), self.feeling(hidden), hidden, place,
        )  # fmt: skip

    def relate(self, answers: Answers, pairs: torch.Tensor) -> torch.Tensor:
        """How the first of each pair stands to the second.

        Shapes:
            pairs: (B, P, 2) int64, numbers of questions
            returns: (B, P, twice the relations), logits; the second half are relations turned round
        """
        parts = []
        for side in (0, 1):
            index = pairs[..., side, None]  # (B, P, 1)
            for values in (answers.hidden, answers.place):
                parts.append(values.gather(1, index.expand(-1, -1, values.shape[2])))
        return self.relation(torch.cat([*parts, parts[1] - parts[3]], dim=2))

    def _moments(self, log_chances: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """How sure cells are, the surest and all; where their middle is and how far they reach: (B, Q, 6)."""
        grid = self.config.grid_size
        axis = torch.linspace(-1, 1, grid, device=weights.device)
        y, x = (values.flatten() for values in torch.meshgrid(axis, axis, indexing="ij"))
        middle = torch.stack([weights @ y, weights @ x], dim=2)  # (B, Q, 2)
        square = torch.stack([weights @ y.square(), weights @ x.square()], dim=2)
        reach = (square - middle.square()).clamp(min=1e-4).sqrt()
        sure = torch.stack([log_chances.amax(2), log_chances.logsumexp(2)], dim=2) / 4
        return torch.cat([sure.clamp(min=-3), middle, reach], dim=2)


class _Mlp(nn.Sequential):
    """Two linear maps."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        first, second = nn.Linear(inputs, hidden), nn.Linear(hidden, outputs)
        for layer in (first, second):
            nn.init.normal_(layer.weight, std=1 / math.sqrt(layer.in_features))
        super().__init__(first, nn.SiLU(), second)


def _patches(inputs: int, outputs: int, side: int) -> ConvNorm:
    return ConvNorm(inputs, outputs, side, stride=side, activation=nn.SiLU, norm_momentum=0.1)
