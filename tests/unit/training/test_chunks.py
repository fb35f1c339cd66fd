"""Gradient caching: gradients as those of the whole batch, with the activations of one chunk."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from polysee.objectives.contrastive import contrastive
from polysee.training.chunks import encode_in_chunks


def gradients(model, rows, size, text):
    torch.manual_seed(5)
    model.zero_grad()
    loss = contrastive(encode_in_chunks(model, model, rows, size=size), text, 10.0)
    loss.backward()
    return loss.detach(), [p.grad.clone() for p in model.parameters()]


@pytest.fixture
def batch():
    draw = torch.Generator().manual_seed(0)
    return torch.randn(10, 6, generator=draw), torch.randn(10, 4, generator=draw)


@pytest.mark.parametrize("size", [1, 3, 5, 10, 99])
def test_equal_gradients(batch, size):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 32), nn.GELU(), nn.LayerNorm(32), nn.Linear(32, 4))
    wanted_loss, wanted = gradients(model, batch[0], 0, batch[1])
    loss, found = gradients(model, batch[0], size, batch[1])
    assert_close(loss, wanted_loss)
    for gradient, right in zip(found, wanted, strict=True):
        assert_close(gradient, right)


def test_dropout_is_the_same_in_both_passes(batch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 32), nn.Dropout(0.5), nn.Linear(32, 4))
    _, found = gradients(model, batch[0], 4, batch[1])
    torch.manual_seed(5)
    model.zero_grad()
    whole = torch.cat([model(chunk) for chunk in batch[0].split(4)])  # the same draws, all kept
    contrastive(whole, batch[1], 10.0).backward()
    for gradient, parameter in zip(found, model.parameters(), strict=True):
        assert_close(gradient, parameter.grad)


def test_running_statistics_move_once(batch):
    torch.manual_seed(0)
    model, plain = (nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4)) for _ in range(2))
    plain.load_state_dict(model.state_dict())
    gradients(model, batch[0], 5, batch[1])
    for chunk in batch[0].split(5):
        plain(chunk)
    for name, value in plain.state_dict().items():
        assert_close(model.state_dict()[name], value, msg=name)
    assert model[1].track_running_stats


class Watched(nn.Module):
    """Counts how many of its activations, which the backward pass needs, are alive at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(6, 6))
        self.alive, self.most = 0, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = (x @ self.weight).exp()  # kept by exp for its gradient
        self.alive += len(hidden)
        self.most = max(self.most, self.alive)
        weakref.finalize(hidden.untyped_storage(), self.gone, len(hidden))
        return hidden.tanh()[:, :4]

    def gone(self, rows: int) -> None:
        self.alive -= rows


@pytest.mark.parametrize(("size", "most"), [(0, 10), (2, 2)])
def test_only_one_chunk_is_held(batch, size, most):
    model = Watched()
    gradients(model, batch[0], size, batch[1])
    assert model.most == most
    assert model.alive == 0


def test_without_gradients_there_is_nothing_to_cache(batch):
    model = Watched()
    with torch.no_grad():
        encode_in_chunks(model, model, batch[0], size=2)
    assert model.most == 10
