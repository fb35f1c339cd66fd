"""Layouts: what stands where is read from the tokens alone, and a code is drawn by what stands at its place."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from polysee.checkpoints.registry import build, config_to_dict
from polysee.errors import CheckpointError, ConfigError
from polysee.layers.attention import Cache
from polysee.models.dalle import Dalle, DalleConfig
from polysee.models.dvae import DvaeConfig
from polysee.models.layout import END, PIECE, Layout, LayoutConfig, appearance_rows
from polysee.objectives.dalle import layout_tokens_loss

CONFIG = LayoutConfig((2, 3), 4, 3, 2, steps=8, sizes=(1, 2), appearance_size=3)
GRID = 4
DVAE = DvaeConfig(16, 2, 8, 1, (4, 3))


def tokens(*pieces, style=0):
    """A layout of (picture, colour, left, top, right, bottom), edges in eighths."""
    values = [style, 0, *(value for piece in pieces for value in piece)]
    said = [CONFIG.alphabet(place)[value] for place, value in enumerate(values)]
    return torch.tensor([said + [END] * (CONFIG.length - len(said))])


def reader():
    torch.manual_seed(0)
    layout = Layout(CONFIG, hidden_size=16, grid_size=GRID)
    for parameter in layout.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return layout


def test_every_place_has_its_alphabet_and_they_do_not_overlap():
    legal = CONFIG.legal()
    assert legal.shape == (2 + 2 * PIECE, 1 + 5 + 4 + 3 + 9) == (CONFIG.length, CONFIG.vocab_size)
    assert legal[:, END].nonzero().flatten().tolist() == [2, 8]  # where a piece begins
    kinds = [set(legal[place, 1:].nonzero().flatten().tolist()) for place in (0, 1, 2, 3, 4)]
    assert sum(map(len, kinds)) == len(set.union(*kinds)) == CONFIG.vocab_size - 1
    assert all(legal[place].equal(legal[4]) for place in (5, 6, 7, 10, 13))


@torch.no_grad()
def test_a_piece_is_seen_where_its_box_is_and_nowhere_else():
    layout = reader()
    seen = layout.places(tokens((1, 0, 2, 4, 6, 8)))[0].abs().sum(1).view(GRID, GRID) > 0
    wanted = torch.zeros(GRID, GRID, dtype=torch.bool)
    wanted[2:, 1:3] = True
    assert seen.equal(wanted)
    nothing = torch.zeros(1, CONFIG.length, dtype=torch.long)
    for empty in (nothing, tokens((1, 0, 6, 4, 2, 8)), tokens((1, 0, 2, 4, 2, 8))):
        assert not layout.places(empty).any()


@torch.no_grad()
def test_the_uppermost_piece_is_told_from_the_one_below():
    layout = reader()
    under, over = (1, 0, 0, 0, 8, 8), (2, 0, 0, 0, 4, 4)
    both, other = layout.places(tokens(under, over))[0], layout.places(tokens(over, under))[0]
    alone = layout.places(tokens(under))[0]
    covered = torch.zeros(GRID, GRID, dtype=torch.bool)
    covered[:2, :2] = True
    covered = covered.flatten()
    assert_close(both[~covered], alone[~covered])
    assert ((both - alone).abs().sum(1) > 1e-3)[covered].all()
    assert ((both - other).abs().sum(1) > 1e-3)[covered].all()


@torch.no_grad()
def test_what_a_thing_looks_like_is_read_in_its_size_from_its_lower_left_corner():
    layout = reader()
    two = appearance_rows(CONFIG, 4 + 1, 2)  # picture 1 in the second style
    vectors = layout.appearance.weight[two]
    pieces = layout.pieces(tokens((1, 2, 2, 4, 6, 8), style=1))
    assert pieces.picture[0, 0] == 5
    assert pieces.colour[0, 0] == 2
    assert pieces.box[0, 0].tolist() == [0.25, 0.5, 0.75, 1.0]
    assert pieces.real.tolist() == [[True, False]]
    place = torch.arange(GRID**2)
    which = torch.zeros(1, GRID**2, dtype=torch.long)
    seen = layout._seen(pieces, which, place // GRID, place % GRID)[0, :, :3].view(GRID, GRID, 3)
    assert_close(
        seen[2:, 1:3].flip(0).flatten(0, 1), vectors
    )  # exactly, where codes are of its size


@torch.no_grad()
def test_a_colour_changes_what_a_thing_looks_like_by_its_own_map_if_it_can_have_any():
    config = replace(CONFIG, tinted=(1, 3), tint_size=2)
    layout = Layout(config, hidden_size=16, grid_size=GRID)
    layout.tints.weight[0] = 0  # its own colour
    place = torch.arange(GRID**2)
    which = torch.zeros(1, GRID**2, dtype=torch.long)

    def looks(picture, colour):
        pieces = layout.pieces(tokens((picture, colour, 2, 4, 6, 8), style=1))
        seen = layout._seen(pieces, which, place // GRID, place % GRID)[0, :, :3]
        return seen.view(GRID, GRID, 3)[2:, 1:3].flip(0).flatten(0, 1)  # of the box, from below

    assert_close(looks(2, 1), looks(2, 0))  # this one has always its own
    whole = appearance_rows(CONFIG, 2 + 1, 2)  # the second that can, in the second style
    change = layout.tint.weight[whole] @ layout.tints.weight[2].view(2, 3)
    assert_close(looks(3, 2) - looks(3, 0), change)
    assert not torch.allclose(looks(3, 2), looks(3, 1))


@torch.no_grad()
def test_a_layout_comes_between_text_and_picture_and_cached_equals_uncached():
    torch.manual_seed(0)
    config = DalleConfig(DVAE, 20, 5, 16, 2, 2, 32, layout=CONFIG)
    model = Dalle(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    text = torch.randint(0, 20, (1, 5))
    mask = torch.ones_like(text, dtype=torch.bool)
    codes = torch.randint(0, 12, (1, 16))
    layout = tokens((1, 0, 2, 4, 6, 8))
    guess = model(text, mask, codes, layout)
    assert guess.layout is not None
    assert guess.layout.shape == (1, CONFIG.length, CONFIG.vocab_size)
    caches = [Cache() for _ in model.blocks]
    hidden = model.hidden(model.read_text(text, mask), caches)[:, -1]
    for place in range(CONFIG.length):
        assert_close(model.layout.output(hidden), guess.layout[:, place])
        hidden = model.hidden(model.layout.read(layout[:, place : place + 1], place), caches)[:, -1]
    prefix, places = model.read_prefix(text, mask, layout)
    caches = [Cache() for _ in model.blocks]
    hidden = model.hidden(prefix, caches)[:, -1]
    for place in range(16):
        assert_close(model.code_output(hidden), guess.codes[:, place])
        x = model.read_codes(codes[:, place : place + 1], place, places[:, place + 1 : place + 2])
        if place < 15:
            hidden = model.hidden(x, caches)[:, -1]
    moved = model(text, mask, codes, tokens((1, 0, 4, 4, 8, 8)))
    assert_close(moved.layout[:, :5], guess.layout[:, :5])  # nothing sees ahead
    assert not torch.allclose(moved.codes, guess.codes)
    assert_close(model(text, mask, codes).codes, model(text, mask, codes, layout * 0).codes)


@torch.no_grad()
def test_the_loss_counts_each_token_and_the_first_end():
    layout = torch.cat(
        [tokens((1, 0, 2, 4, 6, 8)), torch.zeros(1, CONFIG.length, dtype=torch.long)]
    )
    logits = torch.randn(2, CONFIG.length, CONFIG.vocab_size)
    wanted = -logits[0, :9].log_softmax(1).gather(1, layout[0, :9, None]).mean()  # 8 and the end
    assert_close(layout_tokens_loss(logits, layout), wanted)
    assert layout_tokens_loss(logits, layout * 0) == 0
    full = tokens((1, 0, 2, 4, 6, 8), (1, 0, 2, 4, 6, 8))
    wanted = -logits[:1].log_softmax(2).gather(2, full[..., None]).mean()
    assert_close(layout_tokens_loss(logits[:1], full), wanted)


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="sizes"):
        LayoutConfig(sizes=())
    with pytest.raises(ConfigError, match="header"):
        LayoutConfig(header=(2, 0))
    with pytest.raises(ConfigError, match="num_pictures"):
        LayoutConfig(num_pictures=0)
    for wrong in ((0, 4), (2, 1), (1, 1), (-1,), ("1",)):
        with pytest.raises(ConfigError, match="tinted"):
            LayoutConfig(num_pictures=4, tinted=wrong)


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        (5, "layout must be an object"),
        ({"steps": 0}, "steps"),
        ({"stairs": 3}, "unknown key stairs"),
    ],
)
def test_a_config_file_that_says_it_wrong_is_refused(layout, reason):
    values = {"polysee_family": "dalle", "layout": layout}
    with pytest.raises(CheckpointError, match=reason):
        build(values)


def test_a_config_file_may_be_without_a_layout_or_hold_one():
    small = DalleConfig(DVAE, 20, 5, 16, 1, 2, 32)
    for config in (small, replace(small, layout=CONFIG)):
        values = json.loads(json.dumps(config_to_dict(config)))
        assert build(values).config == config
    del values["layout"]
    assert build(values).config == small
