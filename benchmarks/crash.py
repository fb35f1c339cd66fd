"""What a library is after its process was killed, or its disk was full: as if nothing had happened.

    python -m benchmarks.crash [--kills 100] [--tidy-kills 20] [--disks 10] [--seed 7]

prints a table and, last, one line of JSON. A process indexes some hundred files, written in many small
batches, and is killed at a random moment (`kill -9`); between two runs files are moved, changed, deleted and
copied. So it is for kills while the library is put together (compaction) and erased from. For the full disk
the library lies on a memory disk of a few sizes (Linux, as root; otherwise it is left out), which then grows.
At the end each library must hold the same files, contents and vectors as one that nothing disturbed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

# The other process. It writes after every few pictures, so that kills fall into every phase:
# reading, encoding, each of the writes, tidying. The model's stand-in counts colours.
CHILD = """
import importlib.util, sys

spec = importlib.util.spec_from_file_location("shared", sys.argv[1])
shared = sys.modules["shared"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)

from polysee.errors import LibraryError
from polysee.library import catalogue, indexing
from polysee.library.database import import_lancedb
from polysee.library.library import Library

indexing.BATCH_SIZE = 4
indexing.WRITE_SECONDS = 0.0
catalogue.MAX_FRAGMENTS = 1
sweep = catalogue.Catalogue.sweep
def announced(self):
    print("tidying", flush=True)
    sweep(self)
catalogue.Catalogue.sweep = announced
library = Library(sys.argv[2], model=shared.ColourEmbedder())
import_lancedb()
print("ready", flush=True)
sys.stdin.readline()
try:
    library.index(sys.argv[3:], prune=True)
except LibraryError as error:
    print("refused:", error, flush=True)
else:
    print("done", flush=True)
"""
SHARED = Path(__file__).parents[1] / "tests" / "conftest.py"
COLOURS = ((250, 20, 20), (20, 250, 20), (20, 20, 250))


class Indexer:
    """A process that has imported all it needs, and indexes when told to."""

    def __init__(self, library: Path, pictures: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(SHARED), str(library), str(pictures)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def begin(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n", self.process.communicate()
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def until_tidying(self) -> None:
        """Wait until all is written, and the library is about to be put together."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "tidying\n"

    def finish(self) -> str:
        """Wait for its end: "done", "refused: ...", or "killed"."""
        said, complaint = self.process.communicate()
        assert "Error" not in complaint, complaint  # killed is silent; only a failure speaks
        last = said.strip().splitlines()[-1:] or [""]
        return last[0] if last[0].startswith(("done", "refused")) else "killed"


def draw_pictures(folder: Path, count: int = 96) -> Path:
    """Small pictures, each of its own content, in some folders, and copies of every eighth."""
    for seed in range(count):
        noise = np.random.default_rng(seed).integers(-20, 20, (48, 64, 3))
        pixels = (np.array(COLOURS[seed % 3]) + noise).clip(0, 255).astype(np.uint8)
        file = folder / f"{seed % 5}" / f"图 {seed:03}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
        if seed % 8 == 0:
            (folder / f"copy {seed}.jpg").write_bytes(file.read_bytes())
    return folder


def stir(folder: Path, dice: random.Random) -> None:
    """Give the next run moved, changed, deleted and new files to deal with."""
    files = sorted(folder.rglob("*.jpg"))
    moved, deleted, changed, copied = dice.sample(files, 4)
    copied.with_name(f"new {dice.random()}.jpg").write_bytes(copied.read_bytes())
    moved.rename(moved.with_name(f"moved {dice.random()}.jpg"))
    changed.write_bytes(deleted.read_bytes() + b"!")  # trailing bytes: another content
    deleted.unlink()


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
        assert table is not None
        keys = table.column(0).to_pylist()
        assert len(keys) == len(set(keys)), f"{kind}: a row stands there twice"
        rest = matrix(table["vector"]) if kind == "vectors" else table.column(1).to_pylist()
        found[kind] = dict(zip(keys, rest, strict=True))
    return found


