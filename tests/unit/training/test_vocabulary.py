"""A shortened vocabulary reads every text still, and its vectors are the first of the whole."""

from __future__ import annotations

import json

import pytest
import torch
from tokenizers import Tokenizer as Backend
from tokenizers import models, normalizers, pre_tokenizers, trainers

from polysee.errors import ConfigError
from polysee.inputs.tokenizer import Tokenizer, train_bpe
from polysee.models.align import Align, AlignConfig
from polysee.models.bert import BertConfig
from polysee.models.efficientnet import EfficientNetConfig
from polysee.training.vocabulary import shorten_bpe, shorten_embedding, shorten_unigram

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


@pytest.fixture(scope="module")
def unigram():
    """Of the kind that XLM-R has, with more pieces than the texts need."""
    backend = Backend(models.Unigram())
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(special_tokens=special, unk_token="<unk>", vocab_size=200)
    others = ["bright zebras graze quietly", "白马在山坡上吃草"]
    backend.train_from_iterator([*TEXTS, *others], trainer)
    return backend


def test_a_shortened_unigram_cuts_what_it_kept_as_before(unigram):
    short = shorten_unigram(unigram, TEXTS, 330)
    assert short.get_vocab_size() <= 330
    for text in TEXTS[:4]:
        assert short.encode(text).tokens[1:-1] == unigram.encode(text).tokens


@pytest.mark.parametrize(
    "text",
    ["ZEBRAS  graze", "白马 🦓 龘", "\x00\x07 \u202e", "</s> <0x41> <mask> <unk>", "naïve ＡＢＣ"],
)
def test_no_text_is_unknown_to_a_shortened_unigram(unigram, text):
    """Nor read as a special token that it spells out."""
    tokenizer = Tokenizer(shorten_unigram(unigram, TEXTS, 330), 64)
    ids = tokenizer.encode(text, begin=False)
    pieces = [tokenizer.backend.id_to_token(i) for i in ids]
    assert not {"<unk>", "<s>", "</s>", "<mask>", "<pad>"} & set(pieces)
    normal = tokenizer.backend.normalizer.normalize_str(text)
    assert tokenizer.decode(ids).split() == normal.split()


def test_texts_that_spell_out_special_tokens_add_none(unigram):
    short = shorten_unigram(unigram, [*TEXTS, *["</s> i <3 <unk> <0x41>"] * 9], 330)
    settings = json.loads(short.to_str())["model"]
    pieces = [piece for piece, _ in settings["vocab"]]
    assert len(set(pieces)) == len(pieces) == short.get_vocab_size()
    assert [pieces.index(token) for token in ("<s>", "</s>")] == [0, 2]
    assert short.encode("a cat").ids[-1] == 2


def test_a_unigram_that_is_to_be_too_short_is_named(unigram):
    with pytest.raises(ConfigError, match="vocab_size 270"):
        shorten_unigram(unigram, TEXTS, 270)
