"""A matcher that hears in another text tower what it heard in the former one."""

from __future__ import annotations

import copy

import pytest
import torch
from recipes import listen_again

from polysee.inputs.tokenizer import Tokenizer, train_bpe
from polysee.models.bert import Bert, BertConfig
from polysee.models.matcher import Matcher, MatcherConfig
from polysee.training import kept_states


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.setattr(listen_again, "STEPS", 60)
    monkeypatch.setattr(listen_again, "BATCH", 8)
    monkeypatch.setattr(listen_again, "HELD_OUT", 2)
    few = kept_states.KeptStates
    monkeypatch.setattr(
        listen_again, "KeptStates", lambda text, tokenizer, seed: few(text, tokenizer, seed, 30)
    )
    torch.manual_seed(0)
    former = Bert(BertConfig(400, 16, 1, 2, 32, context_length=64, dropout=0.0)).eval()
    text = copy.deepcopy(former)
    with torch.no_grad():
        for parameter in text.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    matcher = Matcher(
        MatcherConfig(
            "", channels=6, grid_size=2, text_size=16, hidden_size=8, num_heads=2, mlp_size=8
        )
    )
    tokenizer = Tokenizer(train_bpe(["a red dog on the beach", "两只猫在雪地里"], 400), 64)
    return matcher.eval(), former, text, tokenizer


def test_it_hears_nearly_what_it_heard(parts):
    matcher, former, text, tokenizer = parts
    learnt = listen_again.listen_again(matcher, former, text, tokenizer)
    heard = listen_again.Hearing(matcher, former)
    others = kept_states.KeptStates(former, tokenizer, 5, 30)
    before, after = (
        listen_again._apart(heard, listen_again.Hearing(one, text), others)
        for one in (matcher, learnt)
    )
    assert after < 0.7 * before


def test_only_what_reads_texts_is_changed(parts):
    matcher, former, text, tokenizer = parts
    own = {name: x.clone() for name, x in matcher.state_dict().items()}
    learnt = listen_again.listen_again(matcher, former, text, tokenizer).state_dict()
    assert all(torch.equal(own[name], x) for name, x in matcher.state_dict().items())
    changed = {name.split(".")[0] for name in own if not torch.equal(own[name], learnt[name])}
    assert changed <= {"text", "text_blocks", "text_norm", "order", "expect"}
    assert "text" in changed
