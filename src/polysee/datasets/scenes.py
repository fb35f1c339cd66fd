"""A made world of emoji art with exact truth: what stands where, in which colour, wearing or holding what.

A scene is what a picture shows; `scenes_drawing` draws it, `scenes_words` tells it in either language. It is made of
facts, such as "red car" or "dog wearing top hat": a share of all facts is kept for validation, another for test, and
no scene of training holds one of those. So what is measured there is whether parts that were learnt apart are put
together.
"""

from __future__ import annotations

import itertools
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from polysee.datasets.scenes_art import COLOURS, STYLES, Style
from polysee.datasets.scenes_things import concepts, having

Kind = Literal["on", "under", "left of", "in front of", "wearing", "holding"]
Size = Literal["big", "small"]
Split = Literal["training", "validation", "test"]
Place = Literal["plain", "gradient", "meadow", "beach", "snow", "night", "room", "desert", "street", "sea"]  # fmt: skip

KINDS: tuple[Kind, ...] = get_args(Kind)
PLACES: tuple[Place, ...] = get_args(Place)[2:]
GROUNDS = ("white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink")
MOST = 5  # of one thing
MOST_BESIDE = 3  # of one that stands beside another
MOST_THINGS = 4

# A thing of this colour is hard to see there.
_HIDES: dict[Place, str] = {
    "night": "black", "snow": "white", "sea": "blue", "meadow": "green", "desert": "orange",
}  # fmt: skip
_KEPT_SHARE = 20  # one fact in so many is kept for validation, and one for test


@dataclass(frozen=True)
class Thing:
    """A thing, or several alike.

    Args:
        concept: its name, a key of `scenes_things.concepts()`.
        feeling: what its face shows.
    """

    concept: str
    count: int = 1
    colour: str | None = None
    size: Size | None = None
    feeling: str | None = None

    @property
    def facts(self) -> Iterator[str]:
        if self.colour:
            yield f"{self.colour} {self.concept}"
        if self.size:
            yield f"{self.size} {self.concept}"
        if self.count > 1:
            yield f"{self.count} {self.concept}"


@dataclass(frozen=True)
class Relation:
    """What one thing does to another: numbers into the scene's things.

    "Right of" and "behind" are said by exchanging the two.
    """

    kind: Kind
    subject: int
    object: int


@dataclass(frozen=True)
class Background:
    """One pale colour, two that run into each other, the first above, or a place."""

    place: Place
    colours: tuple[str, ...] = ()

    @property
    def hides(self) -> set[str]:
        """The colours that no thing has before it.

        Example:
            >>> sorted(Background("plain", ("red",)).hides), sorted(Background("snow").hides)
            (['red'], ['white'])
        """
        return {*self.colours, *([_HIDES[self.place]] if self.place in _HIDES else [])}


@dataclass(frozen=True)
class Scene:
    """One to four kinds of things, how they stand to each other, and before what."""

    things: tuple[Thing, ...]
    relations: tuple[Relation, ...]
    background: Background
    style: Style

    @property
    def facts(self) -> tuple[str, ...]:
        """What is combined in it, each a short phrase.

        Example:
            >>> dog, hat = Thing("dog"), Thing("top hat", colour="red")
            >>> Scene((dog, hat), (Relation("wearing", 0, 1),), Background("plain", ("blue",)), "noto").facts
            ('red top hat', 'dog wearing top hat')
        """
        own = itertools.chain.from_iterable(thing.facts for thing in self.things)
        between = (
            f"{self.things[r.subject].concept} {r.kind} {self.things[r.object].concept}"
            for r in self.relations
        )
        return tuple(itertools.chain(own, between))

    @property
    def split(self) -> Split | None:
        """Where the scene belongs: None for nowhere, since it holds facts of validation and of test.

        Nor does a row in which things that are no neighbours stand as is kept: no sentence says so, but it is seen.
        """
        kept = {split_of(fact) for fact in self.facts} - {"training"}
        if len(kept) > 1:
            return None
        if kept:
            return kept.pop()
        row = all(relation.kind == "left of" for relation in self.relations)
        names = [thing.concept for thing in self.things] if row else []
        apart = (f"{a} left of {b}" for i, a in enumerate(names) for b in names[i + 2 :])
        return "training" if {split_of(fact) for fact in apart} <= {"training"} else None

    def truth(self) -> dict[str, Any]:
        """The scene as plain values, for JSON."""
        return asdict(self) | {"split": self.split}


def split_of(fact: str) -> Split:
    """Where a fact belongs; whether it is drawn often or rarely has no part in it.

    Example:
        >>> from collections import Counter
        >>> Counter(split_of(f"red thing {i}") for i in range(1000)).most_common(1)
        [('training', 898)]
    """
    place = zlib.crc32(f"scene fact: {fact}".encode()) % _KEPT_SHARE
    if place > 1:
        return "training"
    return "validation" if place else "test"


