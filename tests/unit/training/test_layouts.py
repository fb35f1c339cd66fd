"""What is known of the looks of things before any training, and of what colours change of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import polysee
from polysee.datasets.scenes_art import COLOURS, STYLES, sprite
from polysee.datasets.scenes_layout_tokens import pictures, scene_layouts
from polysee.errors import ConfigError
from polysee.inference.drawing import ImageGenerator
from polysee.models.layout import appearance_rows
from polysee.training.layouts import looks_of, tints_of_things


@torch.no_grad()
def test_a_colour_is_told_about_as_the_vae_encodes_a_thing_of_that_colour():
    generator = polysee.load("polysee/dalle-nano")
    assert isinstance(generator, ImageGenerator)
    dvae, pixels, size = generator.model.dvae, generator.card.pixels, 4
    config = replace(scene_layouts(), sizes=(2, size), tinted=scene_layouts().tinted[:6])
    known, maps = tints_of_things(config, dvae, pixels)
    each = 2**2 + size**2
    assert known.shape == (len(STYLES) * 6 * each, config.tint_size)
    maps = maps.unflatten(1, (config.tint_size, config.appearance_size))
    assert not maps[0].any()  # its own colour
    for style, name in enumerate(STYLES):
        for number in (0, 5):
            emoji = pictures()[config.tinted[number]]
            rows = appearance_rows(config, style * 6 + number, size)
            arts = [sprite(emoji, name, colour) for colour in (None, *COLOURS)]
            looks = looks_of(arts, size, dvae, pixels)[..., :-1]
            change = looks[1:] - looks[:1]
            told = (known[rows] @ maps[1:])[..., : change.shape[2]]
            missing = (change - told).square().sum() / change.square().sum()
            assert missing < 0.1, (emoji, name)
    with pytest.raises(ConfigError, match="appearance_size"):
        tints_of_things(replace(config, appearance_size=3), dvae, pixels)
