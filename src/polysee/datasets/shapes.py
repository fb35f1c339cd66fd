"""A small made world with exact truth: one to three coloured shapes, told of in both languages.

Everything is drawn and worded by a seed, so a recipe needs no download. Scenes come in families of four: the same
shapes, colours and relation, exchanged. "A red star left of a blue ring" has "a blue star left of a red ring" beside
it, so that knowing which words were said is not enough. The sentences are in `shapes_words`.

Shapes: N pictures, Y rows, X columns, C = 3 channels.
"""

from __future__ import annotations

import functools
import itertools
import math
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

IMAGE_SIZE = 64
FAMILY = 4
_ZOOM = 3  # drawn so many times larger and averaged down: smooth edges

SHAPES = (
    "circle", "square", "triangle", "star", "heart", "ring",
    "cross", "diamond", "hexagon", "moon", "arrow", "flower",
)  # fmt: skip
COLOURS = {
    "red": (222, 45, 48), "orange": (245, 135, 30), "yellow": (247, 208, 35), "green": (55, 165, 75),
    "blue": (45, 105, 220), "purple": (140, 70, 190), "pink": (245, 150, 190), "brown": (140, 88, 52),
}  # fmt: skip
# A second thing fits into these.
CONTAINERS = ("circle", "square", "heart", "ring", "diamond", "hexagon")
# One colour of every shape is never shown in training: what is learnt of both must be put together.
HELD_OUT = frozenset(
    (shape, list(COLOURS)[(3 * i + 1) % len(COLOURS)]) for i, shape in enumerate(SHAPES)
)
_HELD_OUT_SHARE = 10  # and one arrangement in so many

Relation = Literal["alone", "left", "above", "inside"]


@dataclass(frozen=True)
class Thing:
    """One shape. `big` is meant for the room that it has: a third of a row is less than the whole picture."""

    shape: str
    colour: str
    big: bool


@dataclass(frozen=True)
class Scene:
    """What a picture shows.

    Args:
        things: from left to right, from the top to the bottom, or the inner before the outer.
        relation: between neighbours.
        dark: whether the background is dark; else it is pale.
        gradient: whether the background changes from the top to the bottom.
    """

    things: tuple[Thing, ...]
    relation: Relation
    dark: bool
    gradient: bool

    @property
    def key(self) -> str:
        """What every sentence about the scene tells; sizes and the background are told only sometimes."""
        return " ".join([self.relation, *(f"{t.colour}-{t.shape}" for t in self.things)])

    @property
    def words(self) -> str:
        """The same without which belongs to which: all that a bag of words knows."""
        shapes, colours = zip(*((t.shape, t.colour) for t in self.things), strict=True)
        return " ".join([self.relation, *sorted(shapes), *sorted(colours)])

    @property
    def new_pair(self) -> bool:
        """Whether a shape is shown in the colour in which training never shows it."""
        return any((t.shape, t.colour) in HELD_OUT for t in self.things)

    @property
    def held_out(self) -> bool:
        """Whether training must not show it: it, or one made by exchanging its parts, is kept for validation."""
        shapes, colours = [t.shape for t in self.things], [t.colour for t in self.things]
        if any(pair in HELD_OUT for pair in itertools.product(shapes, colours)):
            return True
        return zlib.crc32(self.words.encode()) % _HELD_OUT_SHARE == 0


def training_scenes(count: int, seed: int) -> list[Scene]:
    """Scenes without the held-out pairs and arrangements, family after family.

    Example:
        >>> any(scene.held_out for scene in training_scenes(400, seed=0))
        False
    """
    families = _families(random.Random(f"training-{seed}"), held_out=False)
    chosen = itertools.islice(families, math.ceil(count / FAMILY))
    return list(itertools.chain.from_iterable(chosen))[:count]


def validation_scenes(count: int, seed: int) -> list[Scene]:
    """Scenes that training never shows, no two of one key, family after family."""
    seen: set[str] = set()
    scenes: list[Scene] = []
    for family in _families(random.Random(f"validation-{seed}"), held_out=True):
        keys = {scene.key for scene in family}
        if len(keys) == FAMILY and not keys & seen:
            seen |= keys
            scenes += family
        if len(scenes) >= count:
            break
    return scenes[:count]


