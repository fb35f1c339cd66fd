"""Rotary attention: what it sees of two tokens is how far apart they are."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from polysee.errors import ConfigError, NotSupportedError
from polysee.layers.attention import Cache
from polysee.layers.block import PostNormBlock
from polysee.models.roformer import Roformer, RoformerConfig, RotaryAttention, rotate


def test_products_depend_on_the_distance_alone():
    torch.manual_seed(0)
    query, key = torch.randn(2, 16)
    turned_query, turned_key = (rotate(x.expand(12, 16)) for x in (query, key))
    products = turned_query @ turned_key.T  # (12, 12)
    for distance in range(-11, 12):
        along = products.diagonal(distance)
        assert_close(along, along[:1].expand_as(along), atol=1e-5, rtol=1e-5)
    assert_close(products[0, 0], query @ key)
    assert len(products[0].unique()) == 12  # and on it they do depend


def test_lengths_stay():
    x = torch.randn(3, 2, 7, 8)
    assert_close(rotate(x).norm(dim=-1), x.norm(dim=-1))


def test_padding_changes_nothing():
    torch.manual_seed(0)
    model = Roformer(RoformerConfig(30, 16, 2, 2, 32)).eval()
    tokens = torch.randint(30, (1, 5))
    longer = torch.cat([tokens, torch.zeros(1, 4, dtype=torch.long)], dim=1)
    mask = torch.arange(9)[None] < 5
    assert_close(model(longer, mask)[:, :5], model(tokens))


def test_a_causal_block_sees_nothing_ahead():
    torch.manual_seed(0)
    block = PostNormBlock(16, 2, 32, attention=RotaryAttention).eval()
    x = torch.randn(1, 6, 16)
    ahead = x.clone()
    ahead[:, 4:] = 0
    assert_close(block(x, causal=True)[:, :4], block(ahead, causal=True)[:, :4])
    with pytest.raises(NotSupportedError, match="no cache"):
        block(x, cache=Cache())


def test_an_odd_share_of_a_head_is_named():
    with pytest.raises(ConfigError, match="num_heads 5"):
        RoformerConfig(hidden_size=15, num_heads=5)
