"""One token through many blocks, beside the modules themselves."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from polysee.generation.stepping import Map, Stepper
from polysee.layers.attention import Cache
from polysee.layers.block import Block

SIZE = 24


@pytest.fixture
def parts():
    torch.manual_seed(0)
    blocks = nn.ModuleList(Block(SIZE, heads, 40, activation="tanh_gelu") for heads in (2, 3, 1))
    norm = nn.LayerNorm(SIZE)
    for parameter in (*blocks.parameters(), *norm.parameters()):
        nn.init.normal_(parameter, std=0.4)
    return blocks.eval(), norm.eval()


@pytest.mark.parametrize("halves", [False, True])
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("masked", [False, True])
def test_steps_give_what_the_modules_give(parts, masked, count, halves):
    blocks, norm = parts
    if halves:
        for parameter in blocks.parameters():
            parameter.data = parameter.half().float()
    x = torch.randn(count, 9, SIZE)
    seen = torch.ones(9, 9, dtype=torch.bool).tril()
    if masked:
        seen &= torch.rand(9, 9) < 0.5
        seen |= torch.eye(9, dtype=torch.bool)
    with torch.inference_mode():
        whole = x
        for block in blocks:
            whole = block(whole, seen)
        step, caches = Stepper(blocks, norm), [Cache() for _ in blocks]
        rows = []
        for place in range(9):
            mask = seen[place : place + 1, : place + 1] if masked else None
            rows.append(step(x[:, place], caches, [mask] * len(blocks)))
        torch.testing.assert_close(torch.stack(rows, 1), norm(whole))
    assert [len(cache) for cache in caches] == [9, 9, 9]


@pytest.mark.parametrize("count", [1, 2, 9])
@pytest.mark.parametrize("halves", [False, True])
@torch.inference_mode()
def test_a_map_is_the_layers_one_after_the_other(halves, count):
    torch.manual_seed(1)
    layers, x = [nn.Linear(256, 40), nn.Linear(256, 60)], torch.randn(count, 256)
    for layer in layers:
        layer.weight.copy_(torch.randn(layer.weight.shape))
        if halves:
            layer.weight.copy_(layer.weight.half())
    whole, bias = (torch.cat([getattr(y, name) for y in layers]) for name in ("weight", "bias"))
    wanted = x.double() @ whole.double().T + bias
    found = Map(*layers)(x)
    size = x.abs().double() @ whole.abs().double().T
    assert ((found - wanted).abs() < 4e-7 * size).all()  # three units in the last place


def test_weights_are_read_as_16_bits_where_that_changes_none():
    layer = nn.Linear(8, 16)
    able = torch.backends.quantized.engine in ("x86", "fbgemm")
    for factor, same in ((1.0, True), (1e5, False), (1e-7, False)):  # too large, and too small
        layer.weight.data = factor * torch.randn(16, 8).half().float()
        assert Map(layer).halves == (able and same)
    layer.weight.data = torch.randn(16, 8)
    assert not Map(layer).halves


@torch.inference_mode()
def test_a_row_read_as_16_bits_does_not_depend_on_the_others():
    torch.manual_seed(2)
    layer, x = nn.Linear(256, 100), torch.randn(20, 256)
    layer.weight.copy_(layer.weight.half())
    mapped = Map(layer)
    if mapped.halves:
        assert all(torch.equal(mapped(x[:count]), mapped(x)[:count]) for count in range(1, 20))
    else:
        torch.testing.assert_close(mapped(x[:1]), mapped(x)[:1])
