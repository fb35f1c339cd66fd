"""Kill a real indexing process at random moments; the library must end as if nothing happened."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

KILLS = 20
PICTURES = 96

# The other process. It writes after every few pictures, so that kills fall into every phase:
# reading, encoding, each of the three writes, tidying.
CHILD = """
import importlib.util, sys
from pathlib import Path

spec = importlib.util.spec_from_file_location("shared", sys.argv[1])
shared = sys.modules["shared"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)

from polysee.library import indexing
from polysee.library.database import import_lancedb
from polysee.library.library import Library

indexing.BATCH_SIZE = 4
indexing.WRITE_SECONDS = 0.0
library = Library(sys.argv[2], model=shared.ColourEmbedder())
import_lancedb()
print("ready", flush=True)
sys.stdin.readline()
library.index(sys.argv[3:], prune=True)
print("done", flush=True)
"""


class Indexer:
    """A process that has imported all it needs, and indexes when told to."""

    def __init__(self, library: Path, pictures: Path) -> None:
        shared = Path(__file__).parents[1] / "conftest.py"
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(shared), str(library), str(pictures)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def begin(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def finish(self) -> bool:
        """Wait for its end; whether it was done."""
        said, complaint = self.process.communicate()
        assert "Error" not in complaint, complaint  # killed is silent; only a failure speaks
        return "done" in said


def contents(library: Path) -> dict[str, dict[object, object]]:
    """All that must be equal, and that each row stands there once."""
    from polysee.library.catalogue import Catalogue, matrix

    catalogue = Catalogue(library)
    found: dict[str, dict[object, object]] = {}
    files = catalogue.read("files", ["path", "hash"])
    media = catalogue.read("media", ["hash", "width", "thumbnail"])
    (name,) = catalogue.vector_tables()
    vectors = catalogue.read(name, ["hash", "vector"])
    for kind, table in (("files", files), ("media", media), ("vectors", vectors)):
        keys = table.column(0).to_pylist()
        assert len(keys) == len(set(keys)), f"{kind}: a row stands there twice"
        rest = matrix(table["vector"]) if kind == "vectors" else table.column(1).to_pylist()
        found[kind] = dict(zip(keys, rest, strict=True))
    return found


def assert_equal(one: Path, other: Path) -> None:
    a, b = contents(one), contents(other)
    assert a["files"] == b["files"]
    assert a["media"] == b["media"]
    assert a["vectors"].keys() == b["vectors"].keys() == a["media"].keys()
    for digest, vector in a["vectors"].items():
        np.testing.assert_allclose(vector, b["vectors"][digest], atol=2e-3)


@pytest.fixture
def pictures(tmp_path: Path, draw) -> Path:
    folder = tmp_path / "pictures"
    for seed in range(PICTURES):
        colour = [(250, 20, 20), (20, 250, 20), (20, 20, 250)][seed % 3]
        draw(folder / f"{seed % 5}" / f"图 {seed:03}.jpg", colour, seed)
    for seed in range(0, PICTURES, 8):  # copies: a second path on one content
        original = folder / f"{seed % 5}" / f"图 {seed:03}.jpg"
        (folder / f"copy {seed}.jpg").write_bytes(original.read_bytes())
    return folder


def stir(folder: Path, dice: random.Random) -> None:
    """Give the next run moved, changed, deleted and new files to deal with."""
    files = sorted(folder.rglob("*.jpg"))
    moved, deleted, changed, copied = dice.sample(files, 4)
    copied.with_name(f"new {dice.random()}.jpg").write_bytes(copied.read_bytes())
    moved.rename(moved.with_name(f"moved {dice.random()}.jpg"))
    changed.write_bytes(deleted.read_bytes() + b"!")  # trailing bytes: another content
    deleted.unlink()


def test_killed_at_random_moments(pictures: Path, tmp_path: Path) -> None:
    library, undisturbed = tmp_path / "library", tmp_path / "undisturbed"
    dice = random.Random(7)
    timed = Indexer(tmp_path / "timed", pictures)
    queue = [Indexer(library, pictures) for _ in range(2)]  # starting is slow: two at a time
    timed.begin()
    began = time.perf_counter()
    assert timed.finish()
    length = time.perf_counter() - began

    interrupted = 0
    for kill in range(KILLS):
        indexer = queue.pop(0)
        queue.append(Indexer(library, pictures))
        indexer.begin()
        time.sleep(dice.uniform(0, length if kill % 2 else length / 4))
        indexer.process.kill()
        interrupted += not indexer.finish()
        stir(pictures, dice)
    assert interrupted >= KILLS // 3, "too few kills fell into a run to mean anything"

    queue.append(Indexer(undisturbed, pictures))
    for indexer in queue:
        indexer.begin()
        assert indexer.finish()
    assert_equal(library, undisturbed)
