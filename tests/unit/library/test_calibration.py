"""Relevance, exclusion and the cut, in a small made world whose truth is known.

The world: 40 concepts as random directions; a picture is one or two of them and noise. Some pictures
are hubs, which lie near every text; some concepts are loud, which lie near every picture. Both fool a
flat cut on the cosine.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from polysee.checkpoints.background import unit
from polysee.errors import CheckpointError
from polysee.library.calibration import (
    EVIDENCE,
    JUDGED,
    Calibration,
    Judge,
    Sought,
    load_calibration,
)
from polysee.library.fitting import fit_evidence, fit_logistic, reliability
from polysee.library.ranking import keep_out, rank, seek

SIZE, CONCEPTS, BANK, PICTURES = 64, 40, 80, 600
KINDS = ("name", "sentence", "picture")


class World:
    """Texts, pictures, and which concepts (N, CONCEPTS) each picture shows."""

    def __init__(self, seed: int) -> None:
        self.draw = np.random.default_rng(seed)
        self.common = unit(self.draw.normal(size=SIZE))
        rare = unit(self.draw.normal(size=(CONCEPTS + BANK, SIZE)))
        loud = self.draw.uniform(0, 0.8, size=(CONCEPTS + BANK, 1))
        self.texts = unit(rare + loud * self.common).astype(np.float32)
        self.directions = rare
        self.vectors, self.truth = self.pictures(PICTURES, CONCEPTS)

    def pictures(self, count: int, concepts: int, start: int = 0) -> tuple[np.ndarray, np.ndarray]:
        truth = np.zeros((count, concepts), bool)
        truth[np.arange(count), self.draw.integers(concepts, size=count)] = True
        second = self.draw.random(count) < 0.4
        truth[np.flatnonzero(second), self.draw.integers(concepts, size=second.sum())] = True
        hub = self.draw.uniform(0, 1.2, size=(count, 1))
        noise = 0.6 * unit(self.draw.normal(size=(count, SIZE)))
        shown = truth.astype(float) @ self.directions[start : start + concepts]
        return unit(shown + hub * self.common + noise).astype(np.float32), truth

    def background(self) -> dict[str, np.ndarray]:
        bank = self.texts[CONCEPTS:]
        pictures, _ = self.pictures(300, BANK, CONCEPTS)
        names = {f"{kind}s_{language}": bank for kind in KINDS[:2] for language in ("en", "zh")}
        return {"pictures": pictures, **names}


def fitted(world: World) -> Calibration:
    """Fitted on the first half of the concepts; the second half is for the tests."""
    blank = Judge((0.0,) * len(EVIDENCE), 0.0)
    calibration = Calibration(dict.fromkeys(KINDS, blank), world.background())
    found = [
        calibration.evidence(world.vectors, world.vectors @ text, Sought(text, "cat"))
        for text in world.texts[: CONCEPTS // 2]
    ]
    truth = world.truth[:, : CONCEPTS // 2].T.ravel()
    weights, bias = fit_logistic(np.concatenate(found), truth)
    judge = Judge(tuple(weights.tolist()), bias, cut=0.4)
    return dataclasses.replace(calibration, judges=dict.fromkeys(KINDS, judge), absent=0.15)


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=1)


@pytest.fixture(scope="module")
def calibration(world: World) -> Calibration:
    return fitted(world)


HELD_OUT = range(CONCEPTS // 2, CONCEPTS)


def test_relevance_is_a_probability_that_holds_for_new_concepts(
    world: World, calibration: Calibration
) -> None:
    said = [calibration.relevance(world.vectors, Sought(world.texts[c], "x")) for c in HELD_OUT]
    probability = np.concatenate(said)
    truth = np.concatenate([world.truth[:, c] for c in HELD_OUT])
    assert probability.dtype == np.float32
    assert 0 <= probability.min() <= probability.max() <= 1
    assert reliability(probability, truth).error < 0.02


def test_relevance_tells_apart_better_than_a_flat_cut(
    world: World, calibration: Calibration
) -> None:
    truth = np.concatenate([world.truth[:, c] for c in HELD_OUT])
    scores = np.concatenate([world.vectors @ world.texts[c] for c in HELD_OUT])
    judged = np.concatenate(
        [calibration.relevance(world.vectors, Sought(world.texts[c], "x")) for c in HELD_OUT]
    )
    assert _best_f1(judged, truth) > _best_f1(scores, truth) + 0.02


def test_a_concept_that_no_picture_shows_finds_next_to_nothing(
    world: World, calibration: Calibration
) -> None:
    strangers = unit(np.random.default_rng(9).normal(size=(20, SIZE)) + 0.5 * world.common)
    shown = [
        rank(calibration, world.vectors, [(1.0, Sought(one.astype(np.float32), "x"))]).shown.sum()
        for one in strangers
    ]
    assert np.mean(np.array(shown) == 0) >= 0.8  # at random, a few lie close to a concept


def test_relevance_does_not_depend_on_the_rest_of_the_library(
    world: World, calibration: Calibration
) -> None:
    sought = Sought(world.texts[0], "x")
    whole = calibration.relevance(world.vectors[:100], sought)
    part = calibration.relevance(world.vectors[:10], sought)
    np.testing.assert_allclose(part, whole[:10], rtol=1e-4, atol=1e-6)


def test_only_the_best_of_a_large_library_are_judged(
    world: World, calibration: Calibration
) -> None:
    sought = Sought(world.texts[0], "x")
    large = np.concatenate([world.vectors, world.vectors, world.vectors])
    relevance = rank(calibration, large, [(1.0, sought)]).relevance
    assert (relevance > 0).sum() == JUDGED
    scores = large @ sought.vector
    assert scores[relevance > 0].min() >= scores[relevance == 0].max()


def test_what_is_excluded_is_not_shown(world: World, calibration: Calibration) -> None:
    x, y = 3, 5
    both = unit(world.directions[x] + world.directions[y] + 0.2 * world.common).astype(np.float32)
    vectors = np.concatenate([world.vectors, np.repeat(both[None], 5, axis=0)])
    wanted, unwanted = Sought(world.texts[x], "x"), Sought(world.texts[y], "y")
    plain = rank(calibration, vectors, [(1.0, wanted)])
    without = rank(calibration, vectors, [(1.0, wanted)], [unwanted])
    assert plain.shown[-5:].all()
    assert not without.shown[-5:].any()
    assert without.shown.sum() >= 5
    alone = np.flatnonzero(world.truth[:, x] & ~world.truth[:, y])
    assert np.isin(without.best(5), alone).all()


def test_what_naming_it_adds_is_looked_for_by_itself(
    world: World, calibration: Calibration
) -> None:
    x, y = 3, 5
    part = unit(np.random.default_rng(0).normal(size=SIZE)).astype(np.float32)
    faint = unit(world.directions[x] + 0.2 * world.common + 0.5 * part)
    vectors = np.concatenate([world.vectors, np.repeat(faint[None], 5, axis=0)])
    vectors = vectors.astype(np.float32)
    wanted, alone = Sought(world.texts[x], "x"), Sought(world.texts[y], "y")
    beside = dataclasses.replace(alone, beside=part)
    assert rank(calibration, vectors, [(1.0, wanted)], [alone]).shown[-5:].all()
    found = rank(calibration, vectors, [(1.0, wanted)], [beside])
    assert not found.shown[-5:].any()
    truth = world.truth[:, x] & ~world.truth[:, y]
    assert np.isin(found.best(5), np.flatnonzero(truth)).all()
    uncalibrated = rank(Calibration({}, {}), vectors, [(1.0, wanted)], [beside], everything=True)
    assert not uncalibrated.shown[-5:].any()


class Letters:
    """An embedder whose texts are how often each letter stands in them."""

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        counts = [[text.count(chr(97 + i)) + 0.01 for i in range(26)] for text in texts]
        return unit(np.array(counts, np.float32))

    embed_labels = embed_text


def test_words_kept_out_know_what_they_stand_beside() -> None:
    (found,) = keep_out(Letters(), ["dog"], "a cat")
    alone, *both = Letters().embed_text(["a cat", "a cat and dog", "a cat with dog"])
    assert found.beside is not None
    np.testing.assert_allclose(found.beside @ alone, 0, atol=1e-6)
    pair = np.mean(both, axis=0)
    np.testing.assert_allclose(found.beside, pair - pair @ alone * alone, atol=1e-6)
    assert [one.beside for one in keep_out(Letters(), ["dog", "cow"], None)] == [None, None]
    assert keep_out(Letters(), [], "a cat") == []


def test_nothing_but_an_exclusion_leaves_the_rest(world: World, calibration: Calibration) -> None:
    y = 7
    ranking = rank(calibration, world.vectors, [], [Sought(world.texts[y], "y")])
    shown = ranking.shown
    assert world.truth[shown, y].mean() < 0.01
    assert not world.truth[ranking.best(100), y].any()  # the surest first
    assert shown[~world.truth[:, y]].mean() > 0.9


def test_an_exclusion_reaches_beyond_the_first_block(
    world: World, calibration: Calibration
) -> None:
    """More pictures show it than are judged at once."""
    y = 7
    showing = np.repeat(world.vectors[world.truth[:, y]][:1], JUDGED + 300, axis=0)
    vectors = np.concatenate([world.vectors, showing])
    ranking = rank(calibration, vectors, [], [Sought(world.texts[y], "y")])
    assert not ranking.shown[len(world.vectors) :].any()


def test_two_wishes_have_to_be_met_at_once(world: World, calibration: Calibration) -> None:
    x, y = 3, 5
    both = unit(world.directions[x] + world.directions[y]).astype(np.float32)
    vectors = np.concatenate([world.vectors, both[None]])
    wanted = [(1.0, Sought(world.texts[x], "x")), (1.0, Sought(world.texts[y]))]
    assert rank(calibration, vectors, wanted).best(1).tolist() == [len(world.vectors)]


def test_only_allowed_pictures_are_shown(world: World, calibration: Calibration) -> None:
    allowed = np.arange(len(world.vectors)) % 2 == 0
    wanted = [(1.0, Sought(world.texts[0], "x"))]
    ranking = rank(calibration, world.vectors, wanted, allowed=allowed, everything=True)
    assert (ranking.shown == allowed).all()
    ordered = ranking.best(50)
    keys = list(zip(-ranking.margin[ordered], -ranking.score[ordered], strict=True))
    assert keys == sorted(keys)


def test_it_comes_back_from_disk_as_it_was(
    world: World, calibration: Calibration, tmp_path: Path
) -> None:
    calibration.save(tmp_path)
    read = load_calibration(tmp_path)
    assert read.judges == calibration.judges
    assert (read.absent, read.caution) == (calibration.absent, calibration.caution)
    sought = Sought(world.texts[30], "x")
    kept = calibration.relevance(world.vectors, sought)
    np.testing.assert_allclose(read.relevance(world.vectors, sought), kept, atol=0.05)


def test_a_calibration_written_anew_is_read_anew(calibration: Calibration, tmp_path: Path) -> None:
    calibration.save(tmp_path)
    assert load_calibration(tmp_path).absent == calibration.absent
    dataclasses.replace(calibration, absent=0.9).save(tmp_path)
    assert load_calibration(tmp_path).absent == 0.9


@pytest.mark.parametrize("text", ["", "{", "{}", '{"evidence": ["other"], "judges": {}}', "[]"])
def test_a_damaged_calibration_is_named(
    text: str, calibration: Calibration, tmp_path: Path
) -> None:
    calibration.save(tmp_path)
    (tmp_path / "calibration.json").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"calibration\.json"):
        load_calibration(tmp_path)


def test_a_model_without_calibration_still_puts_the_best_first(
    world: World, tmp_path: Path
) -> None:
    plain = load_calibration(tmp_path)
    sought = Sought(world.texts[0], "x")
    relevance = plain.relevance(world.vectors, sought)
    assert (np.argsort(-relevance)[:5] == np.argsort(-(world.vectors @ sought.vector))[:5]).all()
    assert 0 < rank(plain, world.vectors, [(1.0, sought)]).shown.sum() < 0.1 * len(world.vectors)


def test_names_and_sentences_are_embedded_as_such() -> None:
    class Embedder:
        def embed_text(self, texts: Sequence[str]) -> np.ndarray:
            return np.array([[len(text), 0.0] for text in texts])

        def embed_labels(self, labels: Sequence[str]) -> np.ndarray:
            return np.array([[0.0, len(label)] for label in labels])

    texts = ["cat", "a cat sitting on a red sofa", "狗", "cat"]
    found = seek(Embedder(), texts)
    assert [one.text for one in found] == texts
    assert [one.kind for one in found] == ["name", "sentence", "name", "name"]
    assert [one.bank for one in found] == ["names_en", "sentences_en", "names_zh", "names_en"]
    assert [one.vector.tolist() for one in found] == [[0, 3], [27, 0], [0, 1], [0, 3]]
    assert Sought(np.zeros(2)).bank == "pictures"


def test_the_regression_finds_the_odds_that_made_the_data() -> None:
    draw = np.random.default_rng(0)
    evidence = draw.normal(size=(20_000, 2)) * [1, 5] + [0, 3]
    logits = 1.5 * evidence[:, 0] - 0.2 * evidence[:, 1] - 1
    truth = draw.random(len(logits)) < 1 / (1 + np.exp(-logits))
    weights, bias = fit_logistic(evidence, truth)
    np.testing.assert_allclose([*weights, bias], [1.5, -0.2, -1], atol=0.1)


def test_more_evidence_never_speaks_against() -> None:
    draw = np.random.default_rng(0)
    evidence = draw.normal(size=(5_000, 3))
    logits = 1.5 * evidence[:, 0] - 0.5 * evidence[:, 1] + 0.5 * evidence[:, 2]
    truth = draw.random(len(logits)) < 1 / (1 + np.exp(-logits))
    assert fit_logistic(evidence, truth)[0][1] < -0.3
    weights, bias = fit_evidence(evidence, truth)
    kept, kept_bias = fit_logistic(evidence[:, [0, 2]], truth)
    np.testing.assert_allclose([*weights, bias], [kept[0], 0, kept[1], kept_bias])


def _best_f1(scores: np.ndarray, truth: np.ndarray) -> float:
    order = np.argsort(-scores)
    hits = np.cumsum(truth[order])
    return float((2 * hits / (np.arange(1, len(order) + 1) + truth.sum())).max())
