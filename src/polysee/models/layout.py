"""Layout tokens: what a picture shows and where, written down after the text and before the picture's codes.

Gafni et al. 2022 (https://arxiv.org/abs/2203.13131) put tokens of a scene between those of text and picture, all read
and written by one Transformer; here they are a list of boxes, as in Gupta et al. 2021
(https://arxiv.org/abs/2006.14615). So a sentence is understood first, and a code is drawn by what stands at its place.

Differs from both: a place in the picture also reads which boxes cover it, and what the thing in each looks like just
there, from vectors that the model keeps of every thing in a few sizes, and of what a colour changes of them.

A layout is one token for each part of its header (of the made world: style, place and two colours of the ground), then
six for each piece in the order of drawing: which picture of a thing, its colour, left, top, right, bottom; then the
end, over and over. One that is all end says nothing.

Shapes: B batch, P places of a layout, M pieces, N codes of a picture, G rows and columns of codes, D hidden size,
V layout vocabulary, E appearance size, K tint size.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from polysee.errors import ConfigError
from polysee.layers.sizes import check_sizes

END = 0
PIECE = 6  # tokens of each
_LAYERS = 2  # of pieces, the uppermost, that a place can tell apart
_EDGES = 10  # numbers that say how a place lies in a box


@dataclass(frozen=True)
class LayoutConfig:
    """The sizes of a layout.

    Args:
        header: how many values each of its first tokens can take; the first of them is the style of the art.
        num_pictures: of things, in each style.
        num_colours: that a thing can have; the first means its own.
        num_pieces: M, the most.
        steps: into how many parts a side of the picture is cut for the boxes' edges.
        sizes: in codes, in which it is known what things look like.
        appearance_size: E.
        tinted: numbers of the pictures of things that can have any colour, in rising order.
        tint_size: K, what is known of each place of those; how a colour changes it is one linear map of that.
    """

    header: tuple[int, ...] = (2, 10, 10, 10)
    num_pictures: int = 100
    num_colours: int = 12
    num_pieces: int = 6
    steps: int = 48
    sizes: tuple[int, ...] = (2, 3, 4, 5, 6, 8, 10)
    appearance_size: int = 8
    tinted: tuple[int, ...] = ()
    tint_size: int = 16

    def __post_init__(self) -> None:
        check_sizes(self)
        numbers = sorted(
            {n for n in self.tinted if isinstance(n, int) and 0 <= n < self.num_pictures}
        )
        if numbers != list(self.tinted):
            raise ConfigError(
                f"tinted must be numbers below {self.num_pictures} in rising order, not {self.tinted}"
            )
        for name, values in (("header", self.header), ("sizes", self.sizes)):
            if not values or any(not isinstance(n, int) or n < 1 for n in values):
                raise ConfigError(f"{name} must be whole numbers from 1 on, not {values}")

    @property
    def length(self) -> int:
        """P."""
        return len(self.header) + PIECE * self.num_pieces

    @property
    def vocab_size(self) -> int:
        """V."""
        return self.first_edge + self.steps + 1

    @property
    def first_picture(self) -> int:
        return 1 + sum(self.header)

    @property
    def first_colour(self) -> int:
        return self.first_picture + self.num_pictures

    @property
    def first_edge(self) -> int:
        return self.first_colour + self.num_colours

    @property
    def places_of_thing(self) -> int:
        """How many places of a thing something is known of, in all sizes."""
        return sum(n * n for n in self.sizes)

    def alphabet(self, place: int) -> range:
        """The tokens that can stand at a place, beside the end where a piece begins.

        Example:
            >>> config = LayoutConfig(header=(2, 3), num_pictures=5)
            >>> config.alphabet(0), config.alphabet(1), config.alphabet(2)
            (range(1, 3), range(3, 6), range(6, 11))
        """
        if place < len(self.header):
            first = 1 + sum(self.header[:place])
            return range(first, first + self.header[place])
        part = (place - len(self.header)) % PIECE
        if part == 0:
            return range(self.first_picture, self.first_colour)
        if part == 1:
            return range(self.first_colour, self.first_edge)
        return range(self.first_edge, self.vocab_size)

    def legal(self) -> torch.Tensor:
        """Shapes: returns (P, V) bool, True for what can stand there."""
        legal = torch.zeros(self.length, self.vocab_size, dtype=torch.bool)
        for place in range(self.length):
            legal[place, list(self.alphabet(place))] = True
            if place >= len(self.header) and (place - len(self.header)) % PIECE == 0:
                legal[place, END] = True
        return legal


class Pieces(NamedTuple):
    """What a layout says of its pieces.

    Attributes:
        real: (B, M) bool, False where the layout has ended, or a box is empty.
        picture: (B, M) int64, the row of what it looks like: of its style and its picture.
        colour: (B, M) int64.
        box: (B, M, 4), left, top, right and bottom, as shares of the side.
    """

    real: torch.Tensor
    picture: torch.Tensor
    colour: torch.Tensor
    box: torch.Tensor


class Layout(nn.Module):
    """Reads layouts: token by token, and place by place of the picture.

    Shapes:
        layout: (B, P) int64
    Example:
        >>> small = Layout(LayoutConfig(num_pictures=5), hidden_size=16, grid_size=4)
        >>> nothing = torch.zeros(2, small.config.length, dtype=torch.long)
        >>> small.read(nothing).shape, small.places(nothing).shape
        (torch.Size([2, 40, 16]), torch.Size([2, 16, 16]))
    """

    def __init__(self, config: LayoutConfig, hidden_size: int, grid_size: int) -> None:
        super().__init__()
        self.config, self.grid_size = config, grid_size
        size = config.appearance_size
        self.token = nn.Embedding(config.vocab_size, hidden_size)
        self.position = nn.Embedding(config.length, hidden_size)
        self.output = nn.Linear(hidden_size, config.vocab_size)
        each = config.header[0] * config.places_of_thing  # rows, in every style and size
        self.appearance = nn.Embedding(config.num_pictures * each, size)
        self.colour = nn.Embedding(config.num_colours, size)
        if config.tinted:
            self.tint = nn.Embedding(len(config.tinted) * each, config.tint_size)
            self.tints = nn.Embedding(config.num_colours, config.tint_size * size)
        self.expand = nn.Linear(_LAYERS * (2 * size + _EDGES), hidden_size)
        self.project = nn.Linear(hidden_size, hidden_size)

    def read(self, layout: torch.Tensor, start: int = 0) -> torch.Tensor:
        """Layout tokens as the first block reads them: (B, any) to (B, any, D), the first of them at place `start`."""
        return self.token(layout) + self.position.weight[start : start + layout.shape[1]]

    def places(self, layout: torch.Tensor) -> torch.Tensor:
        """What stands at each place of the picture: (B, N, D); zero where no piece does."""
        pieces = self.pieces(layout)
        grid, device = self.grid_size, layout.device
        left, top, right, bottom = (pieces.box * grid).unbind(2)  # (B, M), in codes
        place = torch.arange(grid**2, device=device)
        column, row = place % grid, place // grid
        small = 0.05  # what reaches less into a place is not seen there
        covers = (
            (left[..., None] < column + 1 - small) & (right[..., None] > column + small)
            & (top[..., None] < row + 1 - small) & (bottom[..., None] > row + small)
            & pieces.real[..., None]
        )  # (B, M, N)  # fmt: skip
        order = torch.arange(1, covers.shape[1] + 1, device=device)[None, :, None] * covers
        seen = []
        for _ in range(_LAYERS):
            upper, which = order.max(1)  # (B, N)
            order = order.masked_fill(order == upper[:, None], 0)
            seen.append(self._seen(pieces, which, row, column) * (upper > 0)[..., None])
        said = self.project(F.gelu(self.expand(torch.cat(seen, dim=2))))
        return said * covers.any(1)[..., None]

    def pieces(self, layout: torch.Tensor) -> Pieces:
        """What tokens say; whatever they are, it is within range."""
        config = self.config
        parts = layout[:, len(config.header) :].unflatten(1, (config.num_pieces, PIECE))
        picture = parts[..., 0] - config.first_picture
        style = (layout[:, :1] - 1).clamp(0, config.header[0] - 1)
        box = ((parts[..., 2:] - config.first_edge).float() / config.steps).clamp(0, 1)
        real = (
            (picture >= 0) & (picture < config.num_pictures) & (box[..., 2:] > box[..., :2]).all(2)
        )
        picture = picture.clamp(0, config.num_pictures - 1) + style * config.num_pictures
        colour = (parts[..., 1] - config.first_colour).clamp(0, config.num_colours - 1)
        return Pieces(real, picture, colour, box)

    def _seen(
        self, pieces: Pieces, which: torch.Tensor, row: torch.Tensor, column: torch.Tensor
    ) -> torch.Tensor:
        """Of one piece for each place what it looks like there, its colour, and how the place lies in its box.

        Shapes:
            which: (B, N) int64, numbers of pieces
            row, column: (N,)
            returns: (B, N, 2 E + 10)
        """
        box = pieces.box.gather(1, which[..., None].expand(-1, -1, 4)) * self.grid_size
        left, top, right, bottom = box.unbind(2)  # (B, N), in codes
        picture, colour = pieces.picture.gather(1, which), pieces.colour.gather(1, which)
        x, y = column + 0.5, row + 0.5
        side = torch.maximum(right - left, bottom - top).clamp(min=1e-3)
        along, up = (x - left) / side, (bottom - y) / side  # from the lower left corner, in sides
        edges = torch.stack(
            [
                along, up, (right - left) / side, (bottom - top) / side, side / self.grid_size,
                *((d).clamp(-1, 1) for d in (x - left, right - x, y - top, bottom - y)),
                torch.ones_like(side),
            ],
            dim=2,
        )  # fmt: skip
        points = self._points(side, along, up)
        looks = _mixed(self.appearance, picture, points)
        if self.config.tinted:
            looks = looks + self._tinted(picture, colour, points)
        return torch.cat([looks, self.colour(colour), edges], dim=2)

    def _tinted(self, picture: torch.Tensor, colour: torch.Tensor, points: Points) -> torch.Tensor:
        """What a colour changes of what a thing looks like; nothing of a thing that has always its own.

        Shapes:
            picture, colour: (B, N)
            returns: (B, N, E)
        """
        row = _rows_of_tinted(self.config).to(picture.device)[picture]
        known = _mixed(self.tint, row.clamp(min=0), points) * (row >= 0)[..., None]  # (B, N, K)
        changes = self.tints(colour).unflatten(2, (self.config.tint_size, -1))  # (B, N, K, E)
        return (known[..., None, :] @ changes).squeeze(2)

    def _points(self, side: torch.Tensor, along: torch.Tensor, up: torch.Tensor) -> Points:
        """Among the vectors of a thing in the nearest size, the four about a point, and how near each of them is."""
        sizes = torch.tensor(self.config.sizes, device=side.device)
        nearest = (side[..., None].log() - sizes.log()).abs().argmin(2)
        starts = F.pad((sizes**2).cumsum(0), (1, 0))
        size = sizes[nearest]  # (B, N)
        x, y = (
            torch.minimum((share * size - 0.5).clamp(min=0), size - 1.0) for share in (along, up)
        )
        rows, shares = [], []
        for upper in (0, 1):
            for later in (0, 1):
                row = torch.minimum(y.floor() + upper, size - 1.0)
                column = torch.minimum(x.floor() + later, size - 1.0)
                shares.append(
                    (1 - (y - y.floor() - upper).abs()) * (1 - (x - x.floor() - later).abs())
                )
                rows.append(starts[nearest] + (row * size + column).long())
        return Points(torch.stack(rows), torch.stack(shares), self.config.places_of_thing)


class Points(NamedTuple):
    """Where the vectors of a thing about some points stand among all that it has, and how much each of them counts.

    Attributes:
        rows: (4, B, N) int64; shares: (4, B, N), of sum 1.
        each: how many vectors a thing has.
    """

    rows: torch.Tensor
    shares: torch.Tensor
    each: int


def _mixed(vectors: nn.Embedding, thing: torch.Tensor, points: Points) -> torch.Tensor:
    """The vectors of things about some points, mixed: thing (B, N) int64 to (B, N, size)."""
    mixed = torch.zeros((), device=thing.device)
    for rows, shares in zip(points.rows, points.shares, strict=True):
        mixed = mixed + shares[..., None] * vectors(thing * points.each + rows)
    return mixed


@functools.cache
def _rows_of_tinted(config: LayoutConfig) -> torch.Tensor:
    """For every picture in every style its number among those that can have any colour; -1 where it is none.

    Example:
        >>> _rows_of_tinted(LayoutConfig(header=(2,), num_pictures=3, tinted=(0, 2))).tolist()
        [0, -1, 1, 2, -1, 3]
    """
    rows = torch.full((config.header[0], config.num_pictures), -1)
    count = config.header[0] * len(config.tinted)
    rows[:, list(config.tinted)] = torch.arange(count).view(config.header[0], -1)
    return rows.flatten()


def appearance_rows(config: LayoutConfig, picture: int, size: int) -> slice:
    """Where the vectors of a picture in one of the sizes stand, from below, row after row, from the left.

    Example:
        >>> appearance_rows(LayoutConfig(num_pictures=5, sizes=(2, 3)), 1, 3)
        slice(17, 26, None)
    """
    each = config.places_of_thing
    before = sum(n * n for n in config.sizes[: config.sizes.index(size)])
    start = picture * each + before
    return slice(start, start + size**2)
