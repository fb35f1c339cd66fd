"""Words in pictures: how queries match them, and that OCR and search go together."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from polysee.errors import ConfigError
from polysee.library import Library
from polysee.library.words import Words, nearly, pieces
from polysee.media import ocr

SIGNS = [
    "NO PARKING\nAny time",
    "小心地滑",
    "",
    "Emergency Exit",
    "超市收据\n牛奶 12.50\n鸡蛋",
    "WETFLOOR",
    "a cat on sale",
]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("no parking", {0}),
        ("a sign saying no parking", {0}),
        ("parkng any time", {0}),  # one wrong letter in a long word
        ("小心地滑", {1}),
        ("写着小心地滑的照片", {1}),
        ("emergency exit", {3}),
        ("牛奶 鸡蛋", {4}),
        ("超市收据", {4}),
        ("wet floor", {5}),  # run together by the reader
        ("a cat on a sofa", set()),
        ("海边的日落", set()),
        ("", set()),
        ("的", set()),
    ],
)
def test_what_is_borne(query: str, rows: set[int]) -> None:
    relevance = Words(SIGNS).relevance(query)
    assert set(np.flatnonzero(relevance >= 0.5)) == rows
    assert relevance.max(initial=0) < 1


def test_more_words_count_more() -> None:
    both, one = Words(["red wine", "red"]).relevance("red wine")
    assert both > 0.9 > 0.5 > one


def test_pieces_and_letters() -> None:
    assert pieces("ＮＯ ENTRY 2号门") == ["no", "entry", "2", "号门"]
    assert nearly("exit", "exits")
    assert not nearly("exit", "exist!!")


def test_a_library_without_words(tmp_path: Path, draw, colour_embedder) -> None:
    draw(tmp_path / "pictures" / "red.png", (250, 10, 10))
    library = Library(tmp_path / "library", colour_embedder)
    library.index(tmp_path / "pictures")
    assert len(library.search("red", everything=True)) == 1


def test_without_the_extra_it_says_what_to_do(monkeypatch, tmp_path: Path, colour_embedder) -> None:
    monkeypatch.setattr(ocr, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"polysee\[ocr\]"):
        Library(tmp_path / "library", colour_embedder).index(tmp_path, ocr=True)


@pytest.mark.skipif(find_spec("rapidocr") is None, reason="the extra ocr is not installed")
def test_read_and_found(tmp_path: Path, draw, colour_embedder) -> None:
    folder = tmp_path / "pictures"
    draw(folder / "red.png", (250, 10, 10))
    sign = Image.new("RGB", (460, 140), "white")
    ImageDraw.Draw(sign).text((30, 30), "NO PARKING", font=ImageFont.load_default(60), fill="black")
    sign.save(folder / "sign.png")
    library = Library(tmp_path / "library", colour_embedder)
    library.index(folder)
    assert not [hit for hit in library.search("no parking") if hit.relevance > 0.9]

    report = library.index(folder, ocr=True)  # what is known gets its words
    assert (report.added, report.unchanged, report.failed, report.warned) == (0, 2, [], [])
    (hit,) = (hit for hit in library.search("no parking") if hit.relevance > 0.9)
    assert Path(hit.path).name == "sign.png"
    assert Path(library.search("red", top=1, everything=True)[0].path).name == "red.png"

    (folder / "sign.png").unlink()
    library.index(folder, prune=True, ocr=True)
    assert [Path(hit.path).name for hit in library.search("no parking")] in ([], ["red.png"])
