"""Sentences of made scenes, and how far a text tower has left what it said of them."""

from __future__ import annotations

import copy

import pytest
import torch

from polysee.inputs.prompts import is_chinese
from polysee.inputs.tokenizer import Tokenizer, train_bpe
from polysee.models.bert import Bert, BertConfig
from polysee.training.kept_states import KeptStates

TEXTS = ["a red dog on the beach", "两只猫在雪地里", "a cat left of a tree"]


@pytest.fixture
def tower():
    torch.manual_seed(0)
    return Bert(BertConfig(400, 16, 1, 2, 32, context_length=64, dropout=0.0)).eval()


@pytest.fixture
def kept(tower):
    return KeptStates(tower, Tokenizer(train_bpe(TEXTS, 400), 64), seed=0, count=40)


def test_its_sentences_are_in_both_languages_and_of_like_length(kept):
    assert sum(is_chinese(text) for text in kept.texts) == 20
    tokens, mask = kept.batch(3, 8)
    assert tokens.shape == mask.shape
    assert len(tokens) == 8
    assert torch.equal(tokens, kept.batch(3, 8)[0])
    assert not torch.equal(tokens, kept.batch(4, 8)[0])


def test_nothing_is_lost_by_the_tower_as_it_was_and_much_by_another(kept, tower):
    batch = kept.batch(0, 8)
    assert kept.lost(tower, *batch) == 0
    changed = copy.deepcopy(tower)
    with torch.no_grad():
        changed.embeddings.token.weight.mul_(2)
    lost = kept.lost(changed, *batch)
    assert lost > 0.01
    lost.backward()
    assert changed.embeddings.token.weight.grad is not None
    assert all(parameter.grad is None for parameter in kept.before.parameters())


def test_training_the_tower_does_not_change_what_it_is_held_to(kept, tower):
    batch = kept.batch(0, 8)
    with torch.no_grad():
        for parameter in tower.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    assert kept.lost(tower, *batch) > 0.01