def assert_equal(one: Path, other: Path) -> None:
    """Two libraries hold the same."""
    a, b = contents(one), contents(other)
    assert a["files"] == b["files"]
    assert a["media"] == b["media"]
    assert a["vectors"].keys() == b["vectors"].keys() == a["media"].keys()
    for digest, vector in a["vectors"].items():
        np.testing.assert_allclose(vector, b["vectors"][digest], atol=2e-3)


def kill_often(
    top: Path, kills: int, dice: random.Random, *, tidying: bool = False
) -> dict[str, object]:
    """Kill a run, stir the files, and so on; then let one run finish and compare.

    Args:
        tidying: kill only once everything is written and the library is put together.
    """
    pictures = draw_pictures(top / "pictures")
    library, undisturbed = top / "library", top / "undisturbed"
    timed = Indexer(top / "timed", pictures)
    timed.begin()
    began = time.perf_counter()
    if tidying:
        timed.until_tidying()
        began = time.perf_counter()
    assert timed.finish() == "done"
    length = time.perf_counter() - began

    queue = [Indexer(library, pictures) for _ in range(2)]  # starting is slow: two at a time
    interrupted = 0
    for kill in range(kills):
        indexer = queue.pop(0)
        queue.append(Indexer(library, pictures))
        indexer.begin()
        if tidying:
            indexer.until_tidying()
        time.sleep(dice.uniform(0, length if kill % 2 else length / 4))
        indexer.process.kill()
        interrupted += indexer.finish() == "killed"
        stir(pictures, dice)
    queue.append(Indexer(undisturbed, pictures))
    for indexer in queue:
        indexer.begin()
        assert indexer.finish() == "done"
    assert_equal(library, undisturbed)
    return {"kills": kills, "interrupted": interrupted, "equal": True}


def fill_disks(top: Path, disks: int) -> dict[str, object]:
    """Index onto memory disks that are too small, let each grow, index again, and compare."""
    pictures = draw_pictures(top / "pictures")
    undisturbed = top / "undisturbed"
    whole = Indexer(undisturbed, pictures)
    whole.begin()
    assert whole.finish() == "done"
    needed = sum(file.stat().st_size for file in undisturbed.rglob("*") if file.is_file())
    refused = 0
    for number in range(disks):
        size = int(needed * (number + 0.5) / disks) // 4096 * 4096
        with memory_disk(top / "disk", size) as disk:
            first = Indexer(disk / "library", pictures)
            first.begin()
            said = first.finish()
            refused += said.startswith("refused")
            assert said == "done" or "the disk is full" in said, said
            subprocess.run(["mount", "-o", "remount,size=256m", str(disk)], check=True)
            again = Indexer(disk / "library", pictures)
            again.begin()
            assert again.finish() == "done"
            assert_equal(disk / "library", undisturbed)
    return {"disks": disks, "refused": refused, "equal": True}


@contextmanager
def memory_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of so many bytes."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def can_mount() -> bool:
    """Whether memory disks can be made here."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with memory_disk(Path(folder) / "disk", 1 << 20):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--tidy-kills", type=int, default=20)
    parser.add_argument("--disks", type=int, default=10)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    dice = random.Random(asked.seed)
    result: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("indexing", "tidying", "disk"):
            (Path(folder) / name).mkdir()
        top = Path(folder)
        result["indexing"] = kill_often(top / "indexing", asked.kills, dice)
        result["tidying"] = kill_often(top / "tidying", asked.tidy_kills, dice, tidying=True)
        result["full disk"] = (
            fill_disks(top / "disk", asked.disks) if can_mount() else {"left out": "needs root"}
        )
    for name, row in result.items():
        print(f"{name:12}", "  ".join(f"{key} {value}" for key, value in row.items()))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
