"""Duplicates: identical files, variants and bursts, and what is none of them."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from benchmarks.duplicates import compare, move, save
from PIL import Image

from polysee.errors import LibraryError
from polysee.library import Library
from polysee.library.duplicates import FINE, moved, same, standard

SAMPLES = Path(__file__).parents[3] / "samples"
NAMES = ["owl.jpg", "lighthouse.jpg", "giraffes.jpg", "tabby-cat.jpg", "cup-of-coffee.jpg"]
TIME = 1_600_000_000


def sample(name: str) -> Image.Image:
    image = Image.open(SAMPLES / name).convert("RGB")
    image.thumbnail((320, 320))
    return image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "pictures"
    top.mkdir()
    for name in NAMES:
        save(sample(name), top / name, 92)
    return top


@pytest.fixture
def library(tmp_path: Path, colour_embedder) -> Library:
    return Library(tmp_path / "library", colour_embedder)


def groups(library: Library, indexed: Path, **options: object) -> list[tuple[str, list[str]]]:
    library.index(indexed)
    found = library.duplicates(**options)  # type: ignore[arg-type]
    return [(one.kind, [Path(path).name for path in one.paths]) for one in found]


def test_five_pictures_are_five(library: Library, folder: Path) -> None:
    assert groups(library, folder) == []


def test_three_classes(library: Library, folder: Path) -> None:
    (folder / "copy.jpg").write_bytes((folder / "owl.jpg").read_bytes())
    image = sample("lighthouse.jpg")
    image.resize((image.width // 2, image.height // 2)).save(folder / "small.webp", quality=60)
    (folder / "giraffes.jpg").unlink()
    for number in range(3):
        shot = move(sample("giraffes.jpg"), random.Random(number))
        save(shot, folder / f"shot {number}.jpg", 92, TIME + 2 * number)
    assert groups(library, folder) == [
        ("identical", ["copy.jpg", "owl.jpg"]),
        ("variant", ["lighthouse.jpg", "small.webp"]),
        ("burst", ["shot 0.jpg", "shot 1.jpg", "shot 2.jpg"]),
    ]


def test_a_group_is_named_after_its_loosest_bond(library: Library, folder: Path) -> None:
    (folder / "copy.jpg").write_bytes((folder / "owl.jpg").read_bytes())
    sample("owl.jpg").save(folder / "again.png")
    ((kind, names),) = groups(library, folder)
    assert kind == "variant"
    assert set(names) == {"owl.jpg", "copy.jpg", "again.png"}
    (group,) = library.duplicates()
    assert sorted(map(len, group.contents)) == [1, 2]


def test_nothing_is_left(library: Library, folder: Path) -> None:
    library.index(folder)
    for file in folder.iterdir():
        file.unlink()
    library.index(folder.parent, prune=True)
    assert library.duplicates() == []
    assert library.search("red", everything=True).hits == []


def test_a_folder(library: Library, folder: Path) -> None:
    (folder / "below").mkdir()
    (folder / "below" / "copy.jpg").write_bytes((folder / "owl.jpg").read_bytes())
    assert len(groups(library, folder, folder=folder)) == 1
    assert groups(library, folder, folder=folder / "below") == []
    assert groups(library, folder, folder=folder / "nowhere") == []


def test_the_same_second_makes_no_burst_of_different_pictures(
    library: Library, tmp_path: Path
) -> None:
    top = tmp_path / "pictures"
    top.mkdir()
    for name in NAMES[:3]:
        save(sample(name), top / name, 92, TIME)
    assert groups(library, top) == []


def test_even_surfaces_are_not_taken_for_each_other() -> None:
    white = np.full((FINE, FINE, 3), 255, np.uint8)
    noise = np.random.default_rng(0).integers(250, 256, (FINE, FINE, 3)).astype(np.uint8)
    assert not same(white, white, 300)
    assert not same(noise, white, 300)
    assert not moved(white, white)
    assert np.abs(standard(white[None])).max() == 0


def test_a_moved_picture() -> None:
    picture = np.asarray(sample("owl.jpg").resize((FINE + 2, FINE + 2)))
    one, other = picture[:FINE, :FINE], picture[2:, 2:]
    assert moved(one, other)
    assert not moved(one, np.asarray(sample("giraffes.jpg").resize((FINE, FINE))))


def test_a_library_that_is_not_there(tmp_path: Path, colour_embedder) -> None:
    with pytest.raises(LibraryError, match="no library"):
        Library(tmp_path / "none", colour_embedder).duplicates()
    (tmp_path / "empty").mkdir()
    with pytest.raises(LibraryError, match="nothing is indexed"):
        Library(tmp_path / "empty", colour_embedder).duplicates()


def test_pairs_are_counted_by_class() -> None:
    truth = {frozenset("ab"): "identical", frozenset("cd"): "burst"}
    scores = compare(truth, {frozenset("ab"): "identical", frozenset("cd"): "variant"})
    assert scores["all"]["recall"] == scores["identical"]["precision"] == 1
    assert scores["burst"]["recall"] == scores["variant"]["precision"] == 0
