"""Which words are about which thing: the sentences stay what they are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from polysee.datasets.scenes import Background, scene_of
from polysee.datasets.scenes_spans import describe_with_owners
from polysee.datasets.scenes_things import concepts
from polysee.datasets.scenes_words import LANGUAGES, describe

SEEDS = range(150)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("detail", [0.5, 1.0])
def test_sentences_are_the_same_to_the_letter(language, detail):
    for seed in SEEDS:
        scene = scene_of("training", seed)
        text, owners = describe_with_owners(scene, language, seed, detail)
        assert text == describe(scene, language, seed, detail)
        assert len(owners) == len(text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_thing_is_named_in_its_own_words(language):
    for seed in SEEDS:
        scene = scene_of("training", seed)
        text, owners = describe_with_owners(scene, language, seed, 1.0)
        assert set(owners) - {-1} == set(range(len(scene.things)))
        for index, thing in enumerate(scene.things):
            said = "".join(c for c, owner in zip(text, owners, strict=True) if owner == index)
            concept = concepts()[thing.concept]
            names = [
                name
                for word in (concept.english if language == "english" else concept.chinese)
                for name in ((word.one, word.many) if language == "english" else (word.word,))
            ]
            assert any(name in said for name in names), (said, names)


def test_the_ground_may_be_left_out_of_sentences_that_tell_all_else():
    for seed in range(60):
        scene = scene_of("training", seed)
        elsewhere = replace(scene, background=Background("beach"))
        for language in LANGUAGES:
            said = describe_with_owners(elsewhere, language, seed, 1.0, ground=False)[0]
            snow = replace(scene, background=Background("snow"))
            assert said == describe_with_owners(snow, language, seed, 1.0, ground=False)[0]
            assert said != describe_with_owners(elsewhere, language, seed, 1.0)[0]
