"""What is true of scenes, as numbers that a judge can be taught and measured by.

Shapes: B scenes, M = `MOST_THINGS` things of each; rows beyond a scene's things are not asked about.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from polysee.datasets.scenes import (
    KINDS,
    MOST,
    MOST_BESIDE,
    MOST_THINGS,
    Relation,
    Scene,
    Thing,
)
from polysee.datasets.scenes_art import COLOURS
from polysee.datasets.scenes_things import concepts, having

NOT_ASKED = -100  # PyTorch's losses leave it out
CONCEPTS = tuple(concepts())
COLOUR_NAMES = tuple(COLOURS)
FEELINGS = tuple(sorted({feeling for c in concepts().values() for feeling in c.feelings}))
SIZES = ("big", "small", None)

_NUMBER = {name: number for number, name in enumerate(CONCEPTS)}


@dataclass(frozen=True)
class Truth:
    """The answers; `NOT_ASKED` where there is nothing to ask.

    Args:
        concept: (B, M), number in `CONCEPTS`.
        colour: (B, M), in `COLOUR_NAMES`; of what can have any.
        count: (B, M), less one.
        size: (B, M), in `SIZES`; of what is alone: beside others things are made to fit.
        feeling: (B, M), in `FEELINGS`, then none; of what can show one.
        relation: (B, M, M), how the first stands to the second: in `KINDS`, then those turned round.
    """

    concept: np.ndarray
    colour: np.ndarray
    count: np.ndarray
    size: np.ndarray
    feeling: np.ndarray
    relation: np.ndarray


def truth_of(scenes: Sequence[Scene]) -> Truth:
    """The answers to everything that can be asked of some scenes.

    Example:
        >>> from polysee.datasets.scenes import Background
        >>> dog, hat = Thing("dog"), Thing("top hat", colour="red")
        >>> truth = truth_of([Scene((dog, hat), (Relation("wearing", 0, 1),), Background("beach"), "noto")])
        >>> [CONCEPTS[i] for i in truth.concept[0, :2]], COLOUR_NAMES[truth.colour[0, 1]]
        (['dog', 'top hat'], 'red')
        >>> truth.relation[0, :2, :2].tolist()
        [[-100, 4], [10, -100]]
    """
    things = {
        name: np.full((len(scenes), MOST_THINGS), NOT_ASKED)
        for name in ("concept", "colour", "count", "size", "feeling")
    }
    relation = np.full((len(scenes), MOST_THINGS, MOST_THINGS), NOT_ASKED)
    for row, scene in enumerate(scenes):
        for column, thing in enumerate(scene.things):
            for name, answer in _answers(thing, alone=len(scene.things) == 1).items():
                things[name][row, column] = answer
        for kind, first, second in _relations(scene):
            relation[row, first, second] = kind
            relation[row, second, first] = kind + len(KINDS)
    return Truth(**things, relation=relation)


def rearranged(scene: Scene, draw: random.Random) -> Scene:
    """The same two things side by side: so what they are does not tell how they stand.

    A scene that cannot be so is given back as it is.
    """
    if len(scene.things) != 2 or scene.relations[0].kind == "left of":
        return scene
    order = draw.sample((0, 1), 2)
    return replace(scene, relations=(Relation("left of", *order),))


def recoloured(scene: Scene, draw: random.Random) -> Scene:
    """The same things, each that can have any colour in one by lot: in those too that training scenes never show it in.

    A drawer is to be tested by them; a judge of its drawings has to know a thing in any colour.
    """
    free = [name for name in COLOUR_NAMES if name not in scene.background.hides]
    things = (
        replace(thing, colour=draw.choice(free)) if thing.colour else thing
        for thing in scene.things
    )
    return replace(scene, things=tuple(things))


def renumbered(scene: Scene, draw: random.Random) -> Scene:
    """The same things in numbers by lot, where the world shows some in several: by themselves, or two side by side.

    As with `recoloured`, in those too that training scenes never show them in.
    """
    if len(scene.things) > 2 or any(relation.kind != "left of" for relation in scene.relations):
        return scene
    most = MOST if len(scene.things) == 1 else MOST_BESIDE
    things = (
        thing if thing.concept in having("sole") else replace(thing, count=draw.randint(1, most))
        for thing in scene.things
    )
    return replace(scene, things=tuple(things))


def _answers(thing: Thing, *, alone: bool) -> dict[str, int]:
    found = {"concept": _NUMBER[thing.concept], "count": thing.count - 1}
    if thing.colour:
        found["colour"] = COLOUR_NAMES.index(thing.colour)
    if alone and thing.count == 1:
        found["size"] = SIZES.index(thing.size)
    if concepts()[thing.concept].feelings:
        found["feeling"] = FEELINGS.index(thing.feeling) if thing.feeling else len(FEELINGS)
    return found


def _relations(scene: Scene) -> list[tuple[int, int, int]]:
    """Each relation as numbers; of a row, also those between things that are not neighbours."""
    found = [(KINDS.index(r.kind), r.subject, r.object) for r in scene.relations]
    if len(found) > 1 and all(r.kind == "left of" for r in scene.relations):
        kind = KINDS.index("left of")
        found = [(kind, i, j) for j in range(len(scene.things)) for i in range(j)]
    return found
