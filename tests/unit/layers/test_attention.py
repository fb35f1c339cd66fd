"""Attention against its formula, its masks, and its cache."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from polysee.errors import ConfigError
from polysee.layers.attention import Attention, Cache, attention, padding_mask, positions_of
from polysee.layers.block import MLP, Block, DecoderBlock, PostNormBlock, quick_gelu
from polysee.layers.pooling import first_token, mean_token


def formula(query, key, value, mask=None):
    """softmax(Q K^T / sqrt(K)) V, one query after the other; zeros where nothing may be attended to."""
    batch, heads, queries, size = query.shape
    out = torch.zeros(batch, heads, queries, size)
    for b in range(batch):
        for h in range(heads):
            for t in range(queries):
                seen = [s for s in range(key.shape[2]) if mask is None or mask[b, h, t, s]]
                if seen:
                    scores = torch.stack([query[b, h, t] @ key[b, h, s] for s in seen])
                    weights = torch.softmax(scores / math.sqrt(size), 0)
                    out[b, h, t] = sum(
                        w * value[b, h, s] for w, s in zip(weights, seen, strict=True)
                    )
    return out


@pytest.fixture
def qkv():
    draw = torch.Generator().manual_seed(0)
    query = torch.randn(2, 3, 4, 5, generator=draw)
    key, value = torch.randn(2, 2, 3, 6, 5, generator=draw)
    return query, key, value


def test_equals_the_formula(qkv):
    assert_close(attention(*qkv), formula(*qkv))


def test_a_mask_equals_the_formula_and_rows_without_keys_are_zero(qkv):
    mask = torch.rand(2, 3, 4, 6, generator=torch.Generator().manual_seed(1)) < 0.5
    mask[0, 1, 2] = False
    out = attention(*qkv, mask)
    assert_close(out, formula(*qkv, mask))
    assert not out[0, 1, 2].any()


def test_a_row_without_keys_has_no_gradient_and_spoils_no_other(qkv):
    query, key, value = (part.requires_grad_() for part in qkv)
    mask = torch.ones(2, 1, 1, 6, dtype=torch.bool)
    mask[1] = False
    attention(query, key, value, mask).sum().backward()
    assert all(part.grad.isfinite().all() for part in (query, key, value))
    assert not query.grad[1].any()
    assert query.grad[0].any()


@pytest.mark.parametrize("queries", [1, 2, 6])
@pytest.mark.parametrize("padded", [False, True])
def test_causal_lets_the_last_query_see_every_key(qkv, queries, padded):
    _, key, value = qkv
    query = torch.randn(2, 3, queries, 5, generator=torch.Generator().manual_seed(2))
    order = torch.tensor([[s <= t + 6 - queries for s in range(6)] for t in range(queries)])
    mask = torch.ones(2, 1, 1, 6, dtype=torch.bool)
    if padded:
        mask[0, ..., 4:] = False
    wanted = formula(query, key, value, (order & mask).expand(2, 3, -1, -1))
    assert_close(attention(query, key, value, mask if padded else None, causal=True), wanted)


def test_padding_mask_reaches_every_head_and_query():
    mask = torch.tensor([[True, True, False]])
    assert padding_mask(mask).tolist() == [[[[True, True, False]]]]
    assert padding_mask(None) is None


@pytest.mark.parametrize("heads", [0, 3, -2])
def test_heads_must_divide_the_hidden_size(heads):
    with pytest.raises(ConfigError, match=f"num_heads {heads}"):
        Attention(8, heads)


def test_context_is_what_keys_and_values_are_made_of():
    layer = Attention(8, 2)
    x, context = torch.randn(1, 3, 8), torch.randn(1, 5, 8)
    out = layer(x, context=context)
    assert out.shape == x.shape
    assert_close(out, layer(x, context=context.flip(1)))  # a set, without positions
    assert not torch.allclose(out, layer(x))


@pytest.mark.parametrize("kind", [Block, PostNormBlock])
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1, 1, 1), (4, 1, 1), (2, 3, 1), (6,)])
def test_a_cache_gives_what_the_whole_gives(kind, sizes):
    torch.manual_seed(0)
    block = kind(8, 2, 16).eval()
    x = torch.randn(2, 6, 8)
    mask = torch.ones(2, 6, dtype=torch.bool)
    mask[1, 0] = False  # padded on the left, as texts are that are gone on with
    whole = block(x, padding_mask(mask), causal=True)
    cache, parts, start = Cache(), [], 0
    assert len(cache) == 0
    for size in sizes:
        end = start + size
        parts.append(block(x[:, start:end], padding_mask(mask[:, :end]), causal=True, cache=cache))
        assert len(cache) == end
        start = end
    assert_close(torch.cat(parts, 1), whole)


def test_a_cache_grows_and_keeps_what_is_in_it():
    draw = torch.Generator().manual_seed(0)
    key, value = torch.randn(2, 2, 3, 300, 4, generator=draw)
    cache = Cache()
    for start, end in ((0, 1), (1, 64), (64, 65), (65, 130), (130, 300)):
        found = cache.append(key[:, :, start:end], value[:, :, start:end])
        assert torch.equal(found[0], key[:, :, :end])
        assert torch.equal(found[1], value[:, :, :end])
    cache.select(torch.tensor([1, 1, 0]))
    assert torch.equal(cache.read()[0], key[[1, 1, 0]])
    assert torch.equal(cache.read()[1], value[[1, 1, 0]])


def test_a_memory_is_read_into_the_cache_once():
    torch.manual_seed(0)
    block = DecoderBlock(8, 2, 16).eval()
    x, memory = torch.randn(2, 4, 8), torch.randn(2, 5, 8)
    memory_mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])[:, None, None]
    whole = block(x, memory, None, memory_mask)
    own, other = Cache(), Cache()
    parts = [block(x[:, :1], memory, None, memory_mask, cache=own, memory_cache=other)]
    nothing = torch.full_like(memory, torch.nan)  # no longer looked at
    for place in range(1, 4):
        new = x[:, place : place + 1]
        parts.append(block(new, nothing, None, memory_mask, cache=own, memory_cache=other))
    assert (len(own), len(other)) == (4, 5)
    assert_close(torch.cat(parts, 1), whole)


def test_positions_start_where_the_text_does():
    mask = torch.tensor([[False, False, True, True], [True, True, True, False]])
    assert positions_of(mask).tolist() == [[0, 0, 0, 1], [0, 1, 2, 2]]


def test_the_two_blocks_normalise_where_they_say():
    torch.manual_seed(0)
    before, after = Block(8, 2, 16).eval(), PostNormBlock(8, 2, 16).eval()
    after.load_state_dict(before.state_dict())
    x = torch.randn(1, 4, 8)
    y = x + before.attention(before.attention_norm(x))
    assert_close(before(x), y + before.mlp(before.mlp_norm(y)))
    y = after.attention_norm(x + after.attention(x))
    assert_close(after(x), after.mlp_norm(y + after.mlp(y)))


def test_an_unknown_activation_is_named():
    with pytest.raises(ConfigError, match="unknown activation 'swish'"):
        MLP(8, 16, "swish")


def test_quick_gelu_is_near_gelu():
    x = torch.linspace(-4, 4, 50)
    assert_close(quick_gelu(x), torch.nn.functional.gelu(x), atol=0.03, rtol=0)


def test_pooling_leaves_padding_out():
    hidden = torch.tensor([[[1.0], [3.0], [100.0]], [[7.0], [8.0], [9.0]]])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    assert mean_token(hidden, mask).tolist() == [[2.0], [0.0]]
    assert_close(mean_token(hidden), hidden.mean(1))
    assert first_token(hidden, mask).tolist() == [[1.0], [7.0]]
