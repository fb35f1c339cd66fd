"""Every kind of bad file among good ones, and mutated pictures: the benchmark of them, small."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from benchmarks.hostile import BAD, FORMATS, fuzz, measure_folder, mutated, sample

from polysee.inference import bundled_models

pytestmark = pytest.mark.skipif(
    "polysee/align-nano" not in bundled_models(), reason="no bundled weights"
)


def test_good_files_are_indexed_and_bad_ones_named(tmp_path: Path) -> None:
    result = measure_folder(tmp_path, len(BAD), seed=1)
    assert result["indexed"] == result["good"] == result["bad"] == len(BAD)
    assert result["not_named"] == result["wrongly_named"] == []
    assert result["memory_mib"] < result["memory_good_mib"] + 400


def test_mutated_pictures_give_a_picture_or_a_reason(tmp_path: Path) -> None:
    result = fuzz(80, 1, tmp_path)
    assert result["others"] == []
    assert result["read"] + result["named"] == 80
    assert result["named"] > 0
    assert result["read"] > 0


def test_mutations_differ_and_repeat() -> None:
    data = sample(random.Random(0), FORMATS[1])
    one, again = (mutated(data, random.Random(3)) for _ in range(2))
    assert one == again != data
