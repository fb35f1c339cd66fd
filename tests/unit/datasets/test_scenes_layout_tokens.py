"""Scenes as layout tokens: whatever is drawn can be written down, and read again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from polysee.datasets.scenes import Background, Scene, Thing, scene_of
from polysee.datasets.scenes_art import COLOURS
from polysee.datasets.scenes_drawing import draw_scene
from polysee.datasets.scenes_layout_tokens import layout_tokens, pictures, scene_layouts
from polysee.datasets.scenes_things import concepts
from polysee.errors import ConfigError
from polysee.models.layout import PIECE, Layout, LayoutConfig


def test_what_is_drawn_is_read_again_from_its_tokens():
    config = scene_layouts()
    reader = Layout(LayoutConfig(config.header, config.num_pictures, appearance_size=1), 8, 12)
    most = 0
    for seed in range(300):
        scene = scene_of("training", f"layout-{seed}")
        drawing = draw_scene(scene, seed)
        tokens = layout_tokens(scene, drawing.pieces, config)
        legal = config.legal()[torch.arange(config.length), torch.from_numpy(tokens)]
        assert legal[: len(config.header) + PIECE * len(drawing.pieces)].all()
        read = reader.pieces(torch.from_numpy(tokens)[None])
        count = len(drawing.pieces)
        most = max(most, count)
        assert read.real[0].tolist() == [True] * count + [False] * (config.num_pieces - count)
        style = config.num_pictures if scene.style == "fluent" else 0
        for piece, picture, box in zip(
            drawing.pieces, read.picture[0].tolist(), read.box[0].numpy(), strict=False
        ):
            assert pictures()[picture - style] == piece.emoji
            x, y = (box[0] + box[2]) / 2, box[3]
            assert np.allclose((x, y), (piece.x, piece.bottom), atol=0.5 / config.steps + 1e-6)
    assert most >= 5


def test_a_thing_in_every_colour_and_feeling_has_its_token():
    config = scene_layouts()
    seen = set()
    for name, concept in concepts().items():
        for feeling in (None, *concept.feelings):
            thing = Thing(name, feeling=feeling)
            scene = Scene((thing,), (), Background("plain", ("blue",)), "noto")
            seen.add(
                int(layout_tokens(scene, draw_scene(scene, 0).pieces, config)[len(config.header)])
            )
    assert len(seen) > len(concepts())
    red, blue = (
        Scene((Thing("car", colour=colour),), (), Background("meadow"), "fluent")
        for colour in ("red", "blue")
    )
    tokens = [layout_tokens(scene, draw_scene(scene, 0).pieces, config) for scene in (red, blue)]
    differing = np.flatnonzero(tokens[0] != tokens[1]).tolist()
    assert differing == [len(config.header) + 1]
    order = list(COLOURS)
    apart = tokens[1][differing[0]] - tokens[0][differing[0]]
    assert apart == order.index("blue") - order.index("red")


def test_what_a_layout_cannot_hold_is_refused():
    scene = scene_of("training", 0)
    pieces = draw_scene(scene, 0).pieces
    with pytest.raises(ConfigError, match="no layouts of the made world"):
        layout_tokens(scene, pieces, LayoutConfig(num_pictures=3))
    with pytest.raises(ConfigError, match="pieces; a layout holds 6"):
        layout_tokens(scene, pieces * 7, scene_layouts())
