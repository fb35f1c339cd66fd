"""DALL-E: what each pattern sees, nothing sees ahead, cached equals uncached."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from polysee.layers.attention import Cache
from polysee.models.dalle import PATTERNS, Dalle, DalleConfig, attention_mask
from polysee.models.dvae import DvaeConfig
from polysee.objectives.dalle import text_and_picture

DVAE = DvaeConfig(16, 2, 8, 1, (4, 3))
SIZES = {
    "vocab_size": 20,
    "context_length": 5,
    "hidden_size": 16,
    "num_layers": 3,
    "num_heads": 2,
    "mlp_size": 32,
}
GRID, TEXT = 4, 5


def model_of(*patterns, last="full", reach=1):
    torch.manual_seed(0)
    model = Dalle(
        DalleConfig(DVAE, **SIZES, patterns=patterns, last_pattern=last, reach=reach)
    ).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def sees(pattern, query, key, reach):
    """The rule in words, for places in the picture."""
    (row, column), (other_row, other_column) = divmod(query, GRID), divmod(key, GRID)
    if key > query:
        return False
    return {
        "full": True,
        "row": query - key < GRID,
        "column": column == other_column,
        "neighbourhood": row - other_row <= reach and abs(column - other_column) <= reach,
    }[pattern]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("reach", [1, 2])
def test_patterns_are_what_they_say(pattern, reach):
    mask = attention_mask(pattern, TEXT, GRID, reach)
    length = TEXT + GRID**2
    assert mask.shape == (length, length)
    for query in range(length):
        for key in range(length):
            in_picture = query >= TEXT and key >= TEXT
            seen = sees(pattern, query - TEXT, key - TEXT, reach) if in_picture else key <= query
            assert mask[query, key].item() == seen, (query, key)


@pytest.mark.parametrize("patterns", [("full",), ("row", "column"), ("neighbourhood",)])
@torch.no_grad()
def test_nothing_sees_ahead(patterns):
    model = model_of(*patterns, last="row")
    tokens, codes = torch.randint(0, 20, (1, 5)), torch.randint(0, 12, (1, 16))
    mask = torch.ones_like(tokens, dtype=torch.bool)
    guess = model(tokens, mask, codes)
    for place in range(16):
        other = codes.clone()
        other[0, place] = (other[0, place] + 1) % 12
        changed = (model(tokens, mask, other).codes - guess.codes).abs().amax(2)[0] > 1e-6
        assert not changed[: place + 1].any()
        assert changed[place + 1 : place + 2].all()  # the next one sees it
    other = tokens.clone()
    other[0, 3] = (other[0, 3] + 1) % 20
    changed = (model(other, mask, codes).text - guess.text).abs().amax(2)[0] > 1e-6
    assert changed.tolist() == [False, False, False, True]
    assert ((model(other, mask, codes).codes - guess.codes).abs().amax(2) > 1e-6).all()


@pytest.mark.parametrize(
    "patterns", [("full",), ("row", "column", "row", "row"), ("neighbourhood",)]
)
@torch.no_grad()
def test_cached_equals_uncached(patterns):
    model = model_of(*patterns, last="neighbourhood")
    tokens, codes = torch.randint(0, 20, (2, 3)), torch.randint(0, 12, (2, 16))
    mask = torch.tensor([[True, True, True], [True, True, False]])
    whole = model(tokens, mask, codes).codes
    caches = [Cache() for _ in model.blocks]
    hidden = model.hidden(model.read_text(tokens, mask), caches)[:, -1]
    for place in range(16):
        assert_close(model.code_output(hidden), whole[:, place])
        hidden = model.hidden(model.read_codes(codes[:, place : place + 1], place), caches)[:, -1]
    caches = [Cache() for _ in model.blocks]  # several codes at once, as when a part is kept
    model.hidden(model.read_text(tokens, mask), caches)
    hidden = model.hidden(model.read_codes(codes[:, :7]), caches)
    assert_close(model.code_output(hidden), whole[:, 1:8])


@torch.no_grad()
def test_pictures_go_through_the_vae_within():
    model = model_of("full")
    pixels = torch.randn(2, 3, 16, 16)
    codes = model.encode_image(pixels)
    assert codes.shape == (2, 16)
    assert_close(model.decode_image(codes), model.dvae(pixels).pixels)


@torch.no_grad()
def test_the_loss_is_the_weighted_mean_of_both():
    torch.manual_seed(0)
    tokens, codes = torch.randint(0, 20, (2, 4)), torch.randint(0, 12, (2, 16))
    mask = torch.tensor([[True, True, True, False], [False] * 4])
    text, picture = torch.randn(2, 4, 20), torch.randn(2, 16, 12)
    losses = text_and_picture(text, picture, tokens, mask, codes)
    wanted = [-text[0, i].log_softmax(0)[tokens[0, i + 1]] for i in range(2)]
    assert_close(losses["text"], sum(wanted) / 2 / 8)
    wanted = -picture.log_softmax(2).gather(2, codes[..., None]).mean()
    assert_close(losses["picture"], wanted * 7 / 8)
    nothing = text_and_picture(text, picture, tokens, torch.zeros_like(mask), codes)
    assert nothing["text"] == 0