def draw_scene(scene: Scene, seed: int | str) -> np.ndarray:
    """Draw a scene; place, turn, size and shade of everything vary a little with the seed.

    Shapes:
        returns: (Y, X, C) uint8
    """
    draw = random.Random(f"drawing-{seed}")
    image = _background(scene, draw)
    canvas = ImageDraw.Draw(image)
    backwards = list(zip(scene.things, _places(scene, draw), strict=True))[::-1]
    for thing, (x, y, radius) in backwards:  # the outer before the inner
        turn = draw.uniform(-0.2, 0.2)
        points = (_OUTLINES[thing.shape] @ _rotation(turn) * radius + (x, y)) * _ZOOM
        shade = 12 if scene.dark else 205
        shadow = points + 0.09 * radius * _ZOOM
        if scene.relation != "inside" or thing is not scene.things[0]:
            canvas.polygon(shadow.ravel().tolist(), fill=(shade, shade, shade + 6))
        colour = tuple(c + draw.randint(-12, 12) for c in COLOURS[thing.colour])
        canvas.polygon(points.ravel().tolist(), fill=colour)
    return np.asarray(image.reduce(_ZOOM))


def draw_scenes(scenes: Sequence[Scene], seed: int) -> np.ndarray:
    """Shapes: returns (N, Y, X, C) uint8."""
    pictures = np.empty((len(scenes), IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    for index, scene in enumerate(scenes):
        pictures[index] = draw_scene(scene, f"{seed}-{index}")
    return pictures


def _families(draw: random.Random, *, held_out: bool) -> Iterator[list[Scene]]:
    """Families of which all, or none, are held out."""
    while True:
        family = _family(draw, held_out)
        if all(scene.held_out == held_out for scene in family):
            yield family


def _family(draw: random.Random, held_out: bool) -> list[Scene]:
    """Four scenes of the same words; those with one thing have no parts to exchange, and are any four."""
    relation: Relation = draw.choices(("alone", "left", "above", "inside"), (1, 3, 3, 2))[0]
    if relation == "alone":
        pairs = draw.sample(_single_pairs(held_out), FAMILY)
        return [_scene([pair], relation, draw) for pair in pairs]
    count = 2 if relation == "inside" else draw.choice((2, 3))
    shapes = draw.sample(CONTAINERS if relation == "inside" else SHAPES, count)
    colours = draw.sample(list(COLOURS), count)
    orders = itertools.product(itertools.permutations(shapes), itertools.permutations(colours))
    chosen = draw.sample(list(orders), FAMILY)
    return [_scene(list(zip(*order, strict=True)), relation, draw) for order in chosen]


@functools.cache
def _single_pairs(held_out: bool) -> list[tuple[str, str]]:
    draw = random.Random(0)  # neither size nor background decides
    pairs = list(itertools.product(SHAPES, COLOURS))
    return [pair for pair in pairs if _scene([pair], "alone", draw).held_out == held_out]


def _scene(pairs: list[tuple[str, str]], relation: Relation, draw: random.Random) -> Scene:
    things = tuple(Thing(shape, colour, draw.random() < 0.5) for shape, colour in pairs)
    if relation == "inside":
        inner, outer = things
        things = (replace(inner, big=False), replace(outer, big=True))
    return Scene(things, relation, dark=draw.random() < 0.5, gradient=draw.random() < 0.5)


def _places(scene: Scene, draw: random.Random) -> list[tuple[float, float, float]]:
    """The middle and the radius of each thing, in pixels."""
    middle, count = IMAGE_SIZE / 2, len(scene.things)
    if scene.relation == "inside":
        x, y = (middle + draw.uniform(-4, 4) for _ in range(2))
        outer = draw.uniform(24, 27)
        return [(x, y, outer * draw.uniform(0.36, 0.42)), (x, y, outer)]
    room = IMAGE_SIZE / count
    places = []
    for index, thing in enumerate(scene.things):
        radius = min(room / 2, 24) * (
            draw.uniform(0.86, 0.96) if thing.big else draw.uniform(0.55, 0.65)
        )
        spare = room / 2 - radius
        along = room * (index + 0.5) + draw.uniform(-spare, spare) * 0.8
        # Neighbours keep to a common line, more or less, so that "left of" is never "above" too.
        across = middle + draw.uniform(-1, 1) * min(6, middle - radius)
        places.append(
            (across, along, radius) if scene.relation == "above" else (along, across, radius)
        )
    return places


def _background(scene: Scene, draw: random.Random) -> Image.Image:
    """A canvas `_ZOOM` times as large as the picture."""
    size = IMAGE_SIZE * _ZOOM
    low, high = (22, 60) if scene.dark else (222, 250)
    top = np.array([draw.uniform(low, high) for _ in range(3)])
    bottom = np.array([draw.uniform(low, high) for _ in range(3)]) if scene.gradient else top
    rows = top + np.linspace(0, 1, size)[:, None] * (bottom - top)  # (Y, C)
    column = Image.fromarray(rows.astype(np.uint8)[:, None])  # (Y, 1, C)
    return column.resize((size, size), Image.Resampling.NEAREST)


def _rotation(turn: float) -> np.ndarray:
    return np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])


