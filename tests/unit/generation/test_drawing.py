"""Drawing codes: the same by seed, alone or in a batch; guided by the formula; what is kept stays."""

from __future__ import annotations

import pytest
import torch

from polysee.checkpoints.folder import load_folder
from polysee.errors import ConfigError
from polysee.generation.drawing import Given, Text, draw_codes, told_by
from polysee.generation.sampling import Decoding

FREE, GREEDY = Decoding(temperature=1.0, seed=3), Decoding()


@pytest.fixture(scope="module")
def model(drawing_folder):
    return load_folder(drawing_folder)[0]


def text(count, seed=0, length=6):
    draw = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, 200, (1, length), generator=draw).expand(count, -1)
    return Text(tokens, torch.ones_like(tokens, dtype=torch.bool))


def test_a_picture_depends_on_its_seed_and_not_on_its_batch(model):
    three = draw_codes(model, text(3), FREE, guidance=2.0)
    assert three.shape == (3, 16)
    assert torch.equal(three, draw_codes(model, text(3), FREE, guidance=2.0))
    assert not torch.equal(three[0], three[1])
    second = draw_codes(model, text(1), Decoding(temperature=1.0, seed=4), guidance=2.0)
    assert torch.equal(three[1:2], second)


@torch.no_grad()
def test_the_likeliest_codes_are_what_the_model_says_uncached(model):
    read = text(1)
    drawn = draw_codes(model, read, GREEDY)
    assert torch.equal(model(*read, drawn).codes.argmax(2), drawn)


@torch.no_grad()
@pytest.mark.parametrize("guidance", [0.0, 1.5, 4.0])
@pytest.mark.parametrize("negative", [False, True])
def test_guidance_is_the_formula(model, guidance, negative):
    read, other = text(1), text(1, seed=9, length=4)
    drawn = draw_codes(
        model, read, GREEDY, guidance=guidance, away_from=other if negative else None
    )
    away = other if negative else Text(read.tokens, torch.zeros_like(read.mask))
    with_text, without = model(*read, drawn).codes, model(*away, drawn).codes
    assert torch.equal((without + guidance * (with_text - without)).argmax(2), drawn)


def test_what_is_given_stays(model):
    codes = torch.randint(0, 36, (2, 16))
    first = torch.arange(16).expand(2, -1) < 5
    drawn = draw_codes(model, text(2), FREE, given=Given(codes, first), guidance=3.0)
    assert torch.equal(drawn[first], codes[first])
    assert not torch.equal(drawn, codes)
    scattered = torch.rand(2, 16, generator=torch.Generator().manual_seed(0)) < 0.5
    drawn = draw_codes(model, text(2), FREE, given=Given(codes, scattered), guidance=3.0)
    assert torch.equal(drawn[scattered], codes[scattered])
    assert not torch.equal(drawn, codes)
    whole, none = torch.ones_like(scattered), torch.zeros_like(scattered)
    assert torch.equal(draw_codes(model, text(2), FREE, given=Given(codes, whole)), codes)
    free = draw_codes(model, text(2), FREE, given=Given(codes, none))
    assert torch.equal(free, draw_codes(model, text(2), FREE))


@torch.no_grad()
def test_what_is_drawn_knows_what_is_given_before_it(model):
    codes = torch.randint(0, 36, (1, 16))
    scattered = torch.arange(16)[None] % 3 != 1
    drawn = draw_codes(model, text(1), GREEDY, given=Given(codes, scattered))
    assert torch.equal(model(*text(1), drawn).codes.argmax(2)[~scattered], drawn[~scattered])


def test_progress_is_told(model):
    seen = []
    draw_codes(model, text(1), FREE, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 16) for i in range(1, 17)]


@pytest.mark.parametrize("guidance", [-1.0, float("nan"), float("inf")])
def test_guidance_out_of_range_is_refused(model, guidance):
    with pytest.raises(ConfigError, match="guidance"):
        draw_codes(model, text(1), FREE, guidance=guidance)


@torch.no_grad()
def test_what_a_text_tells_of_pictures_is_the_log_odds_of_their_codes(model):
    read = text(2)
    codes = draw_codes(model, read, FREE)
    untold = read._replace(mask=torch.zeros_like(read.mask))
    with_text, without = (
        model(*told, codes).codes.log_softmax(2).gather(2, codes[..., None]).mean((1, 2))
        for told in (read, untold)
    )
    assert torch.allclose(told_by(model, read, codes), with_text - without, atol=1e-5)
    followed = draw_codes(model, text(8), FREE, guidance=4.0)
    ignored = draw_codes(model, text(8), FREE, guidance=0.0)
    assert told_by(model, text(8), followed).mean() > told_by(model, text(8), ignored).mean()
