"""Names of things: a small WordNet in its own file format."""

from __future__ import annotations

import numpy as np
import pytest

from polysee.datasets.wordnet import Likeness, WordNet
from polysee.errors import DataError

# number, file of nouns (wndb(5WN)), words, numbers of broader meanings
MEANINGS = [
    ("00000001", 3, ["entity"], []),
    ("00000002", 5, ["animal"], ["00000001"]),
    ("00000003", 5, ["antelope"], ["00000002"]),
    ("00000004", 5, ["gazelle"], ["00000003"]),
    ("00000005", 5, ["gerenuk"], ["00000003"]),
    ("00000006", 6, ["crane"], ["00000001"]),
    ("00000007", 5, ["crane", "big_bird"], ["00000002"]),
    ("00000008", 7, ["beauty"], ["00000001"]),
    ("00000009", 15, ["spring"], ["00000001"]),
    ("00000010", 7, ["spring"], ["00000001"]),
    ("00000011", 6, ["spring"], ["00000001"]),
]
SENSES = {
    "entity": [1], "animal": [2], "antelope": [3], "gazelle": [4], "gerenuk": [5], "crane": [6, 7],
    "big_bird": [7], "beauty": [8], "spring": [9, 10, 11],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    lines = ["  1 This is where the licence stands."]
    for number, file, words, broader in MEANINGS:
        named = " ".join(f"{word} 0" for word in words)
        pointers = " ".join(f"@ {above} n 0000" for above in broader)
        fields = [number, f"{file:02}", "n", f"{len(words):02x}", named, f"{len(broader):03}"]
        lines.append(" ".join([*fields, pointers]) + " | what it means; @ 00000008 n 0000")
    (tmp_path / "data.noun").write_text("\n".join(lines))
    (tmp_path / "index.noun").write_text(
        "  1 This is where the licence stands.\n"
        + "\n".join(
            f"{word} n {len(of)} 1 @ {len(of)} 0 " + " ".join(f"{one:08}" for one in of) + "  "
            for word, of in SENSES.items()
        )
    )
    return tmp_path


def test_words_for_things_are_those_whose_commoner_meanings_are_things(folder):
    things = WordNet(folder).things()
    assert set(things) == {"animal", "antelope", "gazelle", "gerenuk", "crane", "big bird"}
    assert things["crane"] == ("00000006", "00000007")


def test_a_meaning_belongs_to_every_broader_one(folder):
    kinds = WordNet(folder).kinds_of("00000005")
    assert kinds == {"00000005", "00000003", "00000002", "00000001"}


def test_likeness_is_that_of_the_narrowest_common_kind(folder):
    wordnet = WordNet(folder)
    likeness = Likeness(wordnet, ["00000004", "00000007", "00000006"])  # gazelle, bird, machine
    gerenuk = likeness(["00000005"])
    antelope, leaf = wordnet.information["00000003"], wordnet.information["00000005"]
    assert leaf == 1.0  # nothing is below it
    assert np.isclose(gerenuk[0], 2 * antelope / (1 + 1))
    assert gerenuk[0] > gerenuk[1] > gerenuk[2]
    assert np.allclose(likeness(["00000004"])[0], 1)


def test_a_word_is_as_like_as_its_likest_meaning(folder):
    likeness = Likeness(WordNet(folder), ["00000007", "00000006"])
    assert np.allclose(likeness(["00000006", "00000007"]), 1)


def test_a_missing_database_is_named(tmp_path):
    with pytest.raises(DataError, match="wordnet-base"):
        WordNet(tmp_path / "nowhere")


def test_what_one_can_see_is_a_thing_a_person_or_a_phenomenon(folder):
    wordnet = WordNet(folder)
    assert [wordnet.is_seen(word) for word in ("crane", "beauty", "spring")] == [True, False, True]
