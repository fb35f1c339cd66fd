"""Where everything in a scene stands: hats on heads, cats on sofas, and nothing cut off.

Coordinates are shares of the picture's side; y grows downwards.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from polysee.datasets.scenes import Relation, Scene, Thing
from polysee.datasets.scenes_art import main_colour, profile, sprite
from polysee.datasets.scenes_things import Concept, concepts

MARGIN = 0.04
# Places a side where a thing can begin: as many as codes, so that a thing's codes do not depend on where it stands. Few
# sizes, in steps of the lattice, for the same reason: a small model learns what it sees often.
LATTICE = 12
_SIZES = (2, 3, 4, 5, 6, 8, 10)
_ENLARGED = 1.2  # the most, so that something has one of them
_LEAST = 3  # steps that a thing by itself covers, however small it is said to be
_GROUND = 11 / 12
_APART = 1.14  # from one copy to the next, in widths
# By the number of things in a row, worn and held ones counted: how wide their parts of it are together, in pictures.
# Of more than two every second part lies further back, so that it may reach behind its neighbours.
_WIDE = {2: 1.0, 3: 1.25, 4: 4 / 3}
_BACK = 3 / LATTICE  # how much higher those stand
_GROWTH = 1.2  # how much larger each size of things is than the one below it

# How far down the eyes are, as shares of the face's height: in Noto, in Fluent.
_EYES = {
    "dog": (0.42, 0.37), "cat": (0.48, 0.5), "monkey": (0.41, 0.42), "wolf": (0.47, 0.52), "fox": (0.56, 0.55),
    "lion": (0.37, 0.37), "tiger": (0.38, 0.42), "cow": (0.4, 0.43), "pig": (0.43, 0.39), "mouse": (0.39, 0.46),
    "hamster": (0.45, 0.5), "rabbit": (0.57, 0.6), "bear": (0.47, 0.48), "polar bear": (0.36, 0.48),
    "koala": (0.41, 0.4), "panda": (0.48, 0.47), "owl": (0.25, 0.22), "frog": (0.21, 0.2), "baby": (0.53, 0.56),
    "boy": (0.56, 0.52), "girl": (0.57, 0.52), "man": (0.56, 0.47), "woman": (0.55, 0.55), "old man": (0.54, 0.53),
    "old woman": (0.6, 0.57), "robot": (0.53, 0.57), "alien": (0.47, 0.46), "ghost": (0.24, 0.22),
    "pumpkin lantern": (0.37, 0.43),
}  # fmt: skip
# Where the skull ends, where that is not what the picture shows in its middle: aerials, locks, stalks.
_SKULL = {
    "robot": (0.27, 0.12),
    "baby": (0.05, 0.1),
    "pumpkin lantern": (0.08, 0.06),
    "owl": (0.05, 0.03),
}
# The head's width, as a share of the picture's; wide ones are mostly hair.
_HEAD = {
    "ghost": (0.5, 0.5),
    "owl": (0.8, 0.85),
    "rabbit": (0.8, 0.7),
    "alien": (0.85, 0.85),
    "robot": (0.8, 0.85),
}
_HEAD |= dict.fromkeys(
    ("boy", "girl", "man", "woman", "old man", "old woman", "baby"), (0.92, 0.92)
)
_ANY_HEAD = 0.66
# Of each hat: its width in heads, and how far it is pulled down, as a share of its height.
_HATS = {
    "top hat": (1.0, 0.14), "sun hat": (1.2, 0.34), "cap": (1.05, 0.3), "graduation cap": (1.15, 0.38),
    "crown": (0.8, 0.16),
}  # fmt: skip
# Where one sits, as shares of width and height, where that is not the top: in Noto, in Fluent.
_SEATS = {
    "sofa": ((0.42, 0.62), (0.45, 0.6)), "bed": ((0.55, 0.5), (0.55, 0.5)), "chair": ((0.5, 0.56), (0.5, 0.5)),
    "toilet": ((0.6, 0.42), (0.55, 0.4)), "sled": ((0.5, 0.3), (0.45, 0.35)),
    "laptop": ((0.5, 0.72), (0.5, 0.72)),
}  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """One picture of art in the scene.

    Args:
        thing: number of the thing that it shows; None for what belongs to none, such as a paw.
        x, bottom: the middle and the lower edge.
        width, height: 0 height for an ellipse of the given colour, a paw.
        grounded: whether it stands on the ground, and has a shadow there.
        exact: whether it has its place on another piece, to the pixel: glasses and bows, that would slip otherwise.
    """

    thing: int | None
    emoji: str
    colour: str | None
    x: float
    bottom: float
    width: float
    height: float
    grounded: bool = True
    paw: tuple[int, int, int] | None = None
    exact: bool = False

    def moved(self, scale: float, x: float, y: float) -> Piece:
        return replace(
            self, x=self.x * scale + x, bottom=self.bottom * scale + y,
            width=self.width * scale, height=self.height * scale,
        )  # fmt: skip


class Placement:
    """Places the things of a scene; `pieces` are in the order of drawing.

    Every group is first put together around the origin, its ground at y = 0, then fitted into its part of the picture.
    """

    def __init__(self, scene: Scene, draw: random.Random) -> None:
        self.scene, self.draw = scene, draw
        beside = [r for r in scene.relations if r.kind == "left of"]
        if not beside:
            self.pieces = self._fitted(self._group(0), 0.0, 1.0, MARGIN, alone=True)
            return
        groups = [self._group(i, beside=True) for i in _left_to_right(beside)]
        wide = _WIDE[len(scene.things)]
        margin = 0.02 if wide == 1 else 0.0  # where there is little room, all of it
        widths = [_breadth(group) for group in groups]
        overlap = (wide - 1) / (len(groups) - 1)
        start = 0.0
        front: list[Piece] = []
        back: list[Piece] = []
        for number, (group, width) in enumerate(zip(groups, widths, strict=True)):
            end = start + wide * width / sum(widths)
            behind = wide > 1 and number % 2 == 1
            ground = _GROUND - _BACK if behind else _GROUND
            fitted = self._fitted(group, start, end, margin, ground=ground, rises=wide == 1)
            (back if behind else front).extend(fitted)
            start = end - overlap
        self.pieces = [*back, *front]

    def _group(self, index: int, *, beside: bool = False) -> list[Piece]:
        """A thing, and what it wears, holds, sits on, stands before or is under."""
        thing = self.scene.things[index]
        relation = next(
            (r for r in self.scene.relations if r.subject == index and r.kind != "left of"), None
        )
        if relation is None:
            return self._several(index, beside) if thing.count > 1 else [self._piece(index)]
        place = {
            "on": self._on, "under": self._under, "in front of": self._before,
            "wearing": self._worn, "holding": self._held,
        }[relation.kind]  # fmt: skip
        return place(relation)

    def _piece(self, index: int, *, head: bool = False, extent: float | None = None) -> Piece:
        """One thing at its own size, or with its longer side `extent`, standing on the origin."""
        thing, concept = self.scene.things[index], self._concept(index)
        emoji = concept.feelings[thing.feeling] if thing.feeling else concept.picture
        if head and not thing.feeling:
            emoji = concept.head
        extent = _size(thing, concept) if extent is None else extent
        width, height = sprite(emoji, self.scene.style).size
        scale = extent / max(width, height)
        return Piece(index, emoji, thing.colour, 0.0, 0.0, width * scale, height * scale)

    def _several(self, index: int, beside: bool) -> list[Piece]:
        """Copies in one rank or two, so that one can count them; beside something else they have little room."""
        count = self.scene.things[index].count
        one = self._piece(index)
        deep = count > 3 or (count == 3 and (beside or self.draw.random() < 0.75))
        back = count // 2 if deep else 0
        pieces = []
        for number, bottom in ((back, -1.1 * one.height), (count - back, 0.0)):
            for i in range(number):
                place = (i - (number - 1) / 2) * one.width * _APART
                pieces.append(replace(one, x=place, bottom=bottom))
        return pieces

    def _on(self, relation: Relation) -> list[Piece]:
        carrier, rider = self._piece(relation.object), self._piece(relation.subject)
        largest = 0.8 if "carries" in self._concept(relation.object).roles else 0.95
        rider = _at_most(rider, max(carrier.width, carrier.height) * largest)
        name = self.scene.things[relation.object].concept
        if name in _SEATS:
            across, down = self._by_style(*_SEATS[name])
            top = -carrier.height * (1 - down)
        else:
            across = 0.5
            top = -carrier.height * (1 - self._top_of(carrier, across, rider))
        sunk = 0.04 * rider.height
        x = (across - 0.5) * carrier.width
        return [carrier, replace(rider, x=x, bottom=top + sunk, grounded=False)]

    def _top_of(self, carrier: Piece, across: float, rider: Piece) -> float:
        """How far down the top of a picture is where something stands on it."""
        outline = profile(carrier.emoji, self.scene.style)
        half = min(0.5 * rider.width / carrier.width, 0.3) * 0.6
        start, end = (round((across + side * half) * len(outline)) for side in (-1, 1))
        return float(np.median(outline[max(0, start) : max(start + 1, end)]))

    def _under(self, relation: Relation) -> list[Piece]:
        cover, one = self._piece(relation.object), self._piece(relation.subject)
        if "sky" in self._concept(relation.object).roles:
            one = _at_most(one, 0.9 * max(cover.width, cover.height, 0.4))
            return [one, replace(cover, bottom=-one.height - 0.1, grounded=False)]
        umbrella = "held" in self._concept(relation.object).roles
        one = _at_most(one, cover.height * (0.55 if umbrella else 0.42))
        if umbrella:  # the handle would stand before a face
            return [replace(cover, bottom=-0.42 * one.height, grounded=False), one]
        side = self.draw.choice((-1, 1)) * 0.32 * cover.width
        return [cover, replace(one, x=side, bottom=0.03)]

    def _before(self, relation: Relation) -> list[Piece]:
        behind, one = self._piece(relation.object), self._piece(relation.subject)
        one = _at_most(one, 0.55 * min(behind.width, behind.height) + 0.06)
        side = self.draw.choice((-1, 1)) * 0.32 * behind.width
        return [behind, replace(one, x=side, bottom=0.12)]

    def _worn(self, relation: Relation) -> list[Piece]:
        wearer = self._piece(relation.subject, head=True)
        worn = self._piece(relation.object)
        name = self.scene.things[relation.subject].concept
        head = self._by_style(*_HEAD.get(name, (_ANY_HEAD, _ANY_HEAD))) * wearer.width
        role = self._concept(relation.object).roles
        if "specs" in role:
            worn = _as_wide(worn, head * (0.98 if head > 0.75 * wearer.width else 1.1))
            eyes = self._by_style(*_EYES[name]) * wearer.height - wearer.height
            return [
                wearer,
                replace(worn, bottom=eyes + worn.height / 2, grounded=False, exact=True),
            ]
        skull = self._skull(name, wearer) * wearer.height - wearer.height
        if "bow" in role:
            worn = _as_wide(worn, head * 0.55)
            side = self.draw.choice((-1, 1)) * head * 0.3
            low = skull + 0.7 * worn.height
            return [wearer, replace(worn, x=side, bottom=low, grounded=False, exact=True)]
        heads, pulled = _HATS[self.scene.things[relation.object].concept]
        worn = _as_wide(worn, head * heads)
        low = skull + pulled * worn.height + 0.03 * wearer.height
        return [wearer, replace(worn, bottom=low, grounded=False)]

    def _skull(self, name: str, wearer: Piece) -> float:
        if name in _SKULL:
            return self._by_style(*_SKULL[name])
        outline = profile(wearer.emoji, self.scene.style)
        middle = outline[round(0.42 * len(outline)) : round(0.58 * len(outline))]
        return float(middle.mean())

    def _held(self, relation: Relation) -> list[Piece]:
        holder = self._piece(relation.subject, head=True)
        largest = 0.7 * max(holder.width, holder.height)
        held = self._piece(relation.object, extent=largest)
        side = self.draw.choice((-1, 1))
        x = side * (holder.width / 2 + held.width * 0.3)
        low = -0.08 * holder.height
        skin = main_colour(holder.emoji, self.scene.style)
        size = 0.2 * holder.width
        paw = Piece(
            None, "", None, x - side * 0.1 * held.width, low + 0.3 * size, size, size * 0.9, False, skin
        )  # fmt: skip
        return [holder, replace(held, x=x, bottom=low, grounded=False), paw]

    def _fitted(
        self,
        group: Sequence[Piece],
        start: float,
        end: float,
        margin: float,
        *,
        alone: bool = False,
        ground: float = _GROUND,
        rises: bool = True,
    ) -> list[Piece]:
        """Move a group into a part of the picture, and make it small enough to be seen whole.

        Args:
            ground: where it stands.
            rises: whether what is low, or flies, is moved up to where there is room.
        """
        left, top, right, low = _box(group)
        room = end - start - 2 * margin
        largest = min(room / (right - left), (ground - MARGIN) / (low - top))
        single = alone and len(group) == 1  # it keeps its size; others fill their part
        scale = min(largest, 1.15 if single else 2.0)
        copies = len(group) > 1 and len({piece.thing for piece in group}) == 1
        side = group[0].width * _APART if copies else max(group[0].width, group[0].height)
        scale = _whole(scale, side)
        if single:
            scale = max(scale, _LEAST / LATTICE / side)
        width = (right - left) * scale
        spare = max(0.0, room - width)
        step = self.draw.choice((-1, 0, 1)) / LATTICE if single else 0.0
        x = start + margin + spare / 2 + step - left * scale
        y = min(ground, 1 - MARGIN - low * scale)
        high = y + top * scale
        # Little in an empty picture: nearer to the middle.
        if rises and (high > 0.3 or self._flies(group)):
            y -= (high - 0.12) * 0.45
        edge = (group[0].x - group[0].width / 2) * scale
        x = _on_lattice(x, edge, start - left * scale, end - right * scale)
        main = group[-1] if copies else group[0]  # of two ranks, the front
        y = _on_lattice(y, main.bottom * scale, -top * scale, 1 - low * scale)
        fitted = [piece.moved(scale, x, y) for piece in group]
        if copies:
            return [_each_on_lattice(piece, start, end) for piece in fitted]
        return [fitted[0], *_settled(fitted[1:], start, end)]

    def _flies(self, group: Sequence[Piece]) -> bool:
        return all(p.thing is not None and "sky" in self._concept(p.thing).roles for p in group)

    def _concept(self, index: int) -> Concept:
        return concepts()[self.scene.things[index].concept]

    def _by_style(self, noto: Any, fluent: Any) -> Any:
        return noto if self.scene.style == "noto" else fluent


def _size(thing: Thing, concept: Concept) -> float:
    factor = {"big": 1.4, "small": 0.62, None: 1.0}[thing.size]
    return 0.56 * _GROWTH ** (concept.size - 3.5) * factor


def _at_most(piece: Piece, extent: float) -> Piece:
    scale = min(1.0, extent / max(piece.width, piece.height))
    return piece.moved(scale, 0.0, 0.0)


def _as_wide(piece: Piece, width: float) -> Piece:
    return piece.moved(width / piece.width, 0.0, 0.0)


def _whole(scale: float, extent: float) -> float:
    """The scale, or less: so that something so long covers one of the few sizes, if the smallest fits."""
    fitting = [steps for steps in _SIZES if steps <= scale * extent * LATTICE + 1e-6]
    return fitting[-1] / LATTICE / extent if fitting else scale


def _on_lattice(shift: float, edge: float, least: float, most: float) -> float:
    """The nearest shift that brings an edge onto the lattice; the same one if none of them is from `least` to `most`.

    Example:
        >>> round(12 * _on_lattice(0.4, 0.0, 0.0, 0.6), 6)
        5.0
    """
    nearest = math.floor((edge + shift) * LATTICE + 0.5 + 1e-6)  # halves all go one way
    shifts = [(nearest + step) / LATTICE - edge for step in (-1, 0, 1)]
    inside = [s for s in shifts if least - 1e-6 <= s <= most + 1e-6]
    return min(inside, key=lambda s: (round(abs(s - shift), 6), -s), default=shift)


def _settled(pieces: Sequence[Piece], start: float, end: float) -> Iterator[Piece]:
    """Each piece in one of the few sizes and on the lattice, if it need not stay; a paw goes with what it holds."""
    across = up = 0.0  # how far the last piece went
    for piece in pieces:
        if piece.thing is None:
            yield replace(piece, x=piece.x + across, bottom=piece.bottom + up)
            continue
        if piece.exact:
            yield piece
            continue
        extent = max(piece.width, piece.height)
        scale = _whole(_ENLARGED, extent)
        if piece.height * scale > piece.bottom - MARGIN / 2:
            scale = _whole(1.0, extent)
        sized = replace(piece, width=piece.width * scale, height=piece.height * scale)
        half = sized.width / 2
        across = _on_lattice(0.0, piece.x - half, start - piece.x + half, end - piece.x - half)
        least, most = MARGIN / 2 + sized.height - piece.bottom, 1 - MARGIN - piece.bottom
        up = _on_lattice(0.0, piece.bottom, least, most)
        yield replace(sized, x=piece.x + across, bottom=piece.bottom + up)


def _each_on_lattice(piece: Piece, start: float, end: float) -> Piece:
    left, top = piece.x - piece.width / 2, piece.bottom - piece.height
    x = _on_lattice(0.0, left, start - left, end - left - piece.width)
    up = (
        math.floor(piece.bottom * LATTICE + 1e-6) / LATTICE - piece.bottom
    )  # the back rank stays apart
    return piece.moved(1.0, x, up if top + up >= 0 else 0.0)


def _breadth(group: Sequence[Piece]) -> float:
    """How much room a group asks for beside others: large things little more than small ones, two abreast twice."""
    left, _, right, _ = _box(group)
    widest = max(piece.width for piece in group)
    return widest**0.35 * (right - left) / widest


def _box(group: Sequence[Piece]) -> tuple[float, float, float, float]:
    return (
        min(p.x - p.width / 2 for p in group),
        min(p.bottom - p.height for p in group),
        max(p.x + p.width / 2 for p in group),
        max(p.bottom for p in group),
    )


def _left_to_right(beside: Sequence[Relation]) -> list[int]:
    """The things of a chain of "left of", in order."""
    after = {r.subject: r.object for r in beside}
    first = (after.keys() - set(after.values())).pop()
    order = [first]
    while order[-1] in after:
        order.append(after[order[-1]])
    return order
