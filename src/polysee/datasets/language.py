"""Plain texts, pairs of texts and labelled texts, from files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from polysee.datasets.tables import data_folder, read_rows
from polysee.errors import DataError


def read_texts(
    names: Sequence[str], columns: Sequence[str], separator: str | None = None
) -> list[tuple[str, ...]]:
    """The rows of all files, in their order, each with one text or several.

    Args:
        names: `.txt` files and parquet data sets, by themselves or under the data folder. A data set's own column may
            stand behind it, as in `captions/flickr8k/train#captions_zh`; of a column of lists every text is a row.
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
            rows.extend(_table_rows(name, columns))
            continue
        text = _read(name)
        parts = [text] if separator is None else text.split(separator)
        rows.extend((part,) for part in parts if part.strip())
    if not rows:
        raise DataError(f"{', '.join(names)}: no text in it")
    return rows


def _table_rows(name: str, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    name, _, own = name.partition("#")
    if not own:
        for row in read_rows(name, list(columns)):
            yield tuple(str(row[column]) for column in columns)
        return
    for row in read_rows(name, [own]):
        value = row[own] or []
        yield from ((text,) for text in ([value] if isinstance(value, str) else value))


def name_pairs(columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Names of things in two languages, each pair once: of ImageNet's classes, all of them, and of emoji.

    Args:
        columns: in which order the languages stand, such as `["en", "zh"]`.
    Raises:
        DataError: a data set is absent.
    """
    pairs = [
        {"en": english, "zh": chinese}
        for row in read_rows("names/imagenet-1k.parquet")
        for english, chinese in zip(row["names_en"], row["names_zh"], strict=False)
    ]
    for row in read_rows("art/art.parquet", ["name_en", "name_zh"]):
        pairs.append({"en": row["name_en"], "zh": row["name_zh"]})
    return list(dict.fromkeys(tuple(pair[column] for column in columns) for pair in pairs))


def _read(name: str) -> str:
    for path in (Path(name), data_folder() / name):
        if path.is_file():
            try:
                return path.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise DataError(f"{path}: not UTF-8: {error}") from error
    raise DataError(f"{name}: no such file, neither here nor under POLYSEE_DATA ({data_folder()})")
