from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.evaluation import metrics


def naive_recall(texts: np.ndarray, images: np.ndarray, owners: np.ndarray, k: int) -> float:
    """By sorting, one query at a time."""
    hits = [
        owner in np.argsort(-(images @ text))[:k] for text, owner in zip(texts, owners, strict=True)
    ]
    return float(np.mean(hits))


@pytest.fixture
def vectors() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    owners = np.repeat(np.arange(20), random.integers(1, 6, size=20))
    images = random.normal(size=(20, 8))
    texts = images[owners] + 2 * random.normal(size=(len(owners), 8))
    return texts, images, owners


@pytest.mark.parametrize("k", [1, 5, 10])
@pytest.mark.parametrize("block", [1, 7, 1024])
def test_caption_queries_match_sorting(vectors, k, block):
    texts, images, owners = vectors
    ranking = metrics.rank_texts_to_images(texts, images, owners, block=block)
    assert ranking.recall_at(k).mean() == pytest.approx(naive_recall(texts, images, owners, k))


@pytest.mark.parametrize("k", [1, 5, 10])
@pytest.mark.parametrize("block", [1, 7, 1024])
def test_picture_queries_match_sorting(vectors, k, block):
    texts, images, owners = vectors
    ranking = metrics.rank_images_to_texts(texts, images, owners, block=block)
    hits = [
        any(owners[i] == row for i in np.argsort(-(texts @ image))[:k])
        for row, image in enumerate(images)
    ]
    assert ranking.recall_at(k).mean() == pytest.approx(np.mean(hits))


def test_a_model_that_cannot_tell_scores_chance():
    same = np.ones((50, 4))
    owners = np.arange(50)
    for rank in (metrics.rank_texts_to_images, metrics.rank_images_to_texts):
        assert rank(same, same, owners).recall_at(5).mean() == pytest.approx(5 / 50)
    assert metrics.top_k(np.zeros((10, 4)), np.arange(10) % 4, 1).mean() == pytest.approx(1 / 4)


def test_top_k_counts_every_target_when_all_places_count():
    scores = np.random.default_rng(0).normal(size=(30, 4))
    assert metrics.top_k(scores, np.arange(30) % 4, 5).tolist() == [1.0] * 30


def test_mean_per_class_weighs_classes_not_pictures():
    hits = np.array([1.0] * 98 + [0.0, 0.0])
    classes = np.array([0] * 98 + [1, 1])
    assert hits.mean() == 0.98
    assert metrics.mean_per_class(hits, classes) == 0.5
    assert metrics.per_class(hits, classes) == {0: 1.0, 1: 0.0}


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    # From the closed form, as in Newcombe 1998, table I.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_matches_published_intervals(successes, count, low, high):
    interval = metrics.wilson(successes, count)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500), st.floats(0, 1))
def test_wilson_holds_its_share(count, share):
    interval = metrics.wilson(share * count, count)
    assert 0 <= interval.low <= share + 1e-9
    assert share - 1e-9 <= interval.high <= 1


def test_bootstrap_agrees_with_wilson_where_both_apply():
    hits = (np.random.default_rng(1).random(1000) < 0.6).astype(float)
    by_drawing = metrics.bootstrap(hits, np.arange(1000))
    by_formula = metrics.wilson(hits.sum(), 1000)
    assert by_drawing.low == pytest.approx(by_formula.low, abs=0.005)
    assert by_drawing.high == pytest.approx(by_formula.high, abs=0.005)


def test_bootstrap_of_repeated_values_is_as_wide_as_of_single_ones():
    hits = (np.random.default_rng(1).random(200) < 0.6).astype(float)
    single = metrics.bootstrap(hits, np.arange(200))
    repeated = metrics.bootstrap(np.repeat(hits, 5), np.repeat(np.arange(200), 5))
    assert repeated.high - repeated.low == pytest.approx(single.high - single.low, rel=1e-9)


def test_bootstrap_of_the_class_mean_covers_it():
    random = np.random.default_rng(2)
    classes = random.integers(0, 10, size=400)
    hits = (random.random(400) < 0.5).astype(float)
    interval = metrics.bootstrap_mean_per_class(hits, classes)
    assert interval.low < metrics.mean_per_class(hits, classes) < interval.high
    assert 0.05 < interval.high - interval.low < 0.2


def test_intervals_repeat():
    hits = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    assert metrics.bootstrap(hits, np.arange(5)) == metrics.bootstrap(hits, np.arange(5))
