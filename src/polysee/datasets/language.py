"""Plain texts, pairs of texts and labelled texts, from files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from polysee.datasets.tables import data_folder, read_rows
from polysee.errors import DataError


def read_texts(
    names: Sequence[str], columns: Sequence[str], separator: str | None = None
) -> list[tuple[str, ...]]:
    """The rows of all files, in their order, each with one text or several.

    Args:
        names: `.txt` files and parquet data sets, by themselves or under the data folder.
        columns: of parquet, what a row is made of; a text file has one.
        separator: what stands between the texts of a text file; the whole file is one text when None.
    Raises:
        DataError: a file is absent, is no UTF-8, lacks a column, or there is no text at all.
    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "two.txt"
        ...     _ = file.write_text("a cat|a dog", encoding="utf-8")
        ...     read_texts([str(file)], ["text"], "|")
        [('a cat',), ('a dog',)]
    """
    rows: list[tuple[str, ...]] = []
    for name in names:
        if not name.endswith(".txt"):
            found = read_rows(name, list(columns))
            rows.extend(tuple(str(row[column]) for column in columns) for row in found)
            continue
        text = _read(name)
        parts = [text] if separator is None else text.split(separator)
        rows.extend((part,) for part in parts if part.strip())
    if not rows:
        raise DataError(f"{', '.join(names)}: no text in it")
    return rows


def _read(name: str) -> str:
    for path in (Path(name), data_folder() / name):
        if path.is_file():
            try:
                return path.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise DataError(f"{path}: not UTF-8: {error}") from error
    raise DataError(f"{name}: no such file, neither here nor under POLYSEE_DATA ({data_folder()})")