def scene_of(split: Split, seed: int | str, style: Style | None = None) -> Scene:
    """The scene of a seed; of one split at a time every seed gives another.

    Example:
        >>> scene_of("training", 7) == scene_of("training", 7)
        True
        >>> scene_of("validation", 7).split
        'validation'
    """
    draw = random.Random(f"scene-{split}-{seed}")
    while True:
        own = draw.choice(STYLES)  # drawn in any case, so that a style alone changes nothing else
        scene = _any_scene(draw, style or own)
        if scene.split == split:
            return scene


def scenes_of(split: Split, seeds: Sequence[int], style: Style | None = None) -> list[Scene]:
    return [scene_of(split, seed, style) for seed in seeds]


def _any_scene(draw: random.Random, style: Style) -> Scene:
    make = draw.choices((_alone, _several, _pair, _worn_beside, _row), (24, 10, 48, 10, 8))[0]
    things, relations = make(draw)
    return Scene(tuple(things), tuple(relations), _background(draw, things), style)


_Parts = tuple[list[Thing], list[Relation]]


def _alone(draw: random.Random) -> _Parts:
    return [_thing(draw, draw.choice(list(concepts())), size=0.4)], []


def _several(draw: random.Random) -> _Parts:
    name = draw.choice([name for name in concepts() if name not in having("sole")])
    return [_thing(draw, name, count=draw.randint(2, MOST))], []


def _pair(draw: random.Random) -> _Parts:
    kind: Kind = draw.choices(KINDS, (16, 14, 26, 12, 16, 16))[0]
    first, second = _two_for(kind, draw)
    if kind != "left of":
        return [_thing(draw, first), _thing(draw, second)], [Relation(kind, 0, 1)]
    counts = [draw.choices(range(1, MOST_BESIDE + 1), (8, 1, 1))[0] for _ in range(2)]
    both = [
        _thing(draw, name, size=0.25, count=1 if name in having("sole") else count)
        for name, count in zip((first, second), counts, strict=True)
    ]
    return both, [Relation(kind, 0, 1)]


def _worn_beside(draw: random.Random) -> _Parts:
    """Somebody who wears or holds something, on one side of another thing."""
    kind: Kind = draw.choice(("wearing", "holding"))
    names = [*_two_for(kind, draw)]
    names.append(draw.choice([n for n in on_ground() if n not in names]))
    side = Relation("left of", *draw.choice(((0, 2), (2, 0))))
    return [_thing(draw, name) for name in names], [Relation(kind, 0, 1), side]


def _row(draw: random.Random) -> _Parts:
    names = draw.sample(on_ground(), draw.choice((3, 3, MOST_THINGS)))
    beside = [Relation("left of", i, i + 1) for i in range(len(names) - 1)]
    return [_thing(draw, name) for name in names], beside


def _two_for(kind: Kind, draw: random.Random) -> tuple[str, str]:
    """Two concepts that can stand so to each other."""
    while True:
        pair: tuple[str, str]
        if kind == "on":
            carrier = draw.choice(having("carries") + having("seat"))
            rider = draw.choice([*having("alive"), *having("held"), *having("hat")])
            pair = rider, carrier
        elif kind == "under":
            pair = draw.choice(on_ground()), draw.choice(having("cover") + having("sky"))
        elif kind == "in front of":
            pair = draw.choice(on_ground()), draw.choice(having("back"))
        elif kind == "wearing":
            worn = draw.choices(("hat", "specs", "bow"), (6, 3, 1))[0]
            pair = draw.choice(having("wears")), draw.choice(having(worn))
        elif kind == "holding":
            pair = draw.choice(having("holds")), draw.choice(having("held"))
        else:
            first, second = draw.sample(list(concepts()), 2)
            pair = first, second
        if pair[0] != pair[1] and sizes_fit(kind, *pair):
            return pair


def sizes_fit(kind: Kind, first: str, second: str) -> bool:
    """Whether one would look right with the other: no elephant on a book."""
    small, large = concepts()[first].size, concepts()[second].size
    if kind == "on":
        return small <= large
    if kind == "under":
        return small <= large + (2 if second in having("sky") else 0)
    return small < large if kind == "in front of" else True


def on_ground() -> list[str]:
    return [name for name in concepts() if name not in having("sky")]


def _thing(draw: random.Random, name: str, *, size: float = 0.0, count: int = 1) -> Thing:
    """A thing with some of what it can have; a size with a chance."""
    concept = concepts()[name]
    chosen: Size | None = None
    if draw.random() < size:
        chosen = draw.choice(get_args(Size))
    feeling = None
    if concept.feelings and (draw.random() < 0.6 or "feels" in concept.roles):
        feeling = draw.choice(list(concept.feelings))
    # What can have any colour always has one of ours; words may leave it out.
    paint = draw.choice(list(COLOURS)) if "tint" in concept.roles else None
    return Thing(name, count, paint, chosen, feeling)


def _background(draw: random.Random, things: Sequence[Thing]) -> Background:
    place = draw.choices(("plain", "gradient", "place"), (4, 3, 5))[0]
    shown = {thing.colour for thing in things}
    if place == "place":
        return draw.choice([there for there in map(Background, PLACES) if not there.hides & shown])
    free = [colour for colour in GROUNDS if colour not in shown]
    if place == "plain":
        return Background("plain", (draw.choice(free),))
    return Background("gradient", tuple(draw.sample(free, 2)))
