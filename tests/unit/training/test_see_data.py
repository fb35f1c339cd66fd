"""What a step of alignment looks at, on a handful of pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from polysee.datasets.pictures import Captioned
from polysee.training.see_data import SaidTexts, TeacherReader, random_maps, text_batch


@pytest.fixture
def pictures():
    return [
        Captioned(b"", ("a cat", "one cat"), ("猫",), "a", True),
        Captioned(b"", ("a dog",), (), "b", True),
        Captioned(b"", ("a cat",), ("一只猫",), "a", False),
        Captioned(b"", ("a red car", "a car"), ("汽车",), "c", True),
    ]


class Words:
    """Reads a text as its number in a list; two texts are alike where their last words are."""

    def __init__(self, texts):
        self.texts = texts

    def read(self, texts):
        return torch.tensor([self.texts.index(text) for text in texts])

    def encode(self, read):
        return read

    def alike(self, read, owners, pictures):
        last = [self.texts[i].split()[-1] for i in read]
        found = torch.zeros(pictures, len(read), dtype=torch.bool)
        for place, owner in enumerate(owners):
            for column, word in enumerate(last):
                found[owner, column] |= word == last[place]
        return found


def batch_of(pictures, language, rows, sizes):
    groups = np.array([0, 1, 0, 2])
    said = SaidTexts(pictures, language, groups)
    reader = Words(said.texts)
    draw = np.random.default_rng(0)
    return said, text_batch(said, reader, np.array(rows), groups, sizes, draw)


def test_texts_belong_to_their_group(pictures):
    said, batch = batch_of(pictures, "english", [0, 1, 3], (2, 5))
    texts = [said.texts[i] for i in batch["read"]]
    assert len(texts) == 11
    assert set(texts[:2]) <= {"a cat", "one cat"}
    assert texts[2:4] == ["a dog", "a dog"]
    for row, word in enumerate(("cat", "dog", "car")):
        assert batch["right"][row].tolist() == [text.endswith(word) for text in texts]
        assert batch["kept"][row].all()


def test_a_picture_without_sentences_has_none_of_its_own(pictures):
    said, batch = batch_of(pictures, "chinese", [1, 0], (1, 2))
    texts = [said.texts[i] for i in batch["read"]]
    assert texts[0] == "猫"
    assert sorted(texts[1:]) == ["汽车", "猫"]
    assert not batch["right"][0].any()


def test_what_is_alike_is_not_held_against_a_picture(pictures):
    pictures[3] = Captioned(b"", ("a big dog",), (), "c", True)
    said, batch = batch_of(pictures, "english", [1], (1, 4))
    texts = [said.texts[i] for i in batch["read"]]
    assert "a big dog" in texts
    column = texts.index("a big dog")
    assert not batch["right"][0, column]
    assert not batch["kept"][0, column]
    assert batch["kept"][0, [text.endswith("cat") for text in texts]].all()


def test_the_teacher_finds_paraphrases_alike():
    reader = TeacherReader.__new__(TeacherReader)  # without the teacher: its vectors are given
    read = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.95, 0.05], [0.6, 0.6]])
    read = torch.nn.functional.normalize(read, dim=1)
    found = reader.alike(read, torch.tensor([0, 1]), 2)
    assert found.tolist() == [[True, False, True, False], [False, True, False, False]]


def test_views_of_maps_are_parts_of_them_perhaps_mirrored():
    maps = np.arange(2 * 3 * 6 * 6 * 1, dtype=np.float32).reshape(2, 3, 6, 6, 1)
    seen = set()
    for seed in range(40):
        view = random_maps(maps, np.array([1, 0]), np.random.default_rng(seed)).numpy()[:, 0]
        assert view.shape[0] == 2
        assert 4 <= view.shape[1] <= 6
        assert 4 <= view.shape[2] <= 6
        for row, part in zip((1, 0), view, strict=True):
            assert np.isin(part, maps[row]).all()
            steps = np.unique(np.diff(part, axis=1))
            assert len(steps) == 1
            assert abs(steps[0]) == 1
            seen.add((view.shape[1:], float(steps[0])))
    assert len(seen) > 8
