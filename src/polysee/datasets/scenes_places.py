"""The backgrounds of `scenes`: a pale colour, two of them, or one of a few simple places.

All are drawn as large as asked, in shares of the side, so that any size of picture shows the same.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

from polysee.datasets.scenes import Background

Colour = tuple[int, int, int]

PALE: dict[str, Colour] = {
    "white": (250, 250, 250), "grey": (206, 210, 214), "red": (246, 170, 166), "orange": (253, 206, 160),
    "yellow": (252, 238, 168), "green": (186, 226, 184), "blue": (176, 214, 246), "purple": (214, 192, 238),
    "pink": (252, 208, 226),
}  # fmt: skip


def background(what: Background, size: int, draw: random.Random) -> Image.Image:
    """An RGB picture of `size` rows and columns."""
    if what.place in ("plain", "gradient"):
        # A flat colour looks like paper; a little light from above makes it a wall.
        first, last = PALE[what.colours[0]], PALE[what.colours[-1]]
        ends = (_lit(first, 3), _lit(last, -7)) if what.place == "plain" else (first, last)
        return _shades([(0.0, ends[0]), (1.0, ends[1])], size)
    return _PLACES[what.place](size, draw)


def _meadow(size: int, draw: random.Random) -> Image.Image:
    horizon = draw.uniform(0.52, 0.62)
    image = _shades([(0, (150, 208, 246)), (horizon, (228, 244, 252)), (1, (228, 244, 252))], size)
    for colour, up in (((158, 208, 120), 0.07), ((126, 192, 92), 0.0)):
        _hill(image, draw.uniform(0.1, 0.9), horizon - up, colour)
    _ground(image, horizon + 0.05, (132, 198, 96), (96, 168, 72))
    return image


def _beach(size: int, draw: random.Random) -> Image.Image:
    horizon = draw.uniform(0.42, 0.5)
    image = _shades([(0, (140, 206, 246)), (horizon, (222, 242, 252)), (1, (222, 242, 252))], size)
    shore = horizon + draw.uniform(0.12, 0.17)
    _ground(image, horizon, (70, 164, 214), (110, 200, 224))
    _wave(image, shore - 0.015, (246, 250, 250), draw)
    _wave(image, shore, (244, 222, 168), draw)
    _ground(image, shore + 0.03, (244, 222, 168), (232, 200, 136))
    return image


def _snow(size: int, draw: random.Random) -> Image.Image:
    horizon = draw.uniform(0.52, 0.62)
    image = _shades([(0, (160, 188, 218)), (horizon, (214, 228, 240)), (1, (214, 228, 240))], size)
    _hill(image, draw.uniform(0.1, 0.9), horizon - 0.06, (228, 236, 246))
    _ground(image, horizon + 0.04, (244, 248, 252), (222, 232, 244))
    _dots(image, draw, 26, (255, 255, 255), 0.011, 1.0)
    return image


def _night(size: int, draw: random.Random) -> Image.Image:
    horizon = draw.uniform(0.6, 0.68)
    image = _shades([(0, (22, 28, 74)), (horizon, (62, 70, 138)), (1, (62, 70, 138))], size)
    _dots(image, draw, 22, (250, 246, 214), 0.008, horizon - 0.1)
    _hill(image, draw.uniform(0.1, 0.9), horizon - 0.05, (38, 58, 82))
    _ground(image, horizon + 0.04, (44, 72, 84), (30, 52, 66))
    return image


def _room(size: int, draw: random.Random) -> Image.Image:
    floor = draw.uniform(0.62, 0.7)
    wall = draw.choice(((250, 236, 212), (222, 236, 228), (236, 226, 240), (246, 224, 216)))
    image = _shades([(0, wall), (floor, _lit(wall, -10)), (1, wall)], size)
    _ground(image, floor, (206, 160, 112), (184, 136, 90))
    canvas = ImageDraw.Draw(image)
    canvas.rectangle((0, (floor - 0.025) * size, size, floor * size), fill=(252, 250, 246))
    for board in (0.25, 0.55, 1.0):
        y = (floor + (1 - floor) * board * 0.85) * size
        canvas.line((0, y, size, y), fill=(176, 130, 86), width=max(1, size // 160))
    return image


def _desert(size: int, draw: random.Random) -> Image.Image:
    horizon = draw.uniform(0.52, 0.6)
    image = _shades([(0, (250, 190, 120)), (horizon, (253, 230, 180)), (1, (253, 230, 180))], size)
    _hill(image, draw.uniform(0.0, 0.4), horizon - 0.06, (228, 168, 96))
    _hill(image, draw.uniform(0.6, 1.0), horizon - 0.02, (236, 180, 106))
    _ground(image, horizon + 0.06, (240, 190, 116), (222, 164, 90))
    return image


def _street(size: int, draw: random.Random) -> Image.Image:
    horizon = draw.uniform(0.62, 0.68)
    image = _shades([(0, (178, 214, 240)), (horizon, (230, 240, 246)), (1, (230, 240, 246))], size)
    canvas = ImageDraw.Draw(image)
    x = -0.05
    while x < 1:
        width, height = draw.uniform(0.12, 0.24), draw.uniform(0.16, 0.42)
        colour = draw.choice(((190, 204, 220), (204, 200, 214), (200, 212, 214), (214, 204, 200)))
        box = [v * size for v in (x, horizon - height, x + width, horizon)]
        canvas.rectangle(box, fill=colour)
        x += width
    _ground(image, horizon, (196, 194, 190), (184, 182, 180))
    _ground(image, horizon + 0.08, (122, 126, 134), (106, 110, 118))
    for i in range(4):  # the dashes of the road's middle
        left = i * 0.3 + 0.02
        low = horizon + 0.08 + (0.92 - horizon) * 0.6
        box = [v * size for v in (left, low, left + 0.15, low + 0.02)]
        canvas.rectangle(box, fill=(236, 232, 210))
    return image


def _sea(size: int, draw: random.Random) -> Image.Image:
    image = _shades([(0, (116, 206, 236)), (0.8, (40, 122, 190)), (1, (36, 108, 172))], size)
    floor = draw.uniform(0.8, 0.86)
    _wave(image, floor, (222, 200, 150), draw)
    canvas = ImageDraw.Draw(image)
    for _ in range(9):
        x, y, r = draw.uniform(0, 1), draw.uniform(0.05, 0.75), draw.uniform(0.008, 0.022)
        box = [v * size for v in (x - r, y - r, x + r, y + r)]
        canvas.ellipse(box, outline=(206, 240, 250), width=max(1, size // 120))
    return image


_PLACES: dict[str, Callable[[int, random.Random], Image.Image]] = {
    "meadow": _meadow, "beach": _beach, "snow": _snow, "night": _night,
    "room": _room, "desert": _desert, "street": _street, "sea": _sea,
}  # fmt: skip


def _lit(colour: Colour, more: int) -> Colour:
    red, green, blue = (max(0, min(255, part + more)) for part in colour)
    return red, green, blue


def _shades(stops: Sequence[tuple[float, Colour]], size: int) -> Image.Image:
    """Colours that run into each other from the top to the bottom."""
    rows = np.linspace(0, 1, size)
    places = [place for place, _ in stops]
    parts = [np.interp(rows, places, [colour[i] for _, colour in stops]) for i in range(3)]
    column = np.rint(np.stack(parts, axis=1)).astype(np.uint8)
    return Image.fromarray(np.repeat(column[:, None], size, axis=1))


@functools.lru_cache(maxsize=64)
def _slope(size: int, rows: int, top: Colour, low: Colour) -> Image.Image:
    return _shades([(0, top), (1, low)], max(rows, 2)).resize((size, rows))


def _ground(image: Image.Image, start: float, top: Colour, low: Colour) -> None:
    first = round(start * image.height)
    image.paste(_slope(image.width, image.height - first, top, low), (0, first))


def _hill(image: Image.Image, x: float, top: float, colour: Colour) -> None:
    size = image.width
    box = [v * size for v in (x - 0.8, top, x + 0.8, top + 0.6)]
    ImageDraw.Draw(image).ellipse(box, fill=colour)


def _wave(image: Image.Image, top: float, colour: Colour, draw: random.Random) -> None:
    """Everything below a gently waving line."""
    size, phase = image.width, draw.uniform(0, 2 * math.pi)
    line = [(x * size / 24, (top + 0.012 * math.sin(phase + x * 0.5)) * size) for x in range(25)]
    ImageDraw.Draw(image).polygon([*line, (size, size), (0, size)], fill=colour)


def _dots(
    image: Image.Image, draw: random.Random, count: int, colour: Colour, largest: float, end: float
) -> None:
    canvas, size = ImageDraw.Draw(image), image.width
    for _ in range(count):
        x, y, r = draw.uniform(0, 1), draw.uniform(0, end), draw.uniform(0.4, 1) * largest
        canvas.ellipse([v * size for v in (x - r, y - r, x + r, y + r)], fill=colour)
