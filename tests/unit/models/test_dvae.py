"""The discrete VAE: codes go both ways, the gradient passes the rounding, and either quantizer learns."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.testing import assert_close

from polysee.models.dvae import (
    Dvae,
    DvaeConfig,
    FiniteScalarQuantizer,
    GumbelDvae,
    GumbelDvaeConfig,
    GumbelQuantizer,
)
from polysee.objectives.dvae import (
    code_usage,
    signal_to_noise,
    squared_error,
    uniform_divergence,
)

SIZES = {"image_size": 16, "patch_size": 2, "hidden_size": 16, "num_layers": 1}


@pytest.mark.parametrize("levels", [(3,), (8, 5), (7, 5, 5), (2, 3, 4, 5)])
def test_every_code_is_reached_and_comes_back(levels):
    quantizer = FiniteScalarQuantizer(levels)
    codes = torch.arange(quantizer.num_codes).view(1, 1, -1)
    vectors = quantizer.vectors(codes)
    assert vectors.shape == (1, len(levels), 1, quantizer.num_codes)
    assert vectors.abs().max() <= 1
    assert len({tuple(v) for v in vectors[0, :, 0].T.tolist()}) == quantizer.num_codes
    # What rounds to a vector: a grid of inputs, fine enough to meet every level of every number.
    line = torch.linspace(-6, 6, 61)
    for axis, levels_here in enumerate(levels):
        x = torch.zeros(1, len(levels), 1, 61)
        x[0, axis, 0] = line
        made = quantizer(x)
        assert len(made.vectors[0, axis, 0].unique()) == levels_here
        assert_close(quantizer.vectors(made.codes), made.vectors.detach())
    ends = torch.tensor(list(itertools.product((-50.0, 50.0), repeat=len(levels)))).T
    assert quantizer(ends[None, :, None]).codes.max() == quantizer.num_codes - 1
    assert quantizer(ends[None, :, None]).codes.min() == 0


def test_the_gradient_passes_the_rounding():
    x = torch.randn(2, 2, 3, 3, requires_grad=True)
    FiniteScalarQuantizer((5, 4))(x).vectors.sum().backward()
    assert x.grad is not None
    assert (x.grad > 0).all()


def test_codes_are_all_that_the_decoder_needs():
    torch.manual_seed(0)
    for model in (
        Dvae(DvaeConfig(**SIZES, levels=(5, 4, 3))),
        GumbelDvae(GumbelDvaeConfig(**SIZES, num_codes=9)),
    ):
        model.eval()
        pixels = torch.randn(2, 3, 16, 16)
        made = model(pixels)
        codes = model.encode(pixels)
        assert codes.shape == (2, model.config.grid_size, model.config.grid_size)
        assert torch.equal(codes, made.quantized.codes)
        assert_close(model.decode(codes), made.pixels)
        read = model.code_vectors()[codes].permute(0, 3, 1, 2)
        assert_close(model.decoder(read), made.pixels)


def test_gumbel_draws_while_it_learns_and_takes_the_likeliest_after():
    torch.manual_seed(0)
    quantizer = GumbelQuantizer(4, 3)
    x = torch.tensor([3.0, 0.0, 0.0, 0.0]).view(1, 4, 1, 1).expand(1, 4, 30, 30)
    quantizer.temperature = 1e-3
    drawn = quantizer(x).vectors
    near = torch.cdist(drawn[0].flatten(1).T, quantizer.codebook).argmin(1)
    share = (near == 0).float().mean()
    assert_close(share, x[0, :, 0, 0].softmax(0)[0], atol=0.04, rtol=0.0)
    likeliest = quantizer.eval()(x)
    assert (likeliest.codes == 0).all()
    assert_close(likeliest.vectors[0, :, 0, 0], quantizer.codebook[0])


@pytest.mark.parametrize("kind", ["fsq", "gumbel"])
def test_two_colours_are_learnt(kind):
    torch.manual_seed(0)
    config = (
        DvaeConfig(**SIZES, levels=(3, 3))
        if kind == "fsq"
        else GumbelDvaeConfig(**SIZES, num_codes=8)
    )
    model = Dvae(config) if kind == "fsq" else GumbelDvae(config)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(100):
        pixels = (
            torch.randint(0, 2, (8, 1, 4, 4))
            .float()
            .repeat_interleave(4, 2)
            .repeat_interleave(4, 3)
        )
        pixels = (pixels * 2 - 1).expand(-1, 3, -1, -1)
        made = model(pixels)
        loss = squared_error(made.pixels, pixels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.eval()
    assert squared_error(model(pixels).pixels, pixels) < 0.05
    assert len(model.encode(pixels).unique()) >= 2


def test_figures():
    image = torch.rand(2, 3, 4, 4)
    guess = image.clone()
    guess[:, :, :2] += 0.1
    where = torch.zeros(2, 4, 4, dtype=torch.bool)
    where[:, 0] = True
    assert_close(signal_to_noise(guess, image, where), torch.full((2,), 20.0))
    assert_close(signal_to_noise(guess, image), torch.full((2,), 23.0103))
    assert signal_to_noise(guess, image, torch.zeros_like(where)).isnan().all()
    logits = torch.randn(2, 7, 3, 3).log_softmax(1)
    uniform = torch.full_like(logits, 1 / 7)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Categorical(probs=logits.exp().movedim(1, -1)),
        torch.distributions.Categorical(probs=uniform.movedim(1, -1)),
    )
    assert_close(uniform_divergence(logits), expected.mean())
    assert code_usage(torch.zeros(9, dtype=torch.long), 10) == (0.1, 1.0)
