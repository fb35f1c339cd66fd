"""Losses against loops over pairs."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from polysee.objectives.contrastive import contrastive, contrastive_many
from polysee.objectives.distillation import (
    cosine_distillation,
    relational_distillation,
    soft_label_distillation,
)


@pytest.fixture
def rows():
    draw = torch.Generator().manual_seed(0)
    return torch.randn(2, 6, 4, generator=draw)


def cosine(a, b):
    return (a @ b / (a.norm() * b.norm())).item()


def naive_contrastive(image, text, scale, smoothing=0.0, same=None):
    """ALIGN's equations 1 and 2, pair by pair."""
    count, total = len(image), 0.0
    for first, second in ((image, text), (text, image)):
        for i in range(count):
            kept = [j for j in range(count) if j == i or same is None or not same[i, j]]
            scores = {j: scale * cosine(first[i], second[j]) for j in kept}
            log_sum = math.log(sum(math.exp(score) for score in scores.values()))
            for j in kept:
                label = smoothing / len(kept) + (1 - smoothing) * (j == i)
                total -= label * (scores[j] - log_sum)
    return total / (2 * count)


@pytest.mark.parametrize("scale", [1.0, 14.3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_contrastive(rows, scale, smoothing):
    loss = contrastive(*rows, scale, smoothing=smoothing)
    assert_close(loss.item(), naive_contrastive(*rows, scale, smoothing), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_rows_that_are_equally_right_are_no_negatives(rows, smoothing):
    groups = torch.tensor([0, 1, 0, 2, 0, 1])
    same = groups[:, None] == groups
    loss = contrastive(*rows, 5.0, smoothing=smoothing, same=same)
    assert_close(loss.item(), naive_contrastive(*rows, 5.0, smoothing, same), rtol=1e-5, atol=1e-5)


def test_length_does_not_matter_and_order_does(rows):
    image, text = rows
    assert_close(contrastive(image * 7, text, 5.0), contrastive(image, text * 0.1, 5.0))
    assert contrastive(image, image, 20.0) < contrastive(image, image.roll(1, 0), 20.0)


def test_gradients_reach_both_towers_and_the_scale(rows):
    image, text = (part.clone().requires_grad_() for part in rows)
    log_scale = torch.tensor(1.0, requires_grad=True)
    same = torch.eye(6, dtype=torch.bool)
    same[0, 1] = same[1, 0] = True
    contrastive(image, text, log_scale.exp(), smoothing=0.1, same=same).backward()
    assert all(part.grad.isfinite().all() and part.grad.any() for part in (image, text, log_scale))


def test_cosine_distillation(rows):
    student, teacher = rows
    wanted = sum(1 - cosine(a, b) for a, b in zip(student, teacher, strict=True)) / 6
    assert_close(cosine_distillation(student, teacher).item(), wanted)
    assert_close(cosine_distillation(3 * teacher, teacher).item(), 0.0)


def test_relational_distillation(rows):
    student, teacher = rows[0], torch.randn(6, 9, generator=torch.Generator().manual_seed(1))

    def ranks(x, i):
        """How a row's likeness to the others is spread over them."""
        scores = [math.exp(20.0 * cosine(x[i], x[j])) for j in range(6) if j != i]
        return [score / sum(scores) for score in scores]

    wanted = sum(
        p * math.log(p / q)
        for i in range(6)
        for p, q in zip(ranks(teacher, i), ranks(student, i), strict=True)
    )
    assert_close(relational_distillation(student, teacher).item(), wanted / 6, rtol=1e-4, atol=1e-5)
    assert relational_distillation(2 * teacher, teacher).item() == pytest.approx(0, abs=1e-5)


def test_soft_label_distillation(rows):
    logits, probabilities = rows[0], rows[1].softmax(-1)
    wanted = -sum(
        probabilities[i, j].item() * math.log(logits[i].softmax(-1)[j].item())
        for i in range(6)
        for j in range(4)
    )
    assert_close(soft_label_distillation(logits, probabilities).item(), wanted / 6)


def naive_many(image, text, scale, right, kept):
    """Every right pair against what is wrong, pair by pair."""
    total = 0.0
    for first, second, good, counts in (
        (image, text, right, kept),
        (text, image, right.T, kept.T),
    ):
        rows = []
        for i in range(len(first)):
            scores = [scale * cosine(first[i], other) for other in second]
            wrong = sum(
                math.exp(s) for j, s in enumerate(scores) if counts[i, j] and not good[i, j]
            )
            losses = [math.log(math.exp(s) + wrong) - s for j, s in enumerate(scores) if good[i, j]]
            if losses:
                rows.append(sum(losses) / len(losses))
        total += sum(rows) / len(rows)
    return total / 2


def test_many_right_texts_and_texts_that_belong_to_none(rows):
    image, text = rows[0][:4], rows[1]
    right = torch.zeros(4, 6, dtype=torch.bool)
    right[0, 0] = right[0, 1] = right[1, 2] = right[2, 3] = right[3, 3] = True
    kept = torch.ones_like(right)
    kept[1, 5] = kept[0, 0] = False  # a right pair counts all the same
    found = contrastive_many(image, text, 3.0, right, kept)
    assert_close(found.item(), naive_many(image, text, 3.0, right, kept), rtol=1e-5, atol=1e-5)
    with_all = contrastive_many(image, text, 3.0, right)
    assert_close(
        with_all.item(), naive_many(image, text, 3.0, right, kept | True), rtol=1e-5, atol=1e-5
    )


def test_many_is_the_plain_loss_where_each_has_one(rows):
    right = torch.eye(6, dtype=torch.bool)
    assert_close(contrastive_many(*rows, 5.0, right), contrastive(*rows, 5.0))
