"""TensorFlow's "SAME" rule, by a convolution written out."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from polysee.layers.convolutions import ConvNorm, SameConv2d


def written_out(x, weight, stride):
    """Output (y, x) sees the input from y * stride - padding before; the larger half of an odd padding comes after."""
    kernel = weight.shape[-1]
    sizes = [math.ceil(size / stride) for size in x.shape[2:]]
    before = [
        max((out - 1) * stride + kernel - size, 0) // 2
        for out, size in zip(sizes, x.shape[2:], strict=True)
    ]
    out = torch.zeros(len(x), len(weight), *sizes)
    for row in range(sizes[0]):
        for column in range(sizes[1]):
            for dy in range(kernel):
                for dx in range(kernel):
                    r, c = row * stride + dy - before[0], column * stride + dx - before[1]
                    if 0 <= r < x.shape[2] and 0 <= c < x.shape[3]:
                        out[:, :, row, column] += x[:, :, r, c] @ weight[:, :, dy, dx].T
    return out


@pytest.mark.parametrize("size", [(1, 1), (5, 6), (6, 7), (7, 4)])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
def test_equals_the_rule(size, stride, kernel):
    torch.manual_seed(0)
    conv = SameConv2d(2, 3, kernel, stride=stride, bias=False)
    x = torch.randn(2, 2, *size)
    assert_close(conv(x), written_out(x, conv.weight, stride))


def test_every_channel_by_itself():
    torch.manual_seed(0)
    conv = SameConv2d(3, 3, 3, stride=2, groups=3, bias=False)
    x = torch.randn(1, 3, 6, 5)
    alone = [written_out(x[:, i : i + 1], conv.weight[i : i + 1], 2) for i in range(3)]
    assert_close(conv(x), torch.cat(alone, 1))


def test_the_pair_is_convolution_norm_activation():
    torch.manual_seed(0)
    pair = ConvNorm(2, 4, 3, stride=2, activation=torch.nn.ReLU).eval()
    pair.norm.running_mean.normal_()
    x = torch.randn(1, 2, 7, 7)
    assert_close(pair(x), pair.norm(pair.conv(x)).relu())
    assert (ConvNorm(2, 4, 1, activation=None)(x) < 0).any()


def test_folding_for_training_changes_neither_result_nor_gradients():
    torch.manual_seed(0)
    pair = ConvNorm(3, 5, 3, stride=2, activation=torch.nn.ReLU6).eval()
    for tensor in (*pair.norm.parameters(), pair.norm.running_mean):
        torch.nn.init.normal_(tensor)
    torch.nn.init.uniform_(pair.norm.running_var, 0.5, 2)
    x = torch.randn(2, 3, 8, 8)
    plain = pair.activation(pair.norm(pair.conv(x)))
    parameters = list(pair.parameters())
    wanted = torch.autograd.grad(plain.square().sum(), parameters)
    folded = pair(x)
    found = torch.autograd.grad(folded.square().sum(), parameters)
    assert_close(folded, plain, rtol=1e-5, atol=1e-5)
    assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        assert torch.equal(pair(x), plain)
