"""Pictures through codes: as they come back, and as they are when some of the codes were drawn anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from polysee.datasets.scenes import scenes_of
from polysee.datasets.scenes_drawing import draw_scene
from polysee.datasets.scenes_words import describe
from polysee.errors import ConfigError
from polysee.generation.drawing import Text
from polysee.training.through_codes import ThroughCodes, astray, load_through_codes


@pytest.fixture(scope="module")
def seen():
    """What draws, scenes, their drawings, and a sentence about each."""
    scenes = scenes_of("training", range(3))
    drawn = [draw_scene(scene, seed) for seed, scene in enumerate(scenes)]
    texts = [describe(scene, "chinese", 0, 1.0) for scene in scenes]
    return load_through_codes("polysee/dalle-nano"), scenes, drawn, texts


def pictures_of(drawn):
    return np.stack([one.image for one in drawn])


def test_only_the_share_of_codes_that_is_asked_for_goes_astray(seen):
    codes, _, drawn, texts = seen
    true = codes.model.encode_image(codes.pixels.normalise(pictures_of(drawn)))
    share = torch.tensor([[0.0], [0.5], [1.0]])
    text = Text(*codes.tokenizer(texts))
    made = astray(codes.model, text, true, share, torch.Generator().manual_seed(0))
    other = (made != true).float().mean(1)
    assert other[0] == 0
    assert 0 < other[1] < 0.5
    assert 0.5 * other[2] < 2 * other[1] < 2 * other[2]


def test_what_is_drawn_follows_from_what_is_true_before_it(seen):
    codes, _, drawn, texts = seen
    true = codes.model.encode_image(codes.pixels.normalise(pictures_of(drawn)))
    text, wholly = Text(*codes.tokenizer(texts)), torch.ones(4 * len(true), 1)
    right = [
        astray(codes.model, text, before, wholly, torch.Generator().manual_seed(0))
        == true.repeat_interleave(4, 0)
        for before in (true, true.roll(1, 0))
    ]
    # After another picture's codes next to none are right.
    own, strange = (hits.unflatten(0, (-1, 4)).float().mean((1, 2)) for hits in right)
    assert (own > 2 * strange).all()
    assert own.mean() > 8 * strange.mean()


def test_a_scene_can_go_astray_several_times(seen):
    codes, scenes, drawn, texts = seen
    twice = codes.astray(scenes, drawn, texts, 0, 2)
    assert len(twice) == 2 * len(scenes)
    first, second = twice[::2], twice[1::2]
    assert all(not np.array_equal(*both) for both in zip(first, second, strict=True))
    pictures = pictures_of(drawn).astype(int)
    for made in (first, second):
        far = [np.abs(made - other).mean() for other in (pictures, pictures[::-1])]
        assert far[0] < far[1]  # each pair beside its own scene


def test_pictures_gone_astray_are_the_same_for_the_same_seed_and_near_the_true_ones(seen):
    codes, scenes, drawn, texts = seen
    pictures = pictures_of(drawn)
    first, again, other = (codes.astray(scenes, drawn, texts, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    plain = codes(pictures)
    assert first.shape == pictures.shape
    far = [np.abs(made.astype(int) - pictures).mean() for made in (plain, first, pictures[::-1])]
    assert far[0] < far[1] < far[2]
    flipped = [
        replace(one, pieces=other.pieces) for one, other in zip(drawn, drawn[::-1], strict=True)
    ]
    assert not np.array_equal(codes.astray(scenes, flipped, texts, 0), first)  # by the layout, too


def test_pictures_drawn_anew_are_drawings_by_the_true_layout(seen):
    codes, scenes, drawn, texts = seen
    pictures = pictures_of(drawn).astype(int)
    made = codes.anew(scenes, drawn, texts, 3).astype(int)
    assert made.shape == pictures.shape
    assert np.array_equal(codes.anew(scenes[1:], drawn[1:], texts[1:], 4), made[1:])  # by the seed
    far = [np.abs(made - other).mean() for other in (codes(pictures_of(drawn)), pictures[::-1])]
    assert 2 < far[0] < far[1]
    flipped = [
        replace(one, pieces=other.pieces) for one, other in zip(drawn, drawn[::-1], strict=True)
    ]
    assert np.abs(codes.anew(scenes, flipped, texts, 3) - made).mean() > far[0] / 2


def test_what_draws_nothing_is_named(seen):
    codes, *asked = seen
    alone = ThroughCodes(codes.model.dvae, codes.pixels)
    for make in (alone.astray, alone.anew):
        with pytest.raises(ConfigError, match="draws"):
            make(*asked, 0)
