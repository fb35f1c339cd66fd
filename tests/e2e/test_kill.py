"""Kill a real indexing process at random moments, fill its disk: as if nothing happened."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from benchmarks.crash import can_mount, fill_disks, kill_often

KILLS = 20


def test_killed_at_random_moments(tmp_path: Path) -> None:
    result = kill_often(tmp_path, KILLS, random.Random(7))
    assert result["equal"]
    assert int(str(result["interrupted"])) >= KILLS // 3, "too few kills fell into a run"


def test_killed_while_the_library_is_put_together(tmp_path: Path) -> None:
    assert kill_often(tmp_path, 4, random.Random(8), tidying=True)["equal"]


@pytest.mark.skipif(not can_mount(), reason="memory disks cannot be made here")
def test_a_full_disk(tmp_path: Path) -> None:
    result = fill_disks(tmp_path, 3)
    assert result["equal"]
    assert int(str(result["refused"])) >= 1
