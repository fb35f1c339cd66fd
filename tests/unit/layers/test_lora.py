"""Low-rank additions: they start at nothing, learn alone, and merge into what they were added to."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from polysee.errors import ConfigError
from polysee.layers.attention import Attention
from polysee.layers.convolutions import ConvNorm
from polysee.layers.lora import Lora, add_lora, merge_lora


class Mixed(nn.Module):
    """Linear maps, convolutions of both kinds, and one layer that stands in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = ConvNorm(3, 8, 3, activation=nn.ReLU)
        self.point = ConvNorm(8, 6, 1, activation=nn.ReLU)
        self.attention = Attention(6, 2)
        self.head = nn.Linear(6, 4)
        self.second_head = self.head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.point(self.conv(x)).flatten(2).transpose(1, 2)
        x = self.attention(x).mean(1)
        return self.head(x) + self.second_head(x)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Mixed().eval()


@pytest.fixture
def pixels():
    return torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(1))


ADAPTED = [
    "point.conv",
    *(f"attention.{n}" for n in ("query", "key", "value", "output")),
    "head",
    "second_head",
]


def disturb(model):
    for name, parameter in model.named_parameters():
        if name.endswith(".up"):
            nn.init.normal_(parameter, generator=torch.Generator().manual_seed(2))


def test_at_first_nothing_is_changed(model, pixels):
    with torch.no_grad():
        wanted = model(pixels)
        assert add_lora(model, rank=2) == ADAPTED
        assert_close(model(pixels), wanted)


def test_only_additions_learn(model, pixels):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    add_lora(model, rank=2)
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learning == {f"{name}.{part}" for name in ADAPTED[:-1] for part in ("down", "up")}
    assert model.second_head is model.head
    disturb(model)
    model(pixels).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == (name in learning)
        if name in learning:
            assert parameter.grad.any(), name
    after = model.state_dict()
    for name, value in before.items():
        own = name if name in after else ".base.".join(name.rsplit(".", 1))
        assert torch.equal(after[own], value)


def test_merged_it_is_the_plain_model_again(model, pixels):
    names, kinds = list(model.state_dict()), [type(m) for m in model.modules()]
    with torch.no_grad():
        plain = model(pixels)
        add_lora(model, rank=2, alpha=4)
        disturb(model)
        adapted = model(pixels)
        assert not torch.allclose(adapted, plain, atol=0.01)
        assert merge_lora(model) is model
        assert_close(model(pixels), adapted)
    assert list(model.state_dict()) == names
    assert [type(m) for m in model.modules()] == kinds
    assert model.second_head is model.head


@pytest.mark.parametrize("base", [nn.Linear(5, 3), nn.Conv2d(5, 3, 1)], ids=["linear", "conv"])
def test_the_formula(base):
    layer = Lora(base, rank=2, alpha=6)
    nn.init.normal_(layer.up)
    x = torch.randn(4, 5) if isinstance(base, nn.Linear) else torch.randn(4, 5, 2, 2)
    rows = x if x.ndim == 2 else x.movedim(1, -1)
    weight = base.weight.flatten(1) + 3.0 * layer.up @ layer.down
    wanted = rows @ weight.T + base.bias
    assert_close(layer(x), wanted if x.ndim == 2 else wanted.movedim(-1, 1))
    assert_close(layer.weight, weight.view_as(base.weight))
    assert layer.bias is base.bias


def test_folded_and_plain_convolutions_agree(model, pixels):
    """With gradients, `ConvNorm` reads the weight past `forward`."""
    add_lora(model, rank=2)
    disturb(model)
    with torch.no_grad():
        plain = model(pixels)
    assert_close(model(pixels).detach(), plain)


def test_a_rank_is_no_larger_than_the_layer():
    assert Lora(nn.Linear(5, 3), rank=64).down.shape == (3, 5)


def test_what_cannot_be_adapted_is_said(model):
    with pytest.raises(ConfigError, match="rank"):
        add_lora(model, rank=0)
    with pytest.raises(ConfigError, match="no layer"):
        add_lora(model, rank=1, chosen=lambda name: name == "conv.conv")
