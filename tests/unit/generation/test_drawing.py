"""Drawing codes: the same by seed, alone or in a batch; guided by the formula; what is kept stays."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from PIL import Image

from polysee.checkpoints.folder import load_folder
from polysee.datasets.scenes import Background, Scene, Thing
from polysee.datasets.scenes_drawing import draw_scene
from polysee.datasets.scenes_layout_tokens import layout_tokens
from polysee.errors import ConfigError
from polysee.generation.drawing import (
    OWN_GUIDANCE,
    Given,
    Steps,
    Text,
    _ground_of,
    draw_codes,
    draw_layout,
    told_by,
)
from polysee.generation.sampling import Decoding
from polysee.inference import load
from polysee.inference.drawing import ImageGenerator, Steering
from polysee.models.dalle import Dalle
from polysee.models.layout import END, LayoutConfig

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


@torch.no_grad()
def test_what_is_seen_is_the_middle_of_what_could_have_been_drawn(model):
    read, guidance = text(3), 2.0
    drawn = draw_codes(model, read, FREE, guidance=guidance)
    settled = draw_codes(model, read, FREE, guidance=guidance, settled=True)
    untold = Text(read.tokens, torch.zeros_like(read.mask))
    with_text, without = model(*read, drawn).codes, model(*untold, drawn).codes
    firmly = without + 2 * guidance * (with_text - without)
    vectors = model.dvae.code_vectors()
    mean = firmly.softmax(2) @ vectors
    wanted = (mean[:, :, None] - vectors).square().sum(3).argmin(2)
    assert torch.equal(settled, wanted)
    assert not torch.equal(settled, drawn)
    one = Decoding(temperature=1.0, seed=4)
    alone = draw_codes(model, text(1), one, guidance=guidance, settled=True)
    assert torch.equal(settled[1:2], alone)
    # Without guidance nothing says where to settle; at temperature 0 there is one code that could be drawn.
    free = draw_codes(model, read, FREE)
    assert torch.equal(draw_codes(model, read, FREE, settled=True), free)
    likeliest = draw_codes(model, read, GREEDY, guidance=guidance)
    settled = draw_codes(model, read, GREEDY, guidance=guidance, settled=True)
    with_text, without = model(*read, likeliest).codes, model(*untold, likeliest).codes
    assert torch.equal((without + 2 * guidance * (with_text - without)).argmax(2), settled)
    codes, fixed = torch.randint(0, 36, (3, 16)), torch.arange(16).expand(3, -1) % 3 == 1
    kept = draw_codes(model, read, FREE, guidance=3.0, settled=True, given=Given(codes, fixed))
    assert torch.equal(kept[fixed], codes[fixed])


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


LAYOUT = LayoutConfig((2, 3), 4, 3, 2, steps=8, sizes=(1, 2), appearance_size=3)


@pytest.fixture(scope="module")
def laid(model):
    """The same model, with layouts."""
    torch.manual_seed(1)
    laid = Dalle(replace(model.config, layout=LAYOUT)).eval()
    for parameter in laid.layout.parameters():
        torch.nn.init.normal_(parameter, std=0.6)
    laid.load_state_dict(model.state_dict(), strict=False)
    return laid


def layout_of(model, count, seed=3, **more):
    return draw_layout(model, text(count), Decoding(temperature=1.0, seed=seed), **more)


def test_a_layout_is_made_of_what_can_stand_at_each_place(laid):
    layouts = layout_of(laid, 40, guidance=2.0)
    assert layouts.shape == (40, LAYOUT.length)
    assert torch.equal(layouts[1:2], layout_of(laid, 1, seed=4, guidance=2.0))
    lengths = set()
    for layout in layouts:
        ends = (layout == END).nonzero().flatten().tolist()
        first = ends[0] if ends else LAYOUT.length
        assert not layout[first:].any()
        assert LAYOUT.legal()[torch.arange(first), layout[:first]].all()
        lengths.add(first)
    assert lengths == {2, 8, 14}  # none, one or two pieces


@torch.no_grad()
def test_codes_are_drawn_by_the_layout_that_was_written(laid):
    drawn = draw_codes(laid, text(1), GREEDY)
    layout = draw_layout(laid, text(1), GREEDY)
    assert layout[0, 0] != END
    assert torch.equal(laid(*text(1), drawn, layout).codes.argmax(2), drawn)
    guided = draw_codes(laid, text(1), GREEDY, guidance=3.0)
    untold = Text(text(1).tokens, torch.zeros_like(text(1).mask))
    wanted, other = laid(*text(1), guided, layout).codes, laid(*untold, guided).codes
    assert torch.equal((other + 3 * (wanted - other)).argmax(2), guided)
    other_one = draw_layout(laid, text(1), Decoding(temperature=1.0, seed=5))
    assert not torch.equal(other_one, layout)
    drawn = draw_codes(laid, text(1), GREEDY, layout=other_one)
    assert torch.equal(laid(*text(1), drawn, other_one).codes.argmax(2), drawn)
    away = text(1, seed=9, length=4)
    guided = draw_codes(laid, text(1), GREEDY, guidance=3.0, away_from=away)
    layout = draw_layout(laid, text(1), GREEDY, guidance=3.0, away_from=away)
    wanted, other = laid(*text(1), guided, layout).codes, laid(*away, guided).codes
    assert torch.equal((other + 3 * (wanted - other)).argmax(2), guided)


@torch.no_grad()
def test_a_picture_that_stands_already_chooses_among_layouts(laid):
    codes = torch.randint(0, 36, (2, 16))
    kept = Given(codes, torch.arange(16).expand(2, -1) < 8)
    drawn = draw_codes(laid, text(2), FREE, given=kept)
    assert torch.equal(drawn[:, :8], codes[:, :8])
    assert torch.equal(drawn, draw_codes(laid, text(2), FREE, given=kept))
    one = Given(codes[1:], kept.fixed[1:])
    assert torch.equal(
        drawn[1:], draw_codes(laid, text(1), Decoding(temperature=1.0, seed=4), given=one)
    )


@torch.inference_mode()
def test_a_picture_that_stands_already_goes_on_before_its_ground():
    """Most often: from above, a street is like snow to the bundled model."""
    generator, dog = load("polysee/dalle-nano"), Thing("dog")
    model, steps = generator.model, Steps.of(generator.model)
    right = 0
    for place in ("meadow", "beach", "night", "street", "sea"):
        scene = Scene((dog,), (), Background(place), "noto")
        picture = draw_scene(scene, 1)
        codes = generator.codes_of(Image.fromarray(picture.image))[None]
        given = Given(codes, torch.arange(144)[None] < 72, 72)
        found = _ground_of(model, generator._read("a dog", None, 1), given, steps)
        told = layout_tokens(scene, picture.pieces, model.layout.config)
        right += found.tolist() == told[1:4].tolist()
    assert right >= 4


def test_a_model_without_layouts_writes_none(model):
    with pytest.raises(ConfigError, match="without a layout"):
        layout_of(model, 1)


def test_what_a_generator_draws_is_settled(drawing_folder):
    generator = load(drawing_folder)
    assert isinstance(generator, ImageGenerator)
    read = generator._read("一只狗", None, 2)
    asked = Steering(seed=3)
    decoding = Decoding(temperature=asked.temperature, top_p=asked.top_p, seed=3)
    free, settled = (
        draw_codes(generator.model, read, decoding, guidance=OWN_GUIDANCE, settled=settled)
        for settled in (False, True)
    )
    drawn = generator.draw_codes("一只狗", 2, asked)
    assert torch.equal(drawn, settled)
    assert not torch.equal(drawn, free)
