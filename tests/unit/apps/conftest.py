"""A tiny language of praise and blame, and a tiny BERT and GPT that read it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from polysee.checkpoints.folder import TOKENIZER, Card, save_folder
from polysee.inputs.vocabularies import train_language_bpe
from polysee.models.bert import BertClassifier, BertClassifierConfig
from polysee.models.gpt import Gpt, GptConfig

GOOD, BAD = ("good", "lovely", "很好", "干净"), ("awful", "dirty", "很差", "太吵")
THINGS = ("the room", "the food", "房间", "服务")


def review(draw: np.random.Generator) -> tuple[str, int]:
    """A thing, and two words that praise or blame it."""
    label = int(draw.integers(2))
    words = (BAD, GOOD)[label]
    return f"{draw.choice(THINGS)} {draw.choice(words)} {draw.choice(words)}", label


@pytest.fixture(scope="session")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`train.parquet`, `test.parquet`, with labels 0 and 1 and, in `mark`, by name; `texts.txt`."""
    home = tmp_path_factory.mktemp("reviews")
    draw = np.random.default_rng(0)
    for name, count in (("train", 80), ("test", 60)):
        texts, labels = zip(*(review(draw) for _ in range(count)), strict=True)
        marks = [("bad", "fine")[label] for label in labels]
        table = pa.table({"text": texts, "label": labels, "mark": marks})
        pq.write_table(table, home / f"{name}.parquet")
    lines = [review(draw)[0] for _ in range(200)]
    (home / "texts.txt").write_text("\n".join(lines), encoding="utf-8")
    return home


@pytest.fixture(scope="session")
def language_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `bert`, which sorts by chance into negative and positive, and `gpt`, which writes by chance."""
    home = tmp_path_factory.mktemp("language-models")
    draw = np.random.default_rng(1)
    backend = train_language_bpe([review(draw)[0] for _ in range(200)], 330)
    size = backend.get_vocab_size()
    torch.manual_seed(0)
    models = {
        "bert": BertClassifier(BertClassifierConfig(size, 32, 1, 2, 64, 24, dropout=0.0)),
        "gpt": Gpt(GptConfig(size, 32, 1, 2, 64, 24, dropout=0.0)),
    }
    for name, model in models.items():
        save_folder(home / name, model, Card(origin="drawn", unsure_below=0.6), half=False)
        backend.save(str(home / name / TOKENIZER))
    return home
