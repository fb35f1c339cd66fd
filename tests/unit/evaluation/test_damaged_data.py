"""Data files of the wrong form, or damaged: each is named with a reason."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polysee.errors import DataError
from polysee.evaluation.retrieval import evaluate_retrieval
from polysee.evaluation.zero_shot import evaluate_zero_shot

RED, GREEN = (250, 5, 5), (5, 250, 5)
NAMES = ["red", "green", "red", "green"]


@pytest.fixture
def data(write_parquet: Callable[..., Path]) -> Path:
    return write_parquet([RED, GREEN, RED, GREEN], name=NAMES)


def refused(embedder: object, data: Path) -> str:
    """What both evaluations say of the file; they say the same."""
    said = set()
    for evaluate in (evaluate_zero_shot, evaluate_retrieval):
        with pytest.raises(DataError) as caught:
            evaluate(embedder, data, "name")
        said.add(str(caught.value))
    (reason,) = said
    assert reason.startswith(f"{data}: ")
    return reason.removeprefix(f"{data}: ")


@pytest.mark.parametrize(
    "images",
    [["/etc/hostname"] * 4, [1, 2, 3, 4], [[1]] * 4, [{"bytes": b"x", "path": "a.png"}] * 4],
    ids=["names of files", "numbers", "lists", "structs"],
)
def test_an_image_column_of_another_kind_is_not_opened(embedder, data, images) -> None:
    """Above all, a string is not taken for the name of a file to read."""
    pq.write_table(pa.table({"image": images, "name": NAMES}), data)
    assert refused(embedder, data).startswith("the column 'image' holds ")


@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
def test_what_is_no_parquet_file(embedder, data, damage) -> None:
    whole = data.read_bytes()
    noise = random.Random(1).randbytes(len(whole))
    data.write_bytes({"cut": whole[: len(whole) // 2], "noise": noise, "empty": b""}[damage])
    assert refused(embedder, data) == "this is not a parquet file"


def test_a_damaged_footer(embedder, data) -> None:
    whole = bytearray(data.read_bytes())
    for place in range(len(whole) - 300, len(whole) - 8, 7):
        whole[place] ^= 0xFF
    data.write_bytes(whole)
    assert "parquet file" in refused(embedder, data)


@pytest.mark.parametrize("column", ["name", "image"])
def test_damaged_pages(embedder, data, column) -> None:
    place = pq.ParquetFile(data).schema_arrow.names.index(column)
    chunk = pq.ParquetFile(data).metadata.row_group(0).column(place)
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    whole = bytearray(data.read_bytes())
    whole[start : start + chunk.total_compressed_size] = b"\xa5" * chunk.total_compressed_size
    data.write_bytes(whole)
    assert refused(embedder, data) == "a damaged parquet file"


def test_labels_that_are_no_text(embedder, data) -> None:
    wrong = pa.array([b"red", b"\xff\xfe", b"red", b"\xff"]).view(pa.string())
    table = pa.table({"image": pq.read_table(data)["image"], "name": wrong})
    pq.write_table(table, data)
    assert refused(embedder, data) == "a damaged parquet file"


@pytest.mark.parametrize("place", ["", "x" * 5000])
def test_places_without_a_file(embedder, tmp_path, place) -> None:
    assert refused(embedder, tmp_path / place) in {"a folder, not a file", "file name too long"}


@pytest.mark.parametrize("form", ["dictionary", "large", "view"])
def test_words_in_any_form_that_arrow_keeps_them_in(embedder, data, form) -> None:
    names = pa.array(NAMES)
    kept = {"dictionary": names.dictionary_encode(), "large": names.cast(pa.large_string()),
            "view": names.cast(pa.string_view())}[form]  # fmt: skip
    images = pq.read_table(data)["image"]
    images = images.cast(pa.large_binary()) if form == "large" else images
    pq.write_table(pa.table({"image": images, "name": kept}), data)
    assert evaluate_zero_shot(embedder, data, "name").top1 == 1.0
    assert evaluate_retrieval(embedder, data, "name").count == 4


def test_blank_labels_are_none(embedder, write_parquet) -> None:
    data = write_parquet([RED, GREEN, RED], name=["red", "green", " \n"])
    assert evaluate_zero_shot(embedder, data, "name").count == 2
