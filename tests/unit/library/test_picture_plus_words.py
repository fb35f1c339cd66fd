"""The benchmark of pictures with words asks what a search asks."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.picture_plus_words import Searches, with_article

from polysee.checkpoints.background import unit
from polysee.library.calibration import Calibration, Judge, Sought
from polysee.library.ranking import rank

SIZE, COUNT = 48, 700


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_its_first_ten_are_those_of_a_search(share: float) -> None:
    dice = np.random.default_rng(0)
    vectors = unit(dice.normal(size=(COUNT, SIZE)) + 0.5).astype(np.float32)
    background = {
        name: unit(dice.normal(size=(90, SIZE)) + 0.3).astype(np.float32)
        for name in ("pictures", "names_en")
    }
    judges = {"picture": Judge((0.3, 0.2, 0.1, 2.0), -3.0), "name": Judge((0.5, 0.4, 0.3, 1.0), -2)}
    calibration = Calibration(judges, background)
    words = Sought(unit(dice.normal(size=SIZE) + 0.5).astype(np.float32), "with a dog")
    for row in (0, 5, 99):
        parts = [(1 - share, words), (share, Sought(vectors[row]))]
        wanted = [part for part in parts if part[0] > 0]
        others = np.arange(COUNT) != row
        ranking = rank(calibration, vectors, wanted, allowed=others, everything=True)
        found = Searches(calibration, vectors).first(words, row, share)
        assert found.tolist() == ranking.best(10).tolist()


def test_articles() -> None:
    assert [with_article(name) for name in ("airplane", "dog")] == ["an airplane", "a dog"]
