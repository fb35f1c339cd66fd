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
@torch.inference_mode()
def test_a_map_is_the_layers_one_after_the_other_to_the_last_bits(count):
    """Of weights that 16 bits hold, of others, and of ones too large for 16 bits or too small."""
    torch.manual_seed(1)
    x = torch.randn(count, 256)
    for weight in (torch.randn(100, 256).half().float(), torch.randn(100, 256)):
        layers = [nn.Linear(256, 40), nn.Linear(256, 60)]
        for factor in (1.0, 1e5, 1e-7):
            whole = weight * factor
            for layer, part in zip(layers, whole.split([40, 60]), strict=True):
                layer.weight.copy_(part)
            wanted = torch.cat([x.double() @ layer.weight.double().T for layer in layers], 1)
            wanted += torch.cat([layer.bias for layer in layers])
            found = Map(*layers)(x)
            bound = 1e-6 * float((x.abs() @ whole.abs().T).max()) + 1e-6
            assert (found - wanted).abs().max() < bound
            alone = Map(*layers)(x[:1])
            torch.testing.assert_close(found[:1], alone, atol=bound, rtol=0)
