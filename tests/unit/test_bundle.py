"""What `recipes.bundle` puts where the package carries it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from recipes.bundle import reading, with_dvae

from polysee.checkpoints.bundled import BUNDLED
from polysee.checkpoints.folder import folder_hash
from polysee.models.dalle import Dalle, DalleConfig
from polysee.models.dvae import Dvae, DvaeConfig
from polysee.models.matcher import Matcher, MatcherConfig

CODES = DvaeConfig(image_size=16, patch_size=2, hidden_size=8, num_layers=1, levels=(3, 3))


def test_a_dalle_gets_a_decoder_that_was_taught_since():
    torch.manual_seed(0)
    model = Dalle(DalleConfig(CODES, 300, 8, 16, 1, 2, 32))
    taught = Dvae(replace(CODES, more_layers=2))
    taught.encoder.load_state_dict(model.dvae.encoder.state_dict())
    grown = with_dvae(model, taught)
    assert grown.config.dvae.more_layers == 2
    codes = torch.randint(0, 9, (2, 16))
    assert torch.equal(grown.decode_image(codes), taught.decode(codes.unflatten(1, (4, 4))))
    tokens = torch.randint(0, 300, (2, 8))
    mask = torch.ones_like(tokens, dtype=torch.bool)
    before, after = (one.eval()(tokens, mask, codes) for one in (model, grown))
    assert torch.equal(before.codes, after.codes)
    for other in (
        Dvae(CODES),
        Dvae(replace(CODES, levels=(9,))),
        Dvae(replace(CODES, num_layers=2)),
    ):
        with pytest.raises(SystemExit, match="its encoder is another"):
            with_dvae(model, other)


def test_a_matcher_reads_other_towers_with_the_weights_that_it_has():
    small = MatcherConfig("", channels=6, grid_size=2, text_size=4, hidden_size=8, num_heads=2, mlp_size=8)  # fmt: skip
    matcher = Matcher(small)
    towers = BUNDLED / "align-nano"
    other = reading(matcher, towers)
    assert other.config == replace(small, towers=folder_hash(towers))
    own = matcher.state_dict()
    assert all(torch.equal(own[name], weight) for name, weight in other.state_dict().items())
