"""The bundled matcher: of pictures, the one that shows what is said, and shows it well."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from polysee.datasets.scenes import Background, Relation, Scene, Thing
from polysee.datasets.scenes_drawing import draw_scene
from polysee.inference.matching import bundled_matcher

SEA = Background("sea")


@pytest.fixture(scope="module")
def matcher():
    return bundled_matcher("cpu")


def picture(*names):
    things = tuple(Thing(name) for name in names)
    beside = tuple(Relation("left of", i, i + 1) for i in range(len(names) - 1))
    return draw_scene(Scene(things, beside, SEA, "noto"), 0).image


@pytest.mark.parametrize("said", ["a dog left of a tree", "一只狗在一棵树的左边"])
def test_what_is_said_comes_first(matcher, said):
    shown = np.stack([picture("dog", "tree"), picture("tree", "dog"), picture("dog", "mushroom")])
    scores = matcher.scores(shown, said)
    assert max(scores) == scores[0]
    assert max(scores) <= 0


@pytest.mark.parametrize("said", ["a lion", "一头狮子"])
def test_the_less_there_is_to_see_the_less_it_is_recognised(matcher, said):
    clear = Image.fromarray(picture("lion"))
    shown = np.stack(
        [np.asarray(clear.filter(ImageFilter.GaussianBlur(radius))) for radius in (0, 3, 6)]
    )
    known = matcher.recognised(matcher.look(shown), said)
    assert 0 >= known[0] > known[1] > known[2]
    assert (matcher.recognised(matcher.look(shown), "water in the sea, 一二三") <= 0).all()


def test_a_thing_is_recognised_alike_in_either_language(matcher):
    cells = matcher.look(np.stack([picture("lion"), picture("dog")]))
    english, chinese = (matcher.recognised(cells, said) for said in ("a lion", "一头狮子"))
    assert np.array_equal(english, chinese)
    assert english[0] > english[1]


def test_what_names_nothing_is_not_looked_for(matcher):
    cells = matcher.look(picture("lion")[None])
    assert matcher.recognised(cells, "something red").tolist() == [0.0]
