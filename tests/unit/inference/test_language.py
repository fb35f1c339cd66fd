"""Language models as people use them: texts in, texts out."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from polysee.errors import ConfigError, NotSupportedError
from polysee.inference.language import LanguageModel, TextClassifier, wrapper_of
from polysee.inputs.tokenizer import Tokenizer
from polysee.inputs.vocabularies import characters, train_language_bpe
from polysee.models.bert import BertClassifier, BertClassifierConfig
from polysee.models.gpt import Gpt, GptConfig
from polysee.models.transformer import Transformer, TransformerConfig
from polysee.models.vit import ViT, ViTConfig

TEXTS = ["the cat sat on the mat", "一只猫坐在垫子上", "two dogs ran far away"]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer(train_language_bpe(TEXTS, 330, ["<en>", "<zh>"]), 40)


@torch.no_grad()
def lively(model):
    draw = torch.Generator().manual_seed(2)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.3)
    return model.eval()


def ready(model, tokenizer, folder=Path()):
    return wrapper_of(model)(model, tokenizer, id="test", hash="0", folder=folder, device=CPU)


@pytest.fixture(scope="module")
def gpt(tokenizer):
    size = tokenizer.backend.get_vocab_size()
    return ready(lively(Gpt(GptConfig(size, 32, 2, 2, 64, 40))), tokenizer)


@pytest.fixture(scope="module")
def translator(tokenizer):
    size = tokenizer.backend.get_vocab_size()
    return ready(lively(Transformer(TransformerConfig(size, 32, 2, 2, 64, 40))), tokenizer)


def test_each_module_has_its_wrapper(gpt, translator):
    assert type(gpt) is type(translator) is LanguageModel
    assert wrapper_of(ViT(ViTConfig(16, 8, 16, 1, 2, 24))) is None


def test_texts_of_unequal_length_are_written_as_if_alone(gpt):
    texts = ["the cat", "一只猫坐", "two dogs ran far"]
    together = gpt.write(texts, max_tokens=12)
    assert together == [gpt.write([text], max_tokens=12)[0] for text in texts]
    assert len(set(together)) > 1


@pytest.mark.parametrize("settings", [{}, {"temperature": 1.0, "seed": 3}])
def test_the_pieces_of_a_stream_are_the_whole(gpt, settings):
    whole = gpt.write(["the cat"], max_tokens=20, **settings)[0]
    pieces = list(gpt.stream("the cat", max_tokens=20, **settings))
    assert "".join(pieces) == whole
    assert len(pieces) > 1


def test_it_stops_before_a_string(gpt):
    whole = gpt.write(["the cat"], max_tokens=20)[0]
    stop = whole[len(whole) // 2 :][:2]
    found = gpt.write(["the cat"], max_tokens=20, stop=["never said", stop])[0]
    assert found == whole[: whole.index(stop)]
    assert "".join(gpt.stream("the cat", max_tokens=20, stop=[stop])) == found


def test_a_choice_is_one_of_the_list(gpt, translator):
    choices = ["a cat", "a dog", "猫"]
    assert gpt.write(["the"], choices=choices)[0] in choices
    assert translator.write(["the cat"], to="zh", choices=choices, beams=3)[0] in choices
    chances = gpt.choose("the", choices)
    assert chances.shape == (3,)
    assert chances.sum() == pytest.approx(1)


def test_another_language_is_another_text(translator):
    chances = [translator.choose("the cat", ["a cat", "猫"], to=to) for to in ("en", "zh")]
    assert not np.allclose(chances[0], chances[1], rtol=1e-3, atol=0)
    with pytest.raises(ConfigError, match="does not write fr"):
        translator.write(["the cat"], to="fr")


def test_classes(tokenizer):
    size = tokenizer.backend.get_vocab_size()
    config = BertClassifierConfig(size, 32, 1, 2, 64, 40, labels=("bad", "good", "so-so"))
    model = ready(lively(BertClassifier(config)), tokenizer)
    assert isinstance(model, TextClassifier)
    chances = model.classify(TEXTS, batch_size=2)
    assert chances.shape == (3, 3)
    np.testing.assert_allclose(chances.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(chances[1], model.classify([TEXTS[1]])[0], rtol=1e-4)
    assert model.classify([]).shape == (0, 3)


@pytest.mark.parametrize("text", ["\ud800", "\x00\x1b[31m", "👩‍👩‍👧", "é\u0301" * 5])
def test_texts_that_break_others(gpt, text):
    assert isinstance(gpt.write([text], max_tokens=3)[0], str)


def test_what_cannot_be_is_named(gpt, tokenizer):
    with pytest.raises(ConfigError, match=r"prompt has \d+ tokens; the model reads 40"):
        gpt.write(["the cat " * 50])
    with pytest.raises(ConfigError, match="list of strings"):
        gpt.write("the cat")
    with pytest.raises(ConfigError, match="colour"):
        gpt.write(["a"], colour=1)
    with pytest.raises(ConfigError, match="temperature"):
        gpt.write(["a"], temperature=-1.0)
    with pytest.raises(ConfigError, match="translators"):
        gpt.write(["a"], to="zh")
    with pytest.raises(NotSupportedError, match="no tokenizer"):
        ready(gpt.model, None).write(["a"])
    letters = Tokenizer(characters(TEXTS), 40)
    with pytest.raises(ConfigError, match="empty prompt"):
        ready(lively(Gpt(GptConfig(40, 32, 1, 2, 64, 40))), letters).write([""])


def test_an_export_is_loaded_by_transformers(gpt, tmp_path):
    import transformers

    gpt.export(tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    tokens = torch.tensor([gpt.tokenizer.encode("the cat sat")])
    with torch.no_grad():
        torch.testing.assert_close(theirs(tokens).logits, gpt.model(tokens))
    assert theirs.config.eos_token_id == gpt.tokenizer.end
    read = transformers.AutoTokenizer.from_pretrained(tmp_path)
    wanted = gpt.tokenizer(["the 猫"])[0][0].tolist()
    assert read("the 猫")["input_ids"] == wanted


def test_a_folder_of_transformers_is_loaded_with_its_tokenizer(gpt, tmp_path):
    import polysee

    gpt.export(tmp_path)
    loaded = polysee.load(tmp_path)
    assert isinstance(loaded, LanguageModel)
    assert loaded.write(["the cat"], max_tokens=8) == gpt.write(["the cat"], max_tokens=8)
    with pytest.raises(NotSupportedError, match="not a model of pictures"):
        loaded.embed_text(["a"])
    with pytest.raises(AttributeError, match="colour"):
        _ = loaded.colour


@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_auto_takes_eight_bits_and_choose_stays_exact(tokenizer, monkeypatch):
    monkeypatch.setattr("polysee.inference.language._WORTH_COMPILING", 0)
    size = tokenizer.backend.get_vocab_size()
    model = lively(Gpt(GptConfig(size, 32, 2, 2, 64, 40)))
    about = {"id": "test", "hash": "0", "folder": Path(), "device": CPU}
    auto, exact = (LanguageModel(model, tokenizer, **about, dtype=d) for d in ("auto", "float32"))
    assert exact._fast is None
    assert auto._fast is not None
    with torch.inference_mode():
        guesses = [
            m._writer(["the cat", "一只猫坐"], None, fast=True).begin() for m in (auto, exact)
        ]
    assert torch.nn.functional.cosine_similarity(*guesses).min() > 0.999
    assert len(auto.write(["the cat"], max_tokens=4)) == 1
    np.testing.assert_array_equal(auto.choose("the", ["a", "b"]), exact.choose("the", ["a", "b"]))
