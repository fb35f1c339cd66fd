"""Names put into sentences, and the sentences' vectors made one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from polysee.errors import ConfigError
from polysee.inputs import prompts


def letters(texts: Sequence[str]) -> np.ndarray:
    """A text function that can be checked by hand: counts of letters, of unit length."""
    counts = np.zeros((len(texts), 64), dtype=np.float32)
    for row, text in enumerate(texts):
        for letter in text:
            counts[row, ord(letter) % 64] += 1
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("cat", True),
        ("tv monitor", True),
        ("giant panda", True),
        ("a cat sitting on a sofa", False),
        ("", False),
        ("猫", True),
        ("笔记本电脑", True),
        ("一只坐在沙发上的猫", False),
        ("站着的人", False),
    ],
)
def test_a_name_is_told_from_a_sentence(text: str, name: bool) -> None:
    assert prompts.is_name(text) is name


def test_every_name_is_met_in_its_own_language() -> None:
    assert all(prompts.is_chinese(text) for text in prompts.sentences("猫"))
    assert not any(prompts.is_chinese(text) for text in prompts.sentences("cat"))
    assert prompts.sentences("cat", ["一张{}的照片", "my {}"]) == ["my cat"]
    assert prompts.sentences("cat", ["一张{}的照片"]) == ["一张cat的照片"]
    assert prompts.sentences("猫", ["{}", "a {}"]) == ["猫"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("apple", "a photo of an apple"), ("a dog", "a photo of a dog"), ("dog", "a photo of a dog")],
)
def test_articles_come_out_right(name: str, sentence: str) -> None:
    assert prompts.sentences(name, ["a photo of a {}"]) == [sentence]


def test_a_template_without_a_place_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no \{\}"):
        prompts.sentences("cat", ["a photo"])


def test_a_name_is_the_mean_of_its_sentences() -> None:
    names = ["cat", "狗", "apple"]
    vectors = prompts.embed_names(letters, names)
    assert vectors.dtype == np.float32
    for name, vector in zip(names, vectors, strict=True):
        mean = letters(prompts.sentences(name)).mean(axis=0)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), rtol=1e-5, atol=1e-6)


def test_no_names_give_no_vectors() -> None:
    assert prompts.embed_names(letters, []).shape == (0, 64)


def test_given_templates_replace_the_own_ones() -> None:
    own = prompts.embed_names(letters, ["cat"], ["{} {}"])[0]
    np.testing.assert_allclose(own, letters(["cat cat"])[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "chinese"),
    [("猫", True), ("a 猫", True), ("cat", False), ("", False), ("こ", False), ("。", False)],
)
def test_chinese_is_known_by_its_characters(text, chinese):
    assert prompts.is_chinese(text) is chinese
