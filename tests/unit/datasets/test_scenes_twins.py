"""Twins: one fact is another, everything else stays, and both can be drawn and told."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from polysee.datasets.scenes import Background, Relation, Scene, Thing, scene_of
from polysee.datasets.scenes_art import COLOURS
from polysee.datasets.scenes_drawing import draw_scene
from polysee.datasets.scenes_twins import FACTS, twin
from polysee.datasets.scenes_words import LANGUAGES, describe

SEEDS = range(120)


def pair(kind, first, second, background="beach"):
    things = tuple(t if isinstance(t, Thing) else Thing(t) for t in (first, second))
    return Scene(things, (Relation(kind, 0, 1),), Background(background), "noto")


def twins(fact):
    for seed in SEEDS:
        scene = scene_of("training", seed)
        other = twin(scene, fact, random.Random(seed))
        if other is not None:
            yield seed, scene, other


@pytest.mark.parametrize("fact", FACTS)
def test_sentences_and_pictures_differ(fact):
    found = list(twins(fact))
    assert len(found) > 15
    for seed, scene, other in found:
        for language in LANGUAGES:
            said = [describe(s, language, seed, 1.0) for s in (scene, other)]
            assert said[0] != said[1]
        drawn = [draw_scene(s, seed, 48).image for s in (scene, other)]
        assert not np.array_equal(*drawn)


@pytest.mark.parametrize(
    ("fact", "field"), [("colour", "colour"), ("count", "count"), ("thing", "concept")]
)
def test_one_thing_differs_in_one_way(fact, field):
    for _, scene, other in twins(fact):
        changed = [(a, b) for a, b in zip(scene.things, other.things, strict=True) if a != b]
        assert len(changed) == 1
        ((before, after),) = changed
        assert replace(before, **{field: getattr(after, field)}) == after
        assert replace(other, things=scene.things) == scene


def test_turned_things_are_the_same_things():
    for _, scene, other in twins("relation"):
        assert sorted(scene.things, key=repr) == sorted(other.things, key=repr)
        assert (scene.background, scene.style) == (other.background, other.style)
        assert scene.facts != other.facts


@pytest.mark.parametrize(
    ("kind", "turned"),
    [
        ("left of", ("car", "left of", "dog")),
        ("in front of", ("car", "in front of", "dog")),
        ("on", ("dog", "under", "car")),
        ("under", ("dog", "on", "car")),
    ],
)
def test_each_relation_is_turned_round(kind, turned):
    other = twin(pair(kind, "dog", "car"), "relation", random.Random(0))
    (relation,) = other.relations
    ends = [other.things[i].concept for i in (relation.subject, relation.object)]
    assert (ends[0], relation.kind, ends[1]) == turned


@pytest.mark.parametrize("kind", ["wearing", "holding"])
def test_what_is_worn_or_held_is_laid_beside(kind):
    scene = pair(kind, "dog", "top hat")
    sides = {twin(scene, "relation", random.Random(i)).relations for i in range(20)}
    assert sides == {(Relation("left of", 0, 1),), (Relation("left of", 1, 0),)}


def test_a_colour_is_never_that_of_the_background():
    ground = Background("gradient", ("blue", "green"))
    scene = Scene((Thing("car", colour="red"),), (), ground, "noto")
    found = {twin(scene, "colour", random.Random(i)).things[0].colour for i in range(200)}
    assert found == set(COLOURS) - {"red", "blue", "green"}


def test_a_hat_is_exchanged_for_a_hat():
    scene = pair("wearing", "dog", Thing("top hat", colour="red"))
    draw = random.Random(0)
    worn = {twin(scene, "thing", draw).things[1].concept for _ in range(100)}
    assert {"top hat", "sun hat", "cap"} & worn
    assert not worn & {"sunglasses", "glasses", "bow"}


def test_what_cannot_be_changed_has_no_twin():
    alone = Scene((Thing("dog"),), (), Background("beach"), "noto")
    draw = random.Random(0)
    assert twin(alone, "relation", draw) is None
    assert twin(alone, "colour", draw) is None
    assert twin(pair("on", "cat", "sofa"), "count", draw) is None
    assert twin(replace(alone, things=(Thing("dog", size="big"),)), "count", draw) is None
