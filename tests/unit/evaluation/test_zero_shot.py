from __future__ import annotations

import pyarrow as pa
import pytest

from polysee.errors import DataError
from polysee.evaluation.zero_shot import evaluate_zero_shot

RED, GREEN, BLUE = (250, 5, 5), (5, 250, 5), (5, 5, 250)


def test_figures_worked_out_by_hand(embedder, write_parquet):
    # Three reds right, one red picture called blue wrong, one green right, one blue right.
    data = write_parquet(
        [RED, RED, RED, RED, GREEN, BLUE], name=["red", "red", "red", "blue", "green", "blue"]
    )
    result = evaluate_zero_shot(embedder, data, "name")
    assert result.count == 6
    assert result.classes == 3
    assert result.top1 == pytest.approx(5 / 6)
    assert result.top5 == 1.0
    assert result.mean_per_class == pytest.approx((1 + 1 + 0.5) / 3)
    assert result.per_class == {"red": 1.0, "green": 1.0, "blue": 0.5}
    assert result.failed == []
    for key in ("top1", "top5", "mean_per_class"):
        interval = result.intervals[key]
        assert 0 <= interval.low <= getattr(result, key) <= interval.high <= 1


def test_memory_is_bounded_and_progress_told(embedder, write_parquet):
    data = write_parquet([RED, GREEN] * 25, name=["red", "green"] * 25)
    told = []
    result = evaluate_zero_shot(
        embedder,
        data,
        "name",
        batch_size=8,
        progress=lambda done, total: told.append((done, total)),
    )
    assert result.count == 50
    assert result.top1 == 1.0
    assert embedder.largest_batch == 8
    assert told[-1] == (50, 50)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_a_damaged_picture_is_named_and_left_out(embedder, write_parquet):
    data = write_parquet([RED, b"no picture", GREEN, None], name=["red", "red", "green", "green"])
    result = evaluate_zero_shot(embedder, data, "name")
    assert result.count == 2
    assert result.top1 == 1.0
    assert [item.path for item in result.failed] == [f"{data}#1", f"{data}#3"]
    assert all(item.reason for item in result.failed)


def test_rows_without_a_label_take_no_part(embedder, write_parquet):
    data = write_parquet([RED, BLUE, GREEN], name=["red", None, "green"])
    result = evaluate_zero_shot(embedder, data, "name")
    assert (result.count, result.classes) == (2, 2)


def test_templates_are_used(embedder, write_parquet):
    data = write_parquet([RED, GREEN], name=["red", "green"])
    plain = evaluate_zero_shot(embedder, data, "name")
    # The template drags every label towards blue, but the order stays.
    other = evaluate_zero_shot(embedder, data, "name", templates=["{} on blue"])
    assert plain.top1 == other.top1 == 1.0


@pytest.mark.parametrize(
    ("column", "values", "says"),
    [
        ("missing", None, "no column 'missing'"),
        ("name", pa.array([1, 2]), "must be words"),
        ("name", pa.array(["red", "red"]), "two distinct"),
        ("name", pa.array([["red"], ["blue"]]), "must be words"),
    ],
)
def test_a_wrong_column_is_explained(embedder, write_parquet, column, values, says):
    data = write_parquet([RED, BLUE], **({"name": values} if values is not None else {}))
    with pytest.raises(DataError, match=says):
        evaluate_zero_shot(embedder, data, column)


def test_a_file_is_looked_for_under_the_data_folder_too(embedder, write_parquet, monkeypatch):
    data = write_parquet([RED, GREEN], name=["red", "green"])
    monkeypatch.setenv("POLYSEE_DATA", str(data.parent))
    assert evaluate_zero_shot(embedder, data.name, "name").count == 2


def test_a_wrong_file_is_explained(embedder, tmp_path):
    with pytest.raises(DataError, match="no such file"):
        evaluate_zero_shot(embedder, tmp_path / "absent.parquet", "name")
    (tmp_path / "text.parquet").write_text("hello", encoding="utf-8")
    with pytest.raises(DataError, match="not a parquet"):
        evaluate_zero_shot(embedder, tmp_path / "text.parquet", "name")
