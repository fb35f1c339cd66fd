from __future__ import annotations

import pyarrow as pa
import pytest

from polysee.errors import DataError
from polysee.evaluation.retrieval import evaluate_retrieval

RED, GREEN, BLUE = (250, 5, 5), (5, 250, 5), (5, 5, 250)


def test_figures_worked_out_by_hand(embedder, write_parquet):
    # The second caption of the red picture names green, so its query finds the green one.
    data = write_parquet(
        [RED, GREEN, BLUE], words=[["red", "green"], ["a green thing"], ["all blue"]]
    )
    result = evaluate_retrieval(embedder, data, "words")
    assert (result.count, result.queries) == (3, 4)
    assert result.text_to_image["R@1"] == pytest.approx(3 / 4)
    assert result.text_to_image["R@5"] == result.text_to_image["R@10"] == 1.0
    # The green picture's best own caption ties with the red picture's green one.
    assert result.image_to_text["R@1"] == pytest.approx((1 + 0.5 + 1) / 3)
    assert result.image_to_text["R@5"] == 1.0
    for direction in ("text_to_image", "image_to_text"):
        for key, value in getattr(result, direction).items():
            interval = result.intervals[direction][key]
            assert 0 <= interval.low <= value <= interval.high <= 1


def test_single_captions_and_chinese(embedder, write_parquet):
    data = write_parquet([RED, BLUE], words=["红色的", "blue"])
    result = evaluate_retrieval(embedder, data, "words")
    assert (result.count, result.queries) == (2, 2)
    assert result.text_to_image["R@1"] == result.image_to_text["R@1"] == 1.0


def test_pictures_without_captions_take_no_part(embedder, write_parquet):
    data = write_parquet([RED, GREEN, BLUE, RED], words=[["red"], None, ["", "blue"], []])
    result = evaluate_retrieval(embedder, data, "words")
    assert (result.count, result.queries) == (2, 2)


def test_a_damaged_picture_takes_its_captions_along(embedder, write_parquet):
    data = write_parquet([b"no picture", GREEN, BLUE], words=[["red"], ["green"], ["blue"]])
    result = evaluate_retrieval(embedder, data, "words")
    assert (result.count, result.queries) == (2, 2)
    assert result.text_to_image["R@1"] == 1.0
    assert [item.path for item in result.failed] == [f"{data}#0"]


def test_only_damaged_pictures_is_an_error(embedder, write_parquet):
    data = write_parquet([b"no", b"nor this"], words=["red", "blue"])
    with pytest.raises(DataError, match="none of its 2 pictures"):
        evaluate_retrieval(embedder, data, "words")


@pytest.mark.parametrize("values", [pa.array([1, 2]), pa.array([None, None], pa.string())])
def test_a_wrong_column_is_explained(embedder, write_parquet, values):
    data = write_parquet([RED, BLUE], words=values)
    with pytest.raises(DataError, match="caption"):
        evaluate_retrieval(embedder, data, "words")
