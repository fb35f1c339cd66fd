"""The made world's scenes as layout tokens; see `models.layout`.

Shapes: P places of a layout.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from polysee.datasets.scenes import GROUNDS, PLACES, Scene
from polysee.datasets.scenes_art import COLOURS, STYLES
from polysee.datasets.scenes_layout import Piece
from polysee.datasets.scenes_things import concepts
from polysee.errors import ConfigError
from polysee.models.layout import END, LayoutConfig

_PAW = ""
_PLACES = ("plain", "gradient", *PLACES)
_GROUNDS = (None, *GROUNDS)
_COLOURS = (None, *COLOURS)


@functools.cache
def pictures() -> tuple[str, ...]:
    """What pieces can be: the emoji of all things, and a paw."""
    return (*dict.fromkeys(p for c in concepts().values() for p in c.pictures), _PAW)


@functools.cache
def scene_layouts() -> LayoutConfig:
    """The sizes of the layouts of all scenes."""
    header = (len(STYLES), len(_PLACES), len(_GROUNDS), len(_GROUNDS))
    painted = {p for c in concepts().values() if "tint" in c.roles for p in c.pictures}
    tinted = tuple(number for number, picture in enumerate(pictures()) if picture in painted)
    return LayoutConfig(header, len(pictures()), len(_COLOURS), tinted=tinted)


def layout_tokens(scene: Scene, pieces: Sequence[Piece], config: LayoutConfig) -> np.ndarray:
    """The layout of a scene that was drawn with these pieces.

    Shapes:
        returns: (P,) int64
    Raises:
        ConfigError: there are more pieces than a layout holds, or the layout is not one of scenes.
    """
    if config.header != scene_layouts().header or config.num_pictures != len(pictures()):
        raise ConfigError("these are no layouts of the made world")
    if len(pieces) > config.num_pieces:
        raise ConfigError(f"{len(pieces)} pieces; a layout holds {config.num_pieces}")
    first, second = (*scene.background.colours, None, None)[:2]
    values = [
        STYLES.index(scene.style), _PLACES.index(scene.background.place),
        _GROUNDS.index(first), _GROUNDS.index(second),
    ]  # fmt: skip
    for piece in pieces:
        left, right = piece.x - piece.width / 2, piece.x + piece.width / 2
        edges = (left, piece.bottom - piece.height, right, piece.bottom)
        values += [
            _numbers()[piece.emoji], _COLOURS.index(piece.colour),
            *(min(max(round(edge * config.steps), 0), config.steps) for edge in edges),
        ]  # fmt: skip
    tokens = np.full(config.length, END, np.int64)
    for place, value in enumerate(values):
        tokens[place] = config.alphabet(place)[value]
    return tokens


@functools.cache
def _numbers() -> dict[str, int]:
    return {picture: number for number, picture in enumerate(pictures())}
