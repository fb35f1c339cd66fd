"""Losses of language models: over true tokens, whole or in parts."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from polysee.objectives.language import causal_loss, class_loss, hide_tokens, token_loss


@pytest.fixture
def batch():
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 6, 9, generator=draw)
    tokens = torch.randint(9, (4, 6), generator=draw)
    mask = torch.arange(6) < torch.tensor([6, 3, 1, 2])[:, None]
    return logits, tokens, mask


def by_hand(logits, targets, kept):
    losses = [
        -logits[b, t].log_softmax(0)[targets[b, t]]
        for b in range(targets.shape[0])
        for t in range(targets.shape[1])
        if kept[b, t]
    ]
    return torch.stack(losses).mean()


def test_the_mean_is_over_what_is_kept(batch):
    assert_close(token_loss(*batch), by_hand(*batch))
    logits, tokens, _ = batch
    assert_close(token_loss(logits, tokens), by_hand(logits, tokens, torch.ones(4, 6)))


def test_causal_shifts_by_one(batch):
    logits, tokens, mask = batch
    assert_close(causal_loss(logits, tokens, mask), by_hand(logits, tokens[:, 1:], mask[:, 1:]))


def test_the_mean_of_the_parts_is_the_whole(batch):
    logits, tokens, mask = batch
    count = mask.sum() / 2
    parts = [token_loss(logits[i::2], tokens[i::2], mask[i::2], count=count) for i in (0, 1)]
    assert_close(sum(parts) / 2, token_loss(*batch))
    naive = [token_loss(logits[i::2], tokens[i::2], mask[i::2]) for i in (0, 1)]
    assert not torch.isclose(sum(naive) / 2, token_loss(*batch))


def test_nothing_kept_is_no_loss(batch):
    logits, tokens, mask = batch
    assert token_loss(logits, tokens, mask & False) == 0


def test_smoothing_spreads_over_the_vocabulary(batch):
    logits, tokens, mask = batch
    said = logits.log_softmax(-1)[mask]
    wanted = 0.9 * F.one_hot(tokens[mask], 9) + 0.1 / 9
    assert_close(token_loss(logits, tokens, mask, smoothing=0.1), -(wanted * said).sum(1).mean())


def test_eighty_ten_ten():
    draw = torch.Generator().manual_seed(1)
    tokens = torch.randint(10, 1000, (200, 500), generator=draw)
    may = torch.rand(200, 500, generator=draw) < 0.9
    shown, asked = hide_tokens(tokens, may, 3, 1000, draw)
    assert not (asked & ~may).any()
    assert torch.equal(shown[~asked], tokens[~asked])
    share = asked.sum() / may.sum()
    assert share == pytest.approx(0.15, abs=0.005)
    hidden, same = (
        (shown[asked] == 3).float().mean(),
        (shown[asked] == tokens[asked]).float().mean(),
    )
    assert hidden == pytest.approx(0.8, abs=0.01)
    assert same == pytest.approx(0.1, abs=0.01)


def test_hiding_is_decided_by_the_generator():
    tokens, may = torch.arange(40).view(2, 20), torch.ones(2, 20, dtype=torch.bool)
    first, again, other = (
        hide_tokens(tokens, may, 3, 40, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])


def test_classes():
    logits, labels = torch.randn(5, 3), torch.tensor([0, 2, 1, 1, 0])
    assert_close(class_loss(logits, labels), by_hand(logits[None], labels[None], torch.ones(1, 5)))
