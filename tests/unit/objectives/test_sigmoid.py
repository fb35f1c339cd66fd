"""The sigmoid loss against its formula, written with loops."""

from __future__ import annotations

import math

import pytest
import torch

from polysee.objectives.sigmoid import sigmoid_contrastive


@pytest.fixture
def rows():
    draw = torch.Generator().manual_seed(0)
    return torch.randn(5, 8, generator=draw), torch.randn(5, 8, generator=draw)


def naive(image, text, scale, bias):
    total = 0.0
    for i, picture in enumerate(image):
        for j, sentence in enumerate(text):
            cosine = (picture @ sentence / picture.norm() / sentence.norm()).item()
            logit = scale * cosine + bias
            total += math.log1p(math.exp(-logit if i == j else logit))
    return total / len(image)


@pytest.mark.parametrize(("scale", "bias"), [(1.0, 0.0), (10.0, -10.0), (3.0, 2.0)])
def test_every_pair_is_judged_by_itself(rows, scale, bias):
    image, text = rows
    assert sigmoid_contrastive(image, text, scale, bias).item() == pytest.approx(
        naive(image, text, scale, bias), rel=1e-5
    )


def test_length_does_not_matter_and_order_does(rows):
    image, text = rows
    loss = sigmoid_contrastive(image, text, 10.0, -10.0)
    torch.testing.assert_close(sigmoid_contrastive(3 * image, 0.1 * text, 10.0, -10.0), loss)
    assert not torch.isclose(sigmoid_contrastive(image, text.roll(1, 0), 10.0, -10.0), loss)


def test_gradients_reach_towers_scale_and_bias(rows):
    leaves = [tensor.requires_grad_() for tensor in (*rows, torch.tensor(10.0), torch.tensor(-1.0))]
    sigmoid_contrastive(*leaves).backward()
    for leaf in leaves:
        assert leaf.grad.isfinite().all()
        assert leaf.grad.abs().max() > 0


def test_the_starting_bias_lets_a_fresh_model_begin_low(rows):
    """Section 3.2: without it the first loss is B times log 2, nearly all of it from pairs that do not belong."""
    image, text = rows
    flat = sigmoid_contrastive(image, text, 0.0, 0.0).item()
    assert flat == pytest.approx(5 * math.log(2), rel=1e-5)
    assert sigmoid_contrastive(image, text, 0.0, -10.0).item() == pytest.approx(10, abs=0.01)
