"""Labelled texts: what a column may hold, and what is said of one that does not fit."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polysee.datasets.labelled_texts import read_labelled_texts
from polysee.errors import DataError


def write(tmp_path, labels, texts=("a", "b", "c")):
    file = tmp_path / "texts.parquet"
    pq.write_table(pa.table({"text": list(texts), "label": labels}), file)
    return file


@pytest.mark.parametrize(
    ("values", "labels", "numbers"),
    [
        ([0, 1, 1], ("0", "1"), [0, 1, 1]),
        ([False, True, True], ("False", "True"), [0, 1, 1]),
        ([10, 9, 2], ("2", "9", "10"), [2, 1, 0]),
        (["好", "坏", "好"], ("坏", "好"), [1, 0, 1]),
    ],
)
def test_labels_are_named_in_order(tmp_path, values, labels, numbers):
    found = read_labelled_texts(write(tmp_path, values))
    assert found.texts == ["a", "b", "c"]
    assert found.labels == labels
    assert found.numbers == numbers


def test_expected_labels_decide_the_numbers(tmp_path):
    names = ("negative", "positive")
    assert read_labelled_texts(write(tmp_path, [1, 0, 1]), labels=names).numbers == [1, 0, 1]
    found = read_labelled_texts(write(tmp_path, ["positive"] * 3), labels=names)
    assert found.numbers == [1, 1, 1]
    with pytest.raises(DataError, match="'fine' is none of the labels negative, positive"):
        read_labelled_texts(write(tmp_path, ["fine"] * 3), labels=names)
    with pytest.raises(DataError, match="is none of the labels"):
        read_labelled_texts(write(tmp_path, [0, 1, 2]), labels=names)


def test_what_does_not_fit_is_named(tmp_path):
    with pytest.raises(DataError, match="row 2 has no label"):
        read_labelled_texts(write(tmp_path, [0, None, 1]))
    with pytest.raises(DataError, match="row 3 has no text"):
        read_labelled_texts(write(tmp_path, [0, 1, 1], ["a", "b", None]))
    with pytest.raises(DataError, match="column text holds no texts"):
        read_labelled_texts(write(tmp_path, [0, 1, 1], [1, 2, 3]))
    with pytest.raises(DataError, match="neither names nor whole numbers"):
        read_labelled_texts(write(tmp_path, [0.5, 1.0, 1.5]))
    with pytest.raises(DataError, match="no rows"):
        read_labelled_texts(write(tmp_path, [], []))
    with pytest.raises(DataError, match="no column stars; there are text, label"):
        read_labelled_texts(write(tmp_path, [0, 1, 1]), label="stars")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="broken"):
        read_labelled_texts(tmp_path / "broken.parquet")
