"""The made world: what is said is what is drawn, and what is held out is never shown."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

from polysee.datasets.shapes import (
    COLOURS,
    CONTAINERS,
    FAMILY,
    HELD_OUT,
    IMAGE_SIZE,
    SHAPES,
    Scene,
    Thing,
    draw_scene,
    draw_scenes,
    training_scenes,
    validation_scenes,
)
from polysee.datasets.shapes_words import _COLOURS_ZH, _SHAPES_EN, _SHAPES_ZH, describe

TRAINING = training_scenes(2000, seed=0)
VALIDATION = validation_scenes(500, seed=0)


def alone(shape, colour, *, big=True, dark=False):
    return Scene((Thing(shape, colour, big),), "alone", dark, gradient=False)


def shown(picture, colour):
    """Where a picture is near one of the colours."""
    distance = np.abs(picture.astype(int) - COLOURS[colour]).max(2)
    return distance <= 14


def middle(where):
    y, x = np.nonzero(where)
    return x.mean(), y.mean()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("colour", COLOURS)
def test_a_thing_has_its_colour_and_lies_within_the_picture(shape, colour):
    for dark in (True, False):
        picture = draw_scene(alone(shape, colour, dark=dark), seed=3)
        assert picture.shape == (IMAGE_SIZE, IMAGE_SIZE, 3)
        assert picture.dtype == np.uint8
        where = shown(picture, colour)
        assert where.mean() > 0.05
        assert not np.concatenate([where[0], where[-1], where[:, 0], where[:, -1]]).any()


def test_big_is_bigger_than_small():
    for shape in SHAPES:
        areas = [
            [
                shown(draw_scene(alone(shape, "blue", big=big), seed), "blue").sum()
                for seed in range(8)
            ]
            for big in (False, True)
        ]
        assert max(areas[0]) < min(areas[1]), shape


def test_every_shape_looks_like_itself_alone():
    """No two shapes have nearly the same outline, so that a picture tells which one it shows."""
    masks = {}
    for shape in SHAPES:
        drawn = [shown(draw_scene(alone(shape, "red"), seed), "red") for seed in range(30)]
        centred = [
            np.roll(m, (32 - round(middle(m)[1]), 32 - round(middle(m)[0])), (0, 1)) for m in drawn
        ]
        masks[shape] = np.mean(centred, axis=0) > 0.5
    for a, b in itertools.combinations(SHAPES, 2):
        union = (masks[a] | masks[b]).sum()
        assert (masks[a] ^ masks[b]).sum() / union > 0.07, (a, b)


def test_relations_are_drawn_as_told():
    for index, scene in enumerate(TRAINING):
        if scene.relation == "alone":
            continue
        picture = draw_scene(scene, index)
        places = [shown(picture, thing.colour) for thing in scene.things]
        if scene.relation == "inside":
            for axis in (0, 1):
                inner, outer = (np.nonzero(where)[axis] for where in places)
                low, high = np.percentile(inner, (5, 95))  # edges mix colours; they are left out
                assert outer.min() < low
                assert high < outer.max()
            continue
        axis = 0 if scene.relation == "left" else 1
        along = [middle(where)[axis] for where in places]
        assert along == sorted(along), scene
        assert min(np.diff(along)) > 8


def test_the_same_seed_draws_the_same():
    scenes = TRAINING[:8]
    assert (draw_scenes(scenes, 1) == draw_scenes(scenes, 1)).all()
    assert (draw_scenes(scenes, 1) != draw_scenes(scenes, 2)).any()
    assert training_scenes(40, seed=0) == TRAINING[:40]
    assert training_scenes(40, seed=1) != TRAINING[:40]


def test_another_process_draws_and_words_the_same():
    """Python's own hash of a string differs from process to process; nothing here may hang on it."""
    code = (
        "from polysee.datasets.shapes import *; from polysee.datasets.shapes_words import describe;"
        "import zlib; s = validation_scenes(20, 5);"
        "print(zlib.crc32(draw_scenes(s, 2).tobytes() +"
        " ''.join(describe(x, 'chinese', 1) for x in s).encode()))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


def test_training_never_shows_what_is_held_out():
    kept = {scene.key for scene in VALIDATION}
    arrangements = {scene.words for scene in VALIDATION}
    for scene in TRAINING:
        assert scene.key not in kept
        assert scene.words not in arrangements
        assert not any((thing.shape, thing.colour) in HELD_OUT for thing in scene.things)


def test_training_shows_every_shape_and_colour_and_relation():
    things = {(t.shape, t.colour) for scene in TRAINING for t in scene.things}
    assert {shape for shape, _ in things} == set(SHAPES)
    assert {colour for _, colour in things} == set(COLOURS)
    assert {(s.relation, len(s.things)) for s in TRAINING} == {
        ("alone", 1), ("left", 2), ("left", 3), ("above", 2), ("above", 3), ("inside", 2),
    }  # fmt: skip


def test_validation_scenes_are_unique_and_come_in_families():
    assert len(VALIDATION) == 500
    assert len({scene.key for scene in VALIDATION}) == 500
    assert 100 < sum(scene.new_pair for scene in VALIDATION) < 400
    for start in range(0, 500, FAMILY):
        family = VALIDATION[start : start + FAMILY]
        assert family[0].relation == "alone" or len({scene.words for scene in family}) == 1


def test_only_containers_hold_something():
    inside = [scene for scene in TRAINING if scene.relation == "inside"]
    assert inside
    for scene in inside:
        assert {thing.shape for thing in scene.things} <= set(CONTAINERS)


def test_every_sentence_names_every_shape_and_colour():
    english = {**{c: (c,) for c in COLOURS}, "purple": ("purple", "violet")}
    for index, scene in enumerate(TRAINING[:600]):
        said = describe(scene, "english", index)
        chinese = describe(scene, "chinese", index)
        for thing in scene.things:
            assert any(word in said for word in _SHAPES_EN[thing.shape]), (said, thing)
            assert any(word in said for word in english[thing.colour]), (said, thing)
            assert any(word in chinese for word, _ in _SHAPES_ZH[thing.shape]), (chinese, thing)
            assert any(word in chinese for word in _COLOURS_ZH[thing.colour]), (chinese, thing)


def test_sizes_and_backgrounds_are_told_truly():
    big, small = (alone("star", "red", big=size, dark=size) for size in (True, False))
    for seed in range(100):
        assert not {"small", "little", "light", "pale"} & set(
            describe(big, "english", seed).split()
        )
        assert not {"big", "large", "dark"} & set(describe(small, "english", seed).split())
        assert not set("小浅") & set(describe(big, "chinese", seed))
        assert not set("大深") & set(describe(small, "chinese", seed))


def test_sentences_vary():
    scene = next(scene for scene in TRAINING if len(scene.things) == 2)
    for language in ("english", "chinese"):
        assert len({describe(scene, language, seed) for seed in range(200)}) > 100
