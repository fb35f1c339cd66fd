"""Words that mean the same: lines as CC-CEDICT writes them, and how common words are."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from polysee.datasets import dictionary
from polysee.datasets.dictionary import meanings, translations, word_pairs

LINES = [
    "# CC-CEDICT",
    "刺蝟 刺猬 [ci4 wei5] /hedgehog/",
    "海馬 海马 [hai3 ma3] /sea horse/(anatomy) hippocampus/",
    "企鵝 企鹅 [qi3 e2] /a penguin; an auk/CL:隻|只[zhi1]/",
    "馬 马 [Ma3] /surname Ma/",
    "馬 马 [ma3] /horse/to be on the horse side of a very long matter/",
    "猬 猬 [wei4] /(bound form) hedgehog/",
    "思想 思想 [si1 xiang3] /thought/",
    "吊扇 吊扇 [diao4 shan4] /a ceiling fan/",
    "not an entry",
]


def test_an_entry_gives_what_means_just_the_word():
    found = translations(LINES)
    assert found["hedgehog"] == ["刺猬"]
    assert found["sea horse"] == found["hippocampus"] == ["海马"]
    assert found["penguin"] == found["auk"] == ["企鹅"]
    assert found["ceiling fan"] == ["吊扇"]
    assert ("surname ma", "马") not in list(meanings(LINES))


@pytest.fixture
def frequencies(monkeypatch):
    """All that one sees is rare, and so is thought; 企鹅 nobody writes."""
    chinese = {"刺猬": 3.0, "马": 5.0, "思想": 3.0, "吊扇": 2.1, "海马": 1.0}
    package = SimpleNamespace(
        get_frequency_dict=lambda language: {w: 10 ** (zipf - 9) for w, zipf in chinese.items()},
        zipf_frequency=lambda word, language: 3.0,
    )
    monkeypatch.setattr(dictionary, "word_frequencies", lambda: package)
    monkeypatch.setattr(dictionary, "dictionary_lines", lambda: LINES)


def test_pairs_are_of_common_words_and_of_rarer_ones_for_what_one_can_see(frequencies):
    seen = {"hedgehog", "horse", "sea horse", "fan", "penguin"}
    wordnet = SimpleNamespace(senses={*seen, "thought"}, is_seen=lambda word: word in seen)
    assert word_pairs(wordnet) == [("hedgehog", "刺猬"), ("horse", "马"), ("ceiling fan", "吊扇")]


def test_a_missing_dictionary_is_named(monkeypatch):
    monkeypatch.setattr(dictionary, "files", lambda name: [])
    with pytest.raises(dictionary.DataError, match="CC-CEDICT"):
        dictionary.dictionary_lines()
