"""Praise and blame: what is said, how sure it is, by which words; and what a command line makes of it."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

import polysee as package
from polysee.apps.sentiment import read_sentiment
from polysee.checkpoints.folder import TOKENIZER, Card, save_folder
from polysee.errors import NotSupportedError, QueryError
from polysee.explain.words import MOST_PIECES, PIECE_WORDS, word_spans, word_weights
from polysee.inputs.tokenizer import train_bpe
from polysee.models.bert import BertClassifier, BertClassifierConfig

PRAISE, BLAME = "lovely", "awful"


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """A BERT whose every token that is in `PRAISE` speaks for positive, in `BLAME` against; it never attends wrongly.

    Its one block attends evenly to all tokens, and passes on the first two numbers of their vectors.
    """
    texts = [f"the room is {PRAISE} and {BLAME}", *"房间 很 干净 服务 太差".split()] * 20
    backend = train_bpe(texts, 400)
    config = BertClassifierConfig(backend.get_vocab_size(), 8, 1, 1, 8, 40, dropout=0.0)
    model = BertClassifier(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for norm in (m for m in model.modules() if isinstance(m, torch.nn.LayerNorm)):
            norm.weight.fill_(1.0)
        token = model.bert.embeddings.token.weight
        token[:, 2] = 1.0
        for word, place in ((PRAISE, 0), (BLAME, 1), ("干净", 0), ("太差", 1)):
            for number in backend.encode(word, add_special_tokens=False).ids:
                token[number] = 0.0
                token[number, place] = 1.0
        block = model.bert.blocks[0]
        block.attention.value.weight.copy_(torch.eye(8))
        block.attention.output.weight.copy_(4 * torch.eye(8))
        model.bert.pooler.weight.copy_(torch.eye(8))
        model.classifier.weight[1, :2] = torch.tensor([20.0, -20.0])
    home = tmp_path_factory.mktemp("judge")
    save_folder(home, model, Card(unsure_below=0.7), half=False)
    backend.save(str(home / TOKENIZER))
    return home


def test_praise_blame_and_neither(judge):
    found = [
        read_sentiment(text, model=str(judge))
        for text in ("a lovely room", "an awful room", "a room", "房间很干净", "服务太差")
    ]
    assert [one.label for one in found] == [
        "positive",
        "negative",
        "unsure",
        "positive",
        "negative",
    ]
    assert all(one.probability >= 0.7 for one in found if one.label != "unsure")
    assert found[2].probability == max(found[2].chances.values()) < 0.7
    assert sum(found[0].chances.values()) == pytest.approx(1)


def test_the_words_that_carried_it(judge):
    found = read_sentiment("The room is lovely, not awful! 干净", model=str(judge))
    weights = {word.text: word.weight for word in found.words}
    assert list(weights) == ["The", "room", "is", "lovely", "not", "awful", "!", "干净"]
    plain = max(abs(weights[word]) for word in ("The", "room", "is", "not", "!"))
    assert weights["lovely"] > 1.2 * plain
    assert weights["干净"] > 1.2 * plain
    assert weights["awful"] < -1.2 * plain
    # Left out, a word takes its weight with it: that is what the weight is.
    model = package.load(judge)
    odds = [np.log(c[1] / c[0]) for c in model.classify(["a lovely room", "a  room"])]
    (lovely,) = (w for w in word_weights(model, "a lovely room", 1) if w.text == "lovely")
    assert lovely.weight == pytest.approx(odds[0] - odds[1], abs=1e-4)


def test_where_words_stand(judge):
    text = "It's so-so：房间abc很大?"
    spans = word_spans(package.load(judge), text)
    words = [text[start:end] for start, end in spans]
    assert words[:2] == ["It's", "so-so"]
    assert "".join(words[2:]) == "房间abc很大?"
    assert "abc" in words
    assert words[-1] == "?"


def test_a_long_text_is_read_to_its_end(judge):
    model = package.load(judge)
    length = model.tokenizer.context_length
    filler = "the room is the room " * length
    found = read_sentiment(filler + "awful " * 3 * length, model=str(judge))
    assert found.label == "negative"
    words = word_weights(model, f"{filler * 3} awful", 0)
    assert len(words) > PIECE_WORDS * MOST_PIECES
    assert max(words, key=lambda word: word.weight).text == "awful"
    # Of windows as long as each other, the mean.
    size = length - 2
    encode = model.tokenizer.encode
    word = next(w for w in ("awful", " awful") if len(encode(w, begin=False)) == 1)
    one, other = (f"{w} " * size for w in (word.strip(), "room"))
    assert len(encode(one + other, begin=False)) == len(encode(one + one, begin=False))
    both, first, second = model.logits([one + other, one, other])
    torch.testing.assert_close(both, (first + second) / 2, atol=0.05, rtol=0.01)


@pytest.mark.parametrize("text", ["", "  \n\t", "\u3000", "\x00\x1b", "\ud800"])
def test_no_text_is_an_error(judge, text):
    with pytest.raises(QueryError, match="the text is empty"):
        read_sentiment(text, model=str(judge))


@pytest.mark.parametrize("odd", ["\ud800", "\x00", "\x1b[31m", "\u202e", "👩‍👩‍👧", "\U000e0001"])
def test_odd_characters_change_no_verdict(judge, odd, polysee):
    text = f"a lovely{odd} room"
    assert read_sentiment(text, model=str(judge)).label == "positive"
    done = polysee("sentiment", text, "--model", judge)
    assert done.code == 0
    assert "\x1b[31m" not in done.out
    assert "\x00" not in done.out
    done = polysee("sentiment", text, "--model", judge, "--json")
    assert "".join(word for word, _ in done.document["words"]).startswith("alovely")


def test_the_command(judge, polysee):
    done = polysee("sentiment", "a", "lovely", "room", "--model", judge, "--json")
    assert done.code == 0
    assert done.document["label"] == "positive"
    assert 0.7 <= done.document["probability"] <= 1
    words = dict(done.document["words"])
    assert max(words, key=words.get) == "lovely"
    done = polysee("sentiment", "a lovely room", "--model", judge)
    assert done.out.splitlines()[0].startswith("positive  ")
    assert done.out.splitlines()[1] == "a lovely room"
    done = polysee("sentiment", "a room", "--model", judge, "--lang", "zh")
    assert done.out.startswith("不确定")


def test_words_are_coloured_for_a_person(judge):
    from polysee.cli.sentiment import coloured

    text = "a lovely awful room"
    shown = coloured(text, read_sentiment(text, model=str(judge)))
    styles = {shown.plain[span.start : span.end]: str(span.style) for span in shown.spans}
    assert shown.plain == text
    assert "green" in styles["lovely"]
    assert "red" in styles["awful"]
    assert "room" not in styles


def test_the_command_says_what_is_wrong(judge, language_models, tmp_path, polysee):
    done = polysee("sentiment", "", "--model", judge, "--json")
    assert done.code == 2
    assert "the text is empty" in done.document["error"]
    done = polysee("sentiment", "", "--model", judge, "--lang", "zh")
    assert "文字是空的" in done.err
    done = polysee("sentiment", "good", "--model", language_models / "gpt")
    assert done.code == 2
    assert "does not sort texts" in done.err
    done = polysee("sentiment", "good", "--model", tmp_path / "absent")
    assert done.code == 2
    with pytest.raises(NotSupportedError):
        read_sentiment("good", model="polysee/align-nano")


def test_eval_classify(judge, reviews, polysee, tmp_path):
    done = polysee(
        "eval", "classify", "--data", reviews / "test.parquet", "--text", "text", "--label", "label",
        "--model", judge, "--json",
    )  # fmt: skip
    assert done.code == 0
    found = done.document
    assert found["count"] == 60
    assert 0 <= found["ece"] <= 1
    assert np.array(found["confusion"]).sum() == 60
    assert found["accuracy"] == np.trace(found["confusion"]) / 60
    model = package.load(judge)
    table = pq.read_table(reviews / "test.parquet").to_pydict()
    right = model.classify(table["text"]).argmax(1) == np.array(table["label"])
    assert found["accuracy"] == right.mean()
    assert found["answered"] < 1
    for bad, said in (
        (["--data", tmp_path / "absent.parquet"], "no such data set"),
        (["--data", reviews / "test.parquet", "--label", "stars"], "no column stars"),
        (["--data", reviews / "test.parquet", "--label", "mark"], "none of the labels"),
    ):
        done = polysee("eval", "classify", *bad, "--model", judge)
        assert done.code == 2
        assert said in done.err


@pytest.mark.filterwarnings("ignore:::lightning")
def test_finetune_lm(language_models, reviews, polysee, tmp_path):
    done = polysee(
        "finetune", "lm", "--model", language_models / "bert", "--data", reviews / "train.parquet",
        "--task", "classify", "--out", tmp_path / "out", "--test", reviews / "test.parquet",
        "--epochs", "2", "--json",
    )  # fmt: skip
    assert done.code == 0
    found = done.document
    assert found["count"] == 60
    assert found["labels"] == ["negative", "positive"]
    assert found["gain"] == pytest.approx(found["after"]["accuracy"] - found["before"]["accuracy"])
    assert (tmp_path / "out" / "report.html").exists()
    json.dumps(found)
    for bad, said in (
        (["--data", tmp_path / "absent.parquet"], "no such data set"),
        (["--data", reviews / "train.parquet", "--text", "words"], "no column words"),
    ):
        done = polysee(
            "finetune", "lm", "--model", language_models / "bert", "--task", "classify",
            "--out", tmp_path / "other", *bad,
        )  # fmt: skip
        assert done.code == 2
        assert said in done.err
