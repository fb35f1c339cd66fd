"""A scan in half precision finds what one in float32 finds, also where vectors lie closer than it can tell."""

from __future__ import annotations

import numpy as np
import pytest

from polysee.checkpoints.background import unit
from polysee.library import similarity
from polysee.library.calibration import EVIDENCE, JUDGED, Calibration, Judge, Sought
from polysee.library.ranking import Ranking, rank
from polysee.library.similarity import BLOCK, best, descending, product, rounding, similarities

SIZE, COUNT = 96, 6000


@pytest.fixture(scope="module")
def crowd() -> tuple[np.ndarray, np.ndarray]:
    """Vectors (COUNT, SIZE) as a library stores them, thousands of them nearly as close to a query as another."""
    dice = np.random.default_rng(0)
    query = unit(dice.normal(size=SIZE))
    other = dice.normal(size=(COUNT, SIZE))
    other = unit(other - (other @ query)[:, None] * query)
    cosine = dice.uniform(0.600, 0.602, size=(COUNT, 1))
    cosine[: COUNT // 3] = dice.uniform(-0.2, 0.6, size=(COUNT // 3, 1))
    vectors = cosine * query + np.sqrt(1 - cosine**2) * other
    return vectors.astype(np.float16), query.astype(np.float32)


def exact(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    return vectors.astype(np.float64) @ query.astype(np.float64)


def test_it_is_within_its_rounding_and_needs_it(crowd: tuple[np.ndarray, np.ndarray]) -> None:
    vectors, query = crowd
    off = np.abs(similarities(vectors, query) - exact(vectors, query))
    assert 1e-5 < off.max() <= rounding(vectors, query) < 2e-3


def test_few_vectors_and_single_precision_are_exact(crowd: tuple[np.ndarray, np.ndarray]) -> None:
    vectors, query = crowd
    for given in (vectors[:BLOCK], vectors.astype(np.float32)):
        assert rounding(given, query) == 0
        np.testing.assert_allclose(similarities(given, query), exact(given, query), atol=1e-6)


def test_another_pytorch_is_not_trusted(
    crowd: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, query = crowd
    monkeypatch.setattr(similarity, "_sums_in_float32", lambda: False)
    np.testing.assert_allclose(similarities(vectors, query), exact(vectors, query), atol=1e-6)


def test_the_best_are_all_among_those_within_the_slack() -> None:
    true = np.array([0.5, 0.4, 0.3, 0.2, 0.1])
    seen = np.array([0.3, 0.4, 0.3, 0.35, 0.1])  # off by up to 0.2
    rows = np.arange(5)
    assert set(best(seen, rows, 2)) != {0, 1}
    assert {0, 1} <= set(best(seen, rows, 2, slack=0.2).tolist())
    assert set(best(true, np.array([4, 2, 3]), 2).tolist()) == {2, 3}
    assert best(true, rows[:2], 7).tolist() == [0, 1]


def test_descending_comes_to_all_in_order() -> None:
    score = np.random.default_rng(1).normal(size=1000).astype(np.float32)
    blocks = list(descending(score, 10))
    assert [len(block) for block in blocks] == [10] * 100
    assert np.concatenate(blocks).tolist() == np.argsort(-score).tolist()


def judged(vectors: np.ndarray) -> Calibration:
    """A calibration that goes by the score and what else there is."""
    dice = np.random.default_rng(2)
    background = {
        name: unit(dice.normal(size=(90, SIZE))).astype(np.float32)
        for name in ("pictures", "names_en", "sentences_en")
    }
    judge = Judge((0.1, 0.1, 0.1, 20.0), -12.5, cut=0.3)
    assert len(judge.weights) == len(EVIDENCE)
    return Calibration(dict.fromkeys(("picture", "name", "sentence"), judge), background)


def shown(ranking: Ranking, top: int = 50) -> list[int]:
    return ranking.best(top).tolist()


@pytest.mark.parametrize("kind", ["one", "both", "folder", "without", "only without"])
@pytest.mark.parametrize("everything", [False, True])
def test_a_search_is_what_it_is_in_single_precision(
    crowd: tuple[np.ndarray, np.ndarray], kind: str, everything: bool
) -> None:
    vectors, query = crowd
    calibration = judged(vectors)
    wanted, excluded, allowed = [(1.0, Sought(query, "cat"))], [], None
    if kind == "both":
        wanted.append((0.5, Sought(vectors[3000].astype(np.float32))))
    if kind == "folder":
        allowed = np.arange(COUNT) % 3 > 0
    if "without" in kind:
        excluded = [Sought(vectors[10].astype(np.float32), "dog")]
    if kind == "only without":
        wanted = []
    half, full = (
        rank(calibration, given, wanted, excluded, allowed=allowed, everything=everything)
        for given in (vectors, vectors.astype(np.float32))
    )
    assert shown(half) == shown(full)
    if wanted:
        assert 50 < (half.relevance > 0).sum() <= JUDGED
    assert (half.shown == full.shown).all()
    np.testing.assert_allclose(half.relevance, full.relevance, atol=1e-5)
    rows = half.best(50)
    np.testing.assert_allclose(half.score[rows], full.score[rows], atol=1e-5)


def test_products_are_numpys_own() -> None:
    """Of arrays of any kind: read-only ones, other precisions, views turned round."""
    dice = np.random.default_rng(0)
    left = dice.normal(size=(5, 9)).astype(np.float16)
    right = dice.normal(size=(4, 9))
    left.setflags(write=False)
    found = product(left, right.T)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, left.astype(np.float64) @ right.T, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(product(left, right[0]), found[:, 0], rtol=1e-6)


def test_without_the_second_look_it_would_not_be(crowd: tuple[np.ndarray, np.ndarray]) -> None:
    vectors, query = crowd
    seen = np.argsort(-similarities(vectors, query))[:50]
    assert seen.tolist() != np.argsort(-exact(vectors, query))[:50].tolist()


def test_of_many_that_are_equally_relevant_the_highest_scores_come_first() -> None:
    score = np.random.default_rng(3).normal(size=500).astype(np.float32)
    margin = np.zeros(500, np.float32)
    margin[7] = 1
    ranking = Ranking(score, np.zeros(500, np.float32), margin, np.ones(500, bool))
    rest = [row for row in np.argsort(-score).tolist() if row != 7]
    assert ranking.best(5).tolist() == [7, *rest[:4]]
