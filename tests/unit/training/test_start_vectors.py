"""Token vectors from a bilingual model: near in meaning is near in space, whatever the language."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from polysee.checkpoints.bundled import BUNDLED
from polysee.errors import ConfigError
from polysee.inputs.vocabularies import train_language_bpe
from polysee.training.start_vectors import start_vectors

SENTENCES = ["the dog and a cat ate rice at school"] * 30 + ["狗猫米饭学校"] * 30
ALIGN = BUNDLED / "align-nano"


@pytest.fixture(scope="module")
def backend():
    words = [word for sentence in SENTENCES for word in (sentence, *sentence.split())]
    return train_language_bpe([*words, *["狗", "猫", "米饭", "学校"] * 40], 330)


@pytest.fixture(scope="module")
def vectors(backend):
    return start_vectors(ALIGN, backend, 48)


def test_every_token_has_a_vector_of_its_own(backend, vectors):
    assert vectors.shape == (backend.get_vocab_size(), 48)
    assert torch.isfinite(vectors).all()
    assert vectors.unique(dim=0).shape == vectors.shape
    assert vectors.norm(dim=1).mean().item() == pytest.approx(1, abs=0.1)


def test_words_of_one_meaning_are_nearest(backend, vectors):
    english = [backend.token_to_id(token) for token in ("Ġdog", "Ġcat", "Ġschool")]
    chinese = [backend.encode(text, add_special_tokens=False).ids for text in ("狗", "猫", "学校")]
    assert all(len(ids) == 1 for ids in chinese)
    columns = [ids[0] for ids in chinese]
    alike = F.normalize(vectors[english], dim=1) @ F.normalize(vectors[columns], dim=1).T
    assert alike.argmax(1).tolist() == [0, 1, 2]


def test_the_same_model_gives_the_same_vectors(backend, vectors):
    assert torch.equal(start_vectors(ALIGN, backend, 48), vectors)


def test_a_model_that_is_too_narrow_is_refused(backend):
    with pytest.raises(ConfigError, match="384 numbers, fewer than 400"):
        start_vectors(ALIGN, backend, 400)
