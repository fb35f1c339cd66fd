"""Key maps: both directions, and nothing lost on the way."""

from __future__ import annotations

import pytest
import torch

from polysee.checkpoints.efficientnet import PACKAGED, from_efficientnet_pytorch
from polysee.checkpoints.huggingface.align import ALIGN
from polysee.checkpoints.huggingface.bert import BERT
from polysee.checkpoints.keymap import Fix, KeyMap, rename
from polysee.errors import CheckpointError
from polysee.models.bert import Bert, BertConfig
from polysee.models.efficientnet import EfficientNet, EfficientNetConfig


@pytest.fixture
def bert():
    return Bert(BertConfig(9, 8, 2, 2, 16, 6)).state_dict()


def test_there_and_back_is_what_it_was(bert):
    again = BERT.to_ours(BERT.to_theirs(bert))
    assert again.keys() == bert.keys()
    assert all(again[name] is bert[name] for name in bert)


def test_a_key_left_over_is_named(bert):
    theirs = BERT.to_theirs(bert)
    theirs["encoder.layer.0.adapter.weight"] = torch.zeros(1)
    with pytest.raises(CheckpointError, match=r"left over: encoder\.layer\.0\.adapter\.weight"):
        BERT.to_ours(theirs)
    with pytest.raises(CheckpointError, match=r"left over: extra"):
        BERT.to_theirs({**bert, "extra": torch.zeros(1)})


@pytest.mark.parametrize(
    "key", ["encoder.layer.x.output.dense.weight", "embeddings.LayerNormal.weight"]
)
def test_a_rule_holds_for_whole_words_and_numbers_only(key):
    with pytest.raises(CheckpointError, match="left over"):
        BERT.to_ours({key: torch.zeros(1)})


def test_what_we_have_no_use_for_is_dropped(bert):
    theirs = {**BERT.to_theirs(bert), "pooler.dense.weight": torch.zeros(8, 8)}
    assert BERT.to_ours(theirs).keys() == bert.keys()


def test_two_tensors_may_not_become_one():
    rules = (("norm", "a"), ("norm", "b"))
    state = {"a.weight": torch.zeros(1), "b.weight": torch.zeros(1)}
    with pytest.raises(CheckpointError, match=r"two tensors become norm\.weight"):
        rename(state, rules, "to_ours")


def test_a_fix_goes_both_ways():
    keys = KeyMap((("log_scale", "temperature"),), ALIGN.fixes)
    ours = keys.to_ours({"temperature": torch.tensor(0.05)})
    torch.testing.assert_close(ours["log_scale"].exp(), torch.tensor(20.0))
    torch.testing.assert_close(keys.to_theirs(ours)["temperature"], torch.tensor(0.05))
    transposed = KeyMap((("a", "b"),), (Fix("a.weight", torch.t, torch.t),))
    assert transposed.to_ours({"b.weight": torch.zeros(2, 3)})["a.weight"].shape == (3, 2)


def test_the_packaged_efficientnets_names():
    tower = EfficientNet(EfficientNetConfig(0.25, 0.25)).state_dict()
    packaged = PACKAGED.to_theirs(tower)
    classifier = {"_fc.weight": torch.ones(1000, 8), "_fc.bias": torch.zeros(1000)}
    state, weight, bias = from_efficientnet_pytorch({**packaged, **classifier})
    assert state.keys() == {name for name in tower if not name.endswith("num_batches_tracked")}
    assert weight is classifier["_fc.weight"]
    assert bias is classifier["_fc.bias"]
    with pytest.raises(CheckpointError, match=r"_fc\.weight"):
        from_efficientnet_pytorch(packaged)
