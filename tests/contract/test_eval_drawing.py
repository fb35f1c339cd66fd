"""`polysee eval drawing`, as a script outside the project uses it; drawer and judge are tiny and know nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from polysee.checkpoints.folder import TOKENIZER, Card, save_folder
from polysee.datasets.scenes import KINDS, scene_of, scenes_of
from polysee.datasets.scenes_truth import COLOUR_NAMES, CONCEPTS, FEELINGS, NOT_ASKED, truth_of
from polysee.datasets.scenes_words import LANGUAGES, describe
from polysee.errors import CheckpointError, ConfigError
from polysee.evaluation.drawing import (
    _FIRST_SEED,
    _SEEDS,
    _asked,
    _marks,
    _questions,
    evaluate_drawing,
)
from polysee.inference import load
from polysee.inference.judging import SceneJudge
from polysee.inputs.pixels import PixelRecipe
from polysee.inputs.tokenizer import Tokenizer, train_bpe
from polysee.models.dalle import Dalle, DalleConfig
from polysee.models.dvae import DvaeConfig
from polysee.models.judge import Judge, JudgeConfig
from polysee.training.judging import Judged

FIGURES = {"present", "attribute", "relation"}
ROWS = {"single", "likely", "best", "oracle", "true", "reconstructed"}


@pytest.fixture(scope="module")
def judge_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny-judge"
    torch.manual_seed(0)
    config = JudgeConfig(CONCEPTS, COLOUR_NAMES, FEELINGS, KINDS, 48, 4, 16, 1)
    save_folder(folder, Judge(config), Card(PixelRecipe(48), licence="Apache-2.0"), half=False)
    return folder


@pytest.fixture(scope="module")
def drawer_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny-drawer"
    torch.manual_seed(0)
    told = [describe(scene_of("validation", i), LANGUAGES[i % 2], i, 1.0) for i in range(60)]
    tokenizer = Tokenizer(train_bpe(told, 600), context_length=40)
    sizes = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "mlp_size": 32}
    config = DalleConfig(
        DvaeConfig(32, 4, 16, 1, (4, 3, 3)), tokenizer.backend.get_vocab_size(), 40, **sizes
    )
    save_folder(folder, Dalle(config), Card(PixelRecipe(32), licence="Apache-2.0"), half=False)
    tokenizer.save(folder / TOKENIZER)
    return folder


@pytest.mark.parametrize(("lang", "example"), [("en", "Example"), ("zh", "例子")])
def test_it_helps_with_an_example(polysee, lang, example):
    done = polysee("eval", "drawing", "--help", "--lang", lang)
    assert done.code == 0
    assert example in done.out
    for option in ("--prompts", "--of", "--seed", "--languages", "--judge", "--json"):
        assert option in done.out


def test_the_keys_that_scripts_rely_on(polysee, drawer_folder, judge_folder):
    asked = [
        "eval", "drawing", "--model", drawer_folder, "--judge", judge_folder,
        "--prompts", "4", "--of", "2",
    ]  # fmt: skip
    done = polysee(*asked, "--json")
    assert done.code == 0
    found = done.document
    assert set(found) == ROWS | {
        "by_language",
        "judge",
        "count",
        "too_long",
        "of",
        "intervals",
        "reranker",
    }
    assert (found["count"], found["of"]) == (4, 2)
    assert found["too_long"] >= 0
    assert set(found["by_language"]) == {"english", "chinese"}
    assert {"present", "yes", "no", "relation"} <= set(found["judge"])
    for row in ROWS:
        assert set(found[row]) == set(found["intervals"][row]) == FIGURES
        for key, share in found[row].items():
            interval = found["intervals"][row][key]
            assert 0 <= interval["low"] <= share + 1e-9  # but for rounding
            assert share - 1e-9 <= interval["high"] <= 1
    assert found["oracle"]["present"] >= found["single"]["present"]
    assert polysee(*asked, "--json").document == found
    assert found["reranker"] == "polysee/scene-matcher"
    for lang, words in (("en", "by the reranker"), ("zh", "重排")):
        assert words in polysee(*asked, "--lang", lang).out


def test_what_was_not_asked_has_no_figure_and_who_put_them_in_order_is_said(
    drawer_folder, judge_folder
):
    drawer, judging = load(drawer_folder), load(judge_folder)
    found = evaluate_drawing(drawer, judging, prompts=1, of=1, seed=_without_attributes())
    assert found.single["attribute"] is None
    assert found.reranker is None
    assert found.best == found.likely


def _without_attributes():
    """A seed whose first scene asks for no colour and no number."""
    for seed in range(50):
        scene = scene_of("validation", _FIRST_SEED + seed * _SEEDS)
        if not any(thing.colour or thing.count > 1 for thing in scene.things):
            return seed
    raise AssertionError("all ask for some")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--languages", "en,fr"], "unknown language 'fr'"),
        (["--languages", "en,en"], "each once"),
        (["--model", "polysee/align-nano"], "does not draw"),
        (["--judge", "polysee/align-nano"], "does not judge"),
    ],
)
def test_what_is_wrong_is_said(polysee, drawer_folder, judge_folder, options, reason):
    models = ["--model", drawer_folder, "--judge", judge_folder]
    done = polysee("eval", "drawing", "--prompts", "1", *models, *options, "--json")
    assert done.code == 2
    assert reason in done.document["error"]


def test_prompts_that_cannot_be_read_are_counted_from_the_first(
    drawer_folder, judge_folder, monkeypatch
):
    drawer = load(drawer_folder)
    read: list[str] = []

    def can_read(prompt, style=None):
        read.append(prompt)
        return len(set(read)) > 25  # more than there are ways to say the first

    monkeypatch.setattr(drawer, "can_read", can_read)
    asked = _asked(drawer, "validation", 0, ["english"])
    passed = asked[0].seed
    assert passed > 0
    read.clear()
    found = evaluate_drawing(drawer, load(judge_folder), prompts=1, of=1)
    assert found.too_long > 0


def test_training_is_no_test(drawer_folder, judge_folder):
    with pytest.raises(ConfigError, match="training"):
        evaluate_drawing(load(drawer_folder), load(judge_folder), prompts=1, split="training")


def test_a_judge_of_another_world_is_refused(tmp_path):
    config = JudgeConfig(("dog", "cat"), COLOUR_NAMES, FEELINGS, KINDS, 48, 4, 16, 1)
    save_folder(tmp_path, Judge(config), Card(PixelRecipe(48)), half=False)
    with pytest.raises(CheckpointError, match="other things"):
        load(tmp_path)


class Oracle(SceneJudge):
    """A judge that knows the truth, but for what a test spoils."""

    def __init__(self, scenes):
        self.truth = truth_of(scenes)

    def judge(self, pictures, concept):
        there = np.ones_like(concept, bool)
        colour = self.truth.colour.copy()
        there[0, 0] = False  # the first picture lacks its first thing
        colour[1] = np.where(colour[1] == NOT_ASKED, colour[1], (colour[1] + 1) % 11)
        t = self.truth
        return Judged(there, colour, t.count, t.size, t.feeling, t.relation)


def test_an_attribute_counts_only_where_its_thing_is_there():
    every = scenes_of("validation", range(400))
    two = [s for s in every if len(s.things) == 2 and s.relations]
    coloured = [s for s in two if s.things[0].colour and s.things[1].colour][:2]
    marks = _marks(Oracle(coloured), coloured, np.zeros((2, 48, 48, 3), np.uint8))
    found = _questions(marks)
    assert found["present"].tolist() == [False, True]
    assert marks[0].attribute[:2].tolist() == [False, True]
    assert marks[1].attribute[:2].tolist() == [False, False]
    assert found["relation"].tolist() == [False, True]
    assert len(marks[0].attribute) == sum(1 + (thing.count > 1) for thing in coloured[0].things)
