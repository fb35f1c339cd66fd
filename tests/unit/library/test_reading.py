"""A file is decoded where it can harm nobody: crashes, endless loops and bombs are named, and the rest goes in."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from polysee.library import Library, reading
from polysee.media import workers

if TYPE_CHECKING:
    from polysee.inference import Embedder

Draw = Callable[..., Path]

# In place of a faulty decoder, since those that are known are mended: what it does to its process is the same.
FAULTY = """
import os, signal
from polysee.inputs.pixels import PixelRecipe
from polysee.library.reading import decode

class FaultyRecipe(PixelRecipe):
    def resize(self, image):
        red, green, blue = image.resize((1, 1)).getpixel((0, 0))
        if red > 200:
            os.abort()
        if green > 200:
            signal.setitimer(signal.ITIMER_PROF, 0.05)
            while True:
                pass
        return super().resize(image)

def peak(data):
    decode(data, PixelRecipe(32), 10**9)
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
"""


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "faulty_recipe.py").write_text(FAULTY, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    workers.close()  # those from before do not know the module
    yield __import__("faulty_recipe")
    workers.close()


@pytest.fixture
def library(tmp_path: Path, colour_embedder: Embedder) -> Library:
    return Library(tmp_path / "library", colour_embedder)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows counts no processor time here")
def test_a_crash_costs_one_file(
    library: Library, tmp_path: Path, draw: Draw, faulty: ModuleType, colour_embedder: Embedder
) -> None:
    for seed in range(12):
        colour = {3: (250, 10, 10), 7: (10, 250, 10)}.get(seed, (10, 10, 250))
        draw(tmp_path / "pictures" / f"{seed}.png", colour, seed)
    colour_embedder.recipe = faulty.FaultyRecipe(image_size=32)
    report = library.index(tmp_path / "pictures")
    assert report.added == 10
    assert {Path(item.path).name: item.reason for item in report.failed} == {
        "3.png": "its decoder crashed",
        "7.png": f"decoding it takes longer than {workers.CPU_SECONDS} seconds",
    }
    colour_embedder.recipe = type(colour_embedder).recipe
    report = library.index(tmp_path / "pictures")  # with a decoder that was mended
    assert (report.added, report.unchanged, report.failed) == (2, 10, [])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows counts no processor time here")
def test_a_crash_costs_no_file_that_is_known(
    library: Library, tmp_path: Path, draw: Draw, faulty: ModuleType, colour_embedder: Embedder
) -> None:
    """Another model looks anew at what has not changed."""
    same = draw(tmp_path / "pictures" / "same.png", (250, 10, 10), 1)
    changed = draw(tmp_path / "pictures" / "changed.png", (10, 10, 250), 2)
    library.index(same.parent)
    draw(changed, (250, 10, 10), 3)
    other = type(colour_embedder)()
    other.id, other.hash = "test/other", "00000000000007e4"
    other.recipe = faulty.FaultyRecipe(image_size=32)
    report = Library(library.path, other).index(same.parent)
    assert [item.reason for item in report.failed] == ["its decoder crashed"] * 2
    found = library.search("red", everything=True)
    assert [hit.path for hit in found] == [str(same)]


def test_large_pictures_go_in_one_at_a_time(
    library: Library, tmp_path: Path, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LARGE", 64 * 48 - 1)
    monkeypatch.setattr(reading, "MAX_PIXELS", 100 * 100)
    for seed in range(6):
        draw(tmp_path / "pictures" / f"{seed}.png", (10, 10, 250), seed)
    Image.new("RGB", (101, 100)).save(tmp_path / "pictures" / "larger.png")
    report = library.index(tmp_path / "pictures")
    assert report.added == 6
    assert [item.reason for item in report.failed] == ["too large: 101 x 100 pixels"]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted as Linux does")
def test_a_bomb_takes_little_more_than_its_own_bytes(faulty: ModuleType) -> None:
    small, large = io.BytesIO(), io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(small, "PNG")
    Image.fromarray(np.zeros((6000, 8000), np.uint16)).save(large, "PNG", compress_level=1)
    before = workers.call(faulty.peak, small.getvalue())
    more = workers.call(faulty.peak, large.getvalue()) - before
    assert 90e6 < more < 250e6  # 48 million pixels of two bytes; converted whole, 700 MB