def _round(radius: np.ndarray | float, points: int = 60) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, points)
    return np.stack([np.sin(angle), -np.cos(angle)], axis=1) * np.reshape(radius, (-1, 1))


def _spokes(corners: int, inner: float | None = None, turn: float = 0.0) -> np.ndarray:
    """A regular polygon, or with `inner` a star."""
    count = corners * (1 if inner is None else 2)
    angle = np.arange(count) * 2 * np.pi / count + turn
    radius = np.ones(count)
    if inner is not None:
        radius[1::2] = inner
    return np.stack([np.sin(angle) * radius, -np.cos(angle) * radius], axis=1)


def _heart() -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 60)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([16 * np.sin(t) ** 3, -y - 2], axis=1) / 16.5


def _moon() -> np.ndarray:
    outer = np.linspace(0.2 * np.pi, 1.8 * np.pi, 40)
    tip = np.array([np.cos(outer[0]), np.sin(outer[0])])
    centre = 0.45
    angle = math.atan2(tip[1], tip[0] - centre)
    inner = np.linspace(2 * np.pi - angle, angle, 40)
    radius = math.hypot(tip[1], tip[0] - centre)
    bow = np.stack([centre + radius * np.cos(inner), radius * np.sin(inner)], axis=1)
    return np.concatenate([np.stack([np.cos(outer), np.sin(outer)], axis=1), bow])


def _outlines() -> dict[str, np.ndarray]:
    """Every shape as the corners of a polygon within the unit circle; y grows downwards, as in pictures."""
    angle = np.linspace(0, 2 * np.pi, 90)
    arm = 0.3
    cross = [(-arm, -1), (arm, -1), (arm, -arm), (1, -arm), (1, arm), (arm, arm),
             (arm, 1), (-arm, 1), (-arm, arm), (-1, arm), (-1, -arm), (-arm, -arm)]  # fmt: skip
    arrow = [(-1, -0.25), (0.1, -0.25), (0.1, -0.75), (1, 0), (0.1, 0.75), (0.1, 0.25), (-1, 0.25)]
    return {
        "circle": _round(0.95),
        "square": _spokes(4, turn=np.pi / 4) * 1.15,
        "triangle": _spokes(3) * 1.05,
        "star": _spokes(5, 0.42),
        "heart": _heart(),
        "ring": np.concatenate([_round(1.0), _round(0.68)[::-1]]),
        "cross": np.array(cross) * 0.95,
        "diamond": _spokes(4) * (0.78, 1.0),
        "hexagon": _spokes(6, turn=np.pi / 6),
        "moon": _moon(),
        "arrow": np.array(arrow),
        "flower": _round(0.78 + 0.22 * np.cos(5 * angle), 90),
    }


_OUTLINES = _outlines()
