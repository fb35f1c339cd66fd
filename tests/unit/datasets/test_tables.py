"""Where data sets are looked for, and what is said when they are not there."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polysee.datasets.tables import data_folder, read_rows, read_table
from polysee.errors import DataError


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("POLYSEE_DATA", str(tmp_path))
    folder = tmp_path / "photos" / "cats"
    folder.mkdir(parents=True)
    for shard in range(12):
        pq.write_table(
            pa.table({"label": [f"cat {shard}"], "n": [shard]}), folder / f"train-{shard}.parquet"
        )
    pq.write_table(pa.table({"label": ["old cat"]}), folder / "validation.parquet")
    pq.write_table(pa.table({"label": ["no shard"]}), folder / "train-notes.parquet")
    (folder / "broken.parquet").write_bytes(b"PAR1 but not really")
    return folder


def test_shards_come_in_the_order_of_their_numbers(data):
    rows = read_rows("photos/cats/train")
    assert [row["n"] for row in rows] == list(range(12))


def test_a_file_goes_by_several_names(data, monkeypatch):
    names = (
        "photos/cats/validation",
        "photos/cats/validation.parquet",
        data / "validation.parquet",
    )
    assert [read_rows(name) for name in names] == [[{"label": "old cat"}]] * 3
    monkeypatch.chdir(data)
    assert read_rows("validation.parquet") == [{"label": "old cat"}]


def test_only_the_columns_asked_for_are_read(data):
    assert read_table("photos/cats/train", ["n"]).column_names == ["n"]


@pytest.mark.parametrize("name", ["photos/dogs/train", "photos/cats/none.parquet", "photos/cats"])
def test_what_is_not_there_is_named_with_where_it_was_looked_for(data, name):
    with pytest.raises(DataError, match=name) as raised:
        read_rows(name)
    assert str(data_folder()) in str(raised.value)


def test_what_is_no_table_or_lacks_a_column_is_named(data):
    with pytest.raises(DataError, match="broken"):
        read_rows("photos/cats/broken")
    with pytest.raises(DataError, match=r"validation.*wnid"):
        read_rows("photos/cats/validation", ["wnid"])


def test_the_default_folder(monkeypatch):
    monkeypatch.delenv("POLYSEE_DATA", raising=False)
    assert data_folder().as_posix() == "../shared/data"
