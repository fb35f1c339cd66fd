"""Where the data and the runs lie, and reading the data.

The data sets are parquet files under one folder, `POLYSEE_DATA`; `recipes/data/` builds them from the original
downloads.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from polysee.errors import DataError


def data_folder() -> Path:
    """The folder of the data sets: `POLYSEE_DATA`, or `../shared/data`."""
    return Path(os.environ.get("POLYSEE_DATA", "../shared/data"))


def runs_folder() -> Path:
    """Where runs and computed features are kept: `POLYSEE_RUNS`, or `runs` here."""
    return Path(os.environ.get("POLYSEE_RUNS", "runs"))


def read_table(name: str | Path, columns: list[str] | None = None) -> pa.Table:
    """Read one data set.

    Args:
        name: a parquet file, by itself or under the data folder; `captions/flickr8k/train` stands for
            `train.parquet` or all of `train-0.parquet`, `train-1.parquet`, ... in order.
    Raises:
        DataError: there is no such file, it is not parquet, or it lacks a column.
    """
    try:
        paths = _files(Path(name))
        for path in paths:
            found = pq.read_schema(path).names
            absent = [column for column in columns or () if column not in found]
            if absent:
                raise DataError(f"{name}: no column {absent[0]}; there are {', '.join(found)}")
        return pa.concat_tables(pq.read_table(path, columns=columns) for path in paths)
    except (pa.ArrowException, KeyError) as error:
        raise DataError(f"{name}: {error}") from error


def read_rows(name: str | Path, columns: list[str] | None = None) -> list[dict[str, Any]]:
    """Read one data set as a list of dictionaries; see `read_table`."""
    return read_table(name, columns).to_pylist()


def _files(name: Path) -> list[Path]:
    for base in (name, data_folder() / name):
        if base.is_file():
            return [base]
        if base.suffix == ".parquet":
            continue
        whole = base.with_name(base.name + ".parquet")
        if whole.is_file():
            return [whole]
        shards = [path for path in base.parent.glob(base.name + "-*.parquet") if _number(path) >= 0]
        if shards:
            return sorted(shards, key=_number)
    raise DataError(
        f"{name}: no such data set, neither here nor under POLYSEE_DATA ({data_folder()})"
    )


def _number(shard: Path) -> int:
    """The 10 of `train-10.parquet`; -1 where there is none."""
    end = shard.stem.rpartition("-")[2]
    return int(end) if end.isdecimal() else -1
