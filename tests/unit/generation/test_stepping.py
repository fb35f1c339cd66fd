"""One token through many blocks, beside the modules themselves."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from polysee.generation.stepping import Stepper
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


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("masked", [False, True])
def test_steps_give_what_the_modules_give(parts, masked, count):
    blocks, norm = parts
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
