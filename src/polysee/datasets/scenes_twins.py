"""Scenes that differ in one fact: the same things turned round, another number, another colour, another thing.

A model that only knows which words go with which pictures cannot tell twins apart. Only facts are changed that a
sentence about the scene says if it says all it can, and a twin is a scene that can be drawn: neither of the two is
odder than the other.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, get_args

from polysee.datasets.scenes import (
    MOST,
    MOST_BESIDE,
    Kind,
    Relation,
    Scene,
    Thing,
    on_ground,
    sizes_fit,
)
from polysee.datasets.scenes_art import COLOURS
from polysee.datasets.scenes_things import concepts, having

Fact = Literal["relation", "count", "colour", "thing"]
FACTS: tuple[Fact, ...] = get_args(Fact)

_TURNED: dict[Kind, Kind] = {"on": "under", "under": "on"}
_WORN = ("hat", "specs", "bow")


def twin(scene: Scene, fact: Fact, draw: random.Random) -> Scene | None:
    """A scene that differs in one fact of a kind; None where there is none to change.

    "relation": left and right, before and behind, or on and under exchanged; what is worn or held lies beside.

    Example:
        >>> from polysee.datasets.scenes import Background
        >>> things = Thing("dog"), Thing("car", colour="red")
        >>> scene = Scene(things, (Relation("left of", 0, 1),), Background("beach"), "noto")
        >>> [thing.concept for thing in twin(scene, "relation", random.Random(0)).things]
        ['car', 'dog']
        >>> twin(scene, "colour", random.Random(0)).things[1].colour
        'brown'
    """
    return _CHANGES[fact](scene, draw)


def _turned(scene: Scene, draw: random.Random) -> Scene | None:
    if not scene.relations:
        return None
    beside = [r for r in scene.relations if r.kind == "left of"]
    if beside and len(beside) < len(scene.relations):
        # Who wears or holds something, beside another thing, can only change sides.
        sides = Relation("left of", beside[0].object, beside[0].subject)
        changed = tuple(sides if r.kind == "left of" else r for r in scene.relations)
        return replace(scene, relations=changed)
    relation = draw.choice(scene.relations)
    i, j = relation.subject, relation.object
    if relation.kind in _TURNED:
        return replace(scene, relations=(replace(relation, kind=_TURNED[relation.kind]),))
    if relation.kind in ("wearing", "holding"):
        return replace(scene, relations=(Relation("left of", *draw.sample((i, j), 2)),))
    things = list(scene.things)
    things[i], things[j] = things[j], things[i]
    return replace(scene, things=tuple(things))


def _recounted(scene: Scene, draw: random.Random) -> Scene | None:
    if len(scene.things) > 2 or any(r.kind != "left of" for r in scene.relations):
        return None
    free = [i for i, t in enumerate(scene.things) if not t.size and t.concept not in having("sole")]
    if not free:
        return None
    index = draw.choice(free)
    most = MOST if len(scene.things) == 1 else MOST_BESIDE
    others = [n for n in range(1, most + 1) if n != scene.things[index].count]
    return _with(scene, index, replace(scene.things[index], count=draw.choice(others)))


def _recoloured(scene: Scene, draw: random.Random) -> Scene | None:
    painted = [i for i, thing in enumerate(scene.things) if thing.colour]
    if not painted:
        return None
    index = draw.choice(painted)
    thing = scene.things[index]
    taken = {thing.colour, *scene.background.hides}
    colour = draw.choice([name for name in COLOURS if name not in taken])
    return _with(scene, index, replace(thing, colour=colour))


def _exchanged(scene: Scene, draw: random.Random) -> Scene | None:
    index = draw.randrange(len(scene.things))
    found = [name for name in _places(scene, index) if _fits(scene, index, name)]
    if not found:
        return None
    return _with(scene, index, replace(scene.things[index], concept=draw.choice(found)))


_CHANGES: dict[Fact, Callable[[Scene, random.Random], Scene | None]] = {
    "relation": _turned,
    "count": _recounted,
    "colour": _recoloured,
    "thing": _exchanged,
}


def _with(scene: Scene, index: int, thing: Thing) -> Scene:
    return replace(scene, things=(*scene.things[:index], thing, *scene.things[index + 1 :]))


def _places(scene: Scene, index: int) -> list[str]:
    """The concepts that can stand where a thing stands, in the list's order."""
    own = scene.things[index].concept
    allowed = list(concepts()) if len(scene.relations) < 2 else on_ground()
    for relation in scene.relations:
        if index not in (relation.subject, relation.object):
            continue
        roles = _ROLES[relation.kind][index == relation.object]
        if relation.kind == "wearing" and index == relation.object:
            roles = tuple(role for role in _WORN if own in having(role))
        if roles:
            allowed = [name for name in allowed if concepts()[name].roles & set(roles)]
        elif relation.kind != "left of":
            allowed = [name for name in allowed if name not in having("sky")]
    return allowed


# What the first and the second thing of a relation must be able to do; nothing, for whatever is not in the sky.
_ROLES: dict[Kind, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "on": (("alive", "held", "hat"), ("carries", "seat")),
    "under": ((), ("cover", "sky")),
    "left of": ((), ()),
    "in front of": ((), ("back",)),
    "wearing": (("wears",), _WORN),
    "holding": (("holds",), ("held",)),
}


def _fits(scene: Scene, index: int, name: str) -> bool:
    """Whether a concept can be there with everything else as it is."""
    thing, roles = scene.things[index], concepts()[name].roles
    if any(name == other.concept for other in scene.things):
        return False
    if ("tint" in roles) != bool(thing.colour) or (thing.count > 1 and "sole" in roles):
        return False
    if (thing.feeling or "feels" in roles) and thing.feeling not in concepts()[name].feelings:
        return False
    for r in scene.relations:
        if index in (r.subject, r.object):
            names = [name if i == index else scene.things[i].concept for i in (r.subject, r.object)]
            if not sizes_fit(r.kind, names[0], names[1]):
                return False
    return True
