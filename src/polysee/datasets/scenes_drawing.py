"""Draw the scenes of `scenes`.

Shapes: N pictures, Y/X rows/columns, C channels: red, green, blue.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from polysee.datasets.scenes import Scene
from polysee.datasets.scenes_art import Style, sprite
from polysee.datasets.scenes_layout import Piece, Placement
from polysee.datasets.scenes_places import background

IMAGE_SIZE = 96
_MOSTLY = [255 * (alpha > 127) for alpha in range(256)]
_ZOOM = 2  # drawn so many times as large, then made smaller: soft edges


@dataclass(frozen=True)
class Drawing:
    """A scene as a picture.

    Args:
        image: (Y, X, C) uint8.
        seen: (Y, X) bool, where a thing covers the background.
        owners: (Y, X) uint8, which thing of the scene is seen there, from 1 on; 0 for none.
        boxes: for each thing of the scene, left, top, right and bottom of all its copies, as shares of the side.
        pieces: what was put where, in the order of drawing.
    """

    image: np.ndarray
    seen: np.ndarray
    owners: np.ndarray
    boxes: list[tuple[float, float, float, float]]
    pieces: list[Piece]


def draw_scene(scene: Scene, seed: int | str, size: int = IMAGE_SIZE) -> Drawing:
    """Draw a scene; where one thing stands alone, on which side another is held, and the background vary with the seed.

    Shapes:
        returns: `size` rows and columns
    """
    draw = random.Random(f"drawing-{seed}")
    large = size * _ZOOM
    image = background(scene.background, large, draw)
    pieces = Placement(scene, draw).pieces
    seen = Image.new("L", (large, large))
    owners = seen.copy()
    darkness = 90 if scene.background.place == "night" else 64
    for piece in pieces:
        if piece.grounded and scene.background.place != "sea":
            _put_shadow(image, piece, darkness)
    for piece in pieces:
        _put(image, seen, owners, piece, scene.style)
    boxes = [_box_of(pieces, index) for index in range(len(scene.things))]
    return Drawing(
        np.asarray(image.reduce(_ZOOM)),
        np.asarray(seen.reduce(_ZOOM)) > 127,
        np.array(owners)[::_ZOOM, ::_ZOOM],
        boxes,
        pieces,
    )


def draw_scenes(
    scenes: Sequence[Scene], seeds: Sequence[int], size: int = IMAGE_SIZE
) -> np.ndarray:
    """Shapes: returns (N, Y, X, C) uint8."""
    pictures = np.empty((len(scenes), size, size, 3), np.uint8)
    for row, (scene, seed) in enumerate(zip(scenes, seeds, strict=True)):
        pictures[row] = draw_scene(scene, seed, size).image
    return pictures


def _put(
    image: Image.Image, seen: Image.Image, owners: Image.Image, piece: Piece, style: Style
) -> None:
    """Paste a piece, and mark what it covers."""
    size = image.width
    width, height = max(2, round(piece.width * size)), max(2, round(piece.height * size))
    corner = round((piece.x - piece.width / 2) * size), round(piece.bottom * size) - height
    if piece.paw is not None:
        art = _paw(piece.paw, width, height)
    else:
        art = sprite(piece.emoji, style, piece.colour)
        art = art.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    image.paste(art, corner, art)
    covers = art.getchannel("A")
    seen.paste(255, corner, covers)
    owners.paste(0 if piece.thing is None else piece.thing + 1, corner, covers.point(_MOSTLY))


def _put_shadow(image: Image.Image, piece: Piece, darkness: int) -> None:
    size = image.width
    width, height = (
        max(2, round(piece.width * size * 0.96)),
        max(2, round(piece.width * size * 0.15)),
    )
    corner = round(piece.x * size - width / 2), round(piece.bottom * size - height * 0.62)
    shade = _soft_ellipse().resize((width, height))
    image.paste((24, 26, 48), corner, shade.point(lambda a: a * darkness // 255))


@functools.cache
def _soft_ellipse() -> Image.Image:
    y, x = np.mgrid[-1:1:33j, -1:1:65j]
    soft = np.clip(1.25 - 1.25 * np.hypot(x, y), 0, 1)
    return Image.fromarray((soft * 255).astype(np.uint8))


@functools.lru_cache(maxsize=512)
def _paw(colour: tuple[int, int, int], width: int, height: int) -> Image.Image:
    """A round paw with a darker rim and two lines for its fingers."""
    zoom = 3
    image = Image.new("RGBA", (width * zoom, height * zoom))
    canvas = ImageDraw.Draw(image)
    red, green, blue = (round(part * 0.72) for part in colour)
    canvas.ellipse((0, 0, width * zoom - 1, height * zoom - 1), fill=(red, green, blue, 255))
    rim = max(1, round(0.08 * width * zoom))
    canvas.ellipse((rim, rim, width * zoom - 1 - rim, height * zoom - 1 - rim), fill=(*colour, 255))
    for share in (0.36, 0.62):
        x = round(share * width * zoom)
        line = (x, round(0.52 * height * zoom), x, round(0.84 * height * zoom))
        canvas.line(line, fill=(red, green, blue, 255), width=rim)
    return image.reduce(zoom)


def _box_of(pieces: Sequence[Piece], index: int) -> tuple[float, float, float, float]:
    own = [piece for piece in pieces if piece.thing == index]
    return (
        min(p.x - p.width / 2 for p in own),
        min(p.bottom - p.height for p in own),
        max(p.x + p.width / 2 for p in own),
        max(p.bottom for p in own),
    )
