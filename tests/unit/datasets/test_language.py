"""Texts from files: which rows there are, and in which order."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polysee.datasets.language import name_pairs, read_texts
from polysee.errors import DataError


@pytest.fixture
def table(tmp_path):
    rows = {
        "en": ["a cat", "a dog"],
        "zh": ["猫", "狗"],
        "captions": [["one", "two"], None],
    }
    pq.write_table(pa.table(rows), tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


def test_columns_make_a_row(table):
    assert read_texts([str(table)], ["zh", "en"]) == [("猫", "a cat"), ("狗", "a dog")]


def test_a_column_behind_a_data_set_stands_for_its_texts(table):
    assert read_texts([f"{table}#zh", f"{table}#captions"], ["text"]) == [
        ("猫",), ("狗",), ("one",), ("two",),
    ]  # fmt: skip


def test_a_column_that_is_not_there_is_named(table):
    with pytest.raises(DataError, match="nothing"):
        read_texts([f"{table}#nothing"], ["text"])


def test_names_of_things_come_in_the_order_of_the_columns(tmp_path, monkeypatch):
    names = {"names_en": [["cat", "kitty"], ["dog"]], "names_zh": [["猫"], ["狗", "犬"]]}
    art = {"name_en": ["dog", "sun"], "name_zh": ["狗", "太阳"]}
    for folder, file, rows in (("names", "imagenet-1k", names), ("art", "art", art)):
        (tmp_path / folder).mkdir()
        pq.write_table(pa.table(rows), tmp_path / folder / f"{file}.parquet")
    monkeypatch.setenv("POLYSEE_DATA", str(tmp_path))
    assert name_pairs(["en", "zh"]) == [("cat", "猫"), ("dog", "狗"), ("sun", "太阳")]
    assert name_pairs(["zh", "en"])[0] == ("猫", "cat")
