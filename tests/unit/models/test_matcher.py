"""The matcher: every sentence by itself, every token of it counts, and who stands where can be told."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from polysee.errors import ConfigError
from polysee.models.efficientnet import EfficientNet, EfficientNetConfig
from polysee.models.matcher import Matcher, MatcherConfig, all_agree, tower_map
from polysee.objectives.matcher import (
    cells_answer,
    own_among_twins,
    tokens_agree,
    tokens_expect,
    tokens_point,
)

SMALL = MatcherConfig("", (1, 2), 6, 4, 64, 5, 9, 16, 1, 1, 2, 2, 24)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Matcher(SMALL).eval()


@pytest.fixture
def given():
    draw = torch.Generator().manual_seed(1)
    maps = torch.randn(3, 6, 4, 4, generator=draw)
    states = torch.randn(3, 2, 7, 5, generator=draw)
    mask = torch.arange(7) < torch.tensor([[7, 4], [5, 6], [3, 7]])[..., None]
    return maps, states, mask


def test_sentences_and_pictures_are_matched_one_by_one(model, given):
    maps, states, mask = given
    together = model(maps, states, mask)
    assert together.shape == (3, 2)
    assert (together <= 0).all()
    for row in range(3):
        for column in range(2):
            one = states[row, column, mask[row, column]]
            alone = model(
                maps[row : row + 1], one[None, None], torch.ones(1, 1, len(one), dtype=torch.bool)
            )
            assert_close(alone[0, 0], together[row, column])


def test_it_tells_left_from_right(model, given):
    maps, states, mask = given
    mirrored = model(maps.flip(3), states, mask)
    assert not torch.allclose(mirrored, model(maps, states, mask), atol=1e-4)


def test_pictures_and_sentences_are_read_once(model, given):
    maps, states, mask = given
    said = model.compare(model.look(maps), model.listen(states, mask), mask)
    assert torch.equal(all_agree(said.tokens, mask), model(maps, states, mask))
    assert said.places.shape == (3, 2, 7, 16)


def test_the_order_of_words_matters(model, given):
    maps, states, _ = given
    every = torch.ones(states.shape[:3], dtype=torch.bool)
    turned = model(maps, states.flip(2), every)
    assert not torch.allclose(turned, model(maps, states, every), atol=1e-4)


def test_one_token_that_disagrees_is_enough():
    mask = torch.ones(1, 1, 5, dtype=torch.bool)
    logits = torch.full((1, 1, 5), 9.0)
    sure = all_agree(logits, mask)
    logits[..., 2] = -9.0
    assert sure > -0.01
    assert all_agree(logits, mask) < -8.9
    mask[..., 2] = False
    assert all_agree(logits, mask) > -0.01


def test_scale_and_middle_of_the_map_are_taken_off(model, given):
    maps, states, mask = given
    before = model(maps, states, mask)
    model.map_mean.fill_(3.0)
    model.map_deviation.fill_(2.0)
    assert_close(model(maps * 2 + 3, states, mask), before)


def test_maps_of_another_size_are_refused(model):
    with pytest.raises(ConfigError, match="maps"):
        model.look(torch.zeros(1, 6, 8, 8))


def test_the_map_of_a_tower_is_its_two_cuts_side_by_side():
    torch.manual_seed(0)
    tower = EfficientNet(EfficientNetConfig(0.25, 0.25, lite=True)).eval()
    pixels = torch.randn(2, 3, 64, 64)
    fine, coarse = (
        tower.lower(pixels, cut) for cut in (4, 6)
    )  # of strides 16 and 32: one block a stage at this depth
    made = tower_map(tower, pixels, (4, 6))
    assert_close(made[:, : fine.shape[1]], fine)
    known = fine.shape[1] + coarse.shape[1]
    assert_close(made[:, fine.shape[1] : known, ::2, 1::2], coarse)
    small = F.avg_pool2d(pixels, 2)
    assert_close(made[0, known:, 1, 2].view(3, 8, 8), small[0, :, 8:16, 16:24])


def test_the_right_one_of_a_group_costs_nothing_and_the_wrong_one_much():
    sure = torch.eye(4).repeat(2, 1) * 50
    own = torch.eye(4, dtype=torch.bool).repeat(2, 1)
    assert own_among_twins(sure, own) < 1e-6
    assert own_among_twins(sure.flip(1), own) > 10


def test_a_sentence_that_is_likely_by_itself_gains_nothing():
    own = torch.eye(2, dtype=torch.bool)
    even = own_among_twins(torch.zeros(2, 2), own)
    likely = own_among_twins(torch.tensor([[5.0, 0.0], [5.0, 0.0]]), own)
    assert likely > even


def test_sentences_that_are_alike_are_no_rivals():
    scores = torch.tensor([[1.0, 1.0, -30.0], [1.0, 1.0, -30.0], [-30.0, -30.0, 1.0]])
    alike = torch.eye(3, dtype=torch.bool)
    alike[0, 1] = alike[1, 0] = True
    assert own_among_twins(scores, alike) < 1e-6
    assert own_among_twins(scores, torch.eye(3, dtype=torch.bool)) > 0.4


def test_cells_that_nobody_asks_about_teach_nothing():
    logits = torch.randn(2, 4, 3, requires_grad=True)
    answers = torch.full((2, 4), -100)
    assert cells_answer(logits, answers) == 0
    answers[1, 2] = 1
    cells_answer(logits, answers).backward()
    touched = logits.grad.abs().sum(2) > 0
    assert touched.nonzero().tolist() == [[1, 2]]


def test_tokens_that_nobody_knows_of_teach_nothing():
    logits = torch.zeros(1, 2, 3, requires_grad=True)
    wanted = torch.tensor([[[1, -1, 0], [1, 1, -1]]])
    tokens_agree(logits, wanted).backward()
    assert (logits.grad != 0).tolist() == [[[True, False, True], [True, True, False]]]
    assert logits.grad[0, 0, 2] == pytest.approx(0.25)  # the one no weighs as much as the three yes
    assert logits.grad[0, 0, 0] == pytest.approx(-0.25 / 3)


def test_tokens_point_at_all_cells_of_their_thing():
    wanted = torch.zeros(1, 2, 4, dtype=torch.bool)
    wanted[0, 0, :2] = True  # the other token is about nothing
    places = torch.tensor([[[9.0, 9.0, 0.0, 0.0], [5.0, 0.0, 0.0, 0.0]]])
    assert tokens_point(places, wanted).item() == pytest.approx(0.6932, abs=1e-3)  # ln 2
    assert tokens_point(-places, wanted) > 5


def test_what_is_expected_counts_for_tokens_about_things_alone():
    where = torch.zeros(1, 2, 4)
    expected = torch.tensor([[[0.0, 0.0, 0.0, 0.0], [5.0, 5.0, 5.0, 5.0]]])
    assert tokens_expect(expected, where, torch.tensor([[True, False]])) == 0
    assert tokens_expect(expected, where, torch.tensor([[True, True]])) > 1
