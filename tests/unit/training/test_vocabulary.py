"""A shortened vocabulary reads every text still, and its vectors are the first of the whole."""

from __future__ import annotations

import torch

from polysee.inputs.tokenizer import Tokenizer, train_bpe
from polysee.models.align import Align, AlignConfig
from polysee.models.bert import BertConfig
from polysee.models.efficientnet import EfficientNetConfig
from polysee.training.vocabulary import shorten_bpe, shorten_embedding

TEXTS = ["a cat on a sofa", "two cats and a dog", "一只坐在沙发上的猫", "两只狗在草地上奔跑"] * 5


def test_rare_tokens_fall_apart_and_the_rest_stays():
    whole = train_bpe(TEXTS, vocab_size=320)
    short = shorten_bpe(whole, 300)
    assert short.get_vocab_size() == 300
    first = {token: index for token, index in whole.get_vocab().items() if index < 300}
    assert short.get_vocab() == first
    for text in (*TEXTS[:4], "zebra 🦓"):
        ids = short.encode(text).ids
        assert max(ids) < 300
        assert short.decode(ids) == whole.decode(whole.encode(text).ids)


def test_texts_of_kept_tokens_have_the_same_vectors():
    torch.manual_seed(0)
    whole = train_bpe(TEXTS, vocab_size=320)
    text = BertConfig(vocab_size=320, hidden_size=8, num_layers=1, num_heads=2, mlp_size=16)
    config = AlignConfig(EfficientNetConfig(0.25, 0.25), text, projection_size=16, pooling="mean")
    model = Align(config).eval()
    with torch.no_grad():
        before = model.encode_text(*Tokenizer(whole, 16)(["xyz"]))
        shorten_embedding(model, 300)
        after = model.encode_text(*Tokenizer(shorten_bpe(whole, 300), 16)(["xyz"]))
    assert torch.equal(before, after)
    assert model.config.text.vocab_size == 300
    assert Align(model.config).load_state_dict(model.state_dict())
