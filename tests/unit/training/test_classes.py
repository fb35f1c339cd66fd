"""A classifier of lower rank answers on pictures nearly as the full one; names move to classes that they are like."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from polysee.models.align import Align, AlignConfig
from polysee.models.bert import BertConfig
from polysee.models.efficientnet import EfficientNetConfig, EfficientNetOutput
from polysee.training.classes import centre_pictures, low_rank, move_to_like_classes


@pytest.fixture
def seen():
    """Features that vary much in some directions and hardly in others, and a classifier that looks at all."""
    torch.manual_seed(0)
    spread = torch.diag(torch.logspace(1, -3, 24)) @ torch.linalg.qr(torch.randn(24, 24))[0]
    return torch.randn(500, 24) @ spread + 3, torch.randn(10, 24), torch.randn(10)


def answers(features, reduce, classify, bias):
    return features @ reduce.T @ classify.T + bias


def test_at_full_rank_it_is_the_classifier(seen):
    features, weight, bias = seen
    found = answers(features, *low_rank(weight, bias, features, 10))
    assert_close(found, features @ weight.T + bias, rtol=1e-3, atol=1e-3)


def test_at_low_rank_it_is_nearer_than_the_nearest_matrix(seen):
    features, weight, bias = seen
    whole = features @ weight.T + bias
    found = (answers(features, *low_rank(weight, bias, features, 4)) - whole).norm()
    left, sizes, right = torch.linalg.svd(weight, full_matrices=False)
    blind = left[:, :4] * sizes[:4] @ right[:4]
    shift = (weight - blind) @ features.mean(0)
    assert found < 0.5 * (features @ blind.T + bias + shift - whole).norm()
    assert found < 0.1 * whole.norm()


def test_a_name_moves_to_the_classes_that_its_thing_is_taken_for():
    places = torch.eye(4)
    name = torch.full((1, 4), 0.5)
    gazelle = move_to_like_classes(name, torch.eye(4)[:1], torch.ones(1), places)
    assert gazelle.argmax() == 0
    assert_close(gazelle.norm(), torch.tensor(1.0))
    assert gazelle[0, 0] > 0.8
    two = move_to_like_classes(name, torch.tensor([[0.5, 0.5, 0, 0]]), torch.ones(1), places)
    assert_close(two[0, 0], two[0, 1])
    nothing = move_to_like_classes(name, torch.zeros(1, 4), torch.ones(1), places)
    assert_close(nothing, name)


def test_the_larger_its_share_the_farther():
    names, classes = torch.tensor([[0.0, 1.0]]).expand(3, 2), torch.tensor([[1.0, 0]]).expand(3, 2)
    moved = move_to_like_classes(names, classes, torch.tensor([0.5, 1, 1.5]), torch.eye(2))
    assert (moved[:, 0].diff() > 0).all()


def test_what_all_pictures_share_is_taken_off_each():
    torch.manual_seed(0)
    text = BertConfig(vocab_size=9, hidden_size=8, num_layers=1, num_heads=2, mlp_size=8)
    model = Align(AlignConfig(EfficientNetConfig(0.25, 0.25), text, projection_size=8)).eval()
    hidden = model.config.image.hidden_size
    model.add_classes(torch.randn(2, hidden), torch.randn(5, 2), torch.zeros(5), torch.randn(5, 8))
    seen = torch.rand(50, hidden, 2, 2)
    features = EfficientNetOutput(seen, seen.mean((2, 3)))
    with torch.no_grad():
        before = model.project_image(features)
        vectors = torch.nn.functional.normalize(before, dim=1)
        centre_pictures(model, vectors)
        after = model.project_image(features)
    assert_close(before - after, 0.8 * vectors.mean(0).expand(50, 8), rtol=1e-4, atol=1e-5)
