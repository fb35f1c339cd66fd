"""A person's own pictures with what they show: folders named after classes, or a parquet file.

What cannot be used is named and left out; what makes the whole useless is an error that says what to do.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from polysee.datasets.tables import read_table
from polysee.errors import DataError, MediaError
from polysee.inputs.prompts import is_chinese
from polysee.media.files import Remark, read_file
from polysee.media.image import read_image
from polysee.media.scan import Found, scan

Progress = Callable[[int, int], None]
"""Called with what is done and the total."""


@dataclass(frozen=True)
class Example:
    """One picture, and what is said of it.

    Args:
        source: a file's path, or its bytes.
        name: what to call it in a message.
        label: the number of its class; -1 where it has captions instead.
    """

    source: str | bytes
    name: str
    label: int = -1
    captions: tuple[str, ...] = ()

    def read(self, draft_size: int | None = None) -> Image.Image:
        """Decode the picture.

        Raises:
            MediaError: it cannot be read.
        """
        return read_image(self.source, draft_size=draft_size)


@dataclass(frozen=True)
class Examples:
    """All of a data set that can be used.

    Args:
        classes: the names of each class, one in each language that there is; none where there are captions.
        failed: what cannot be used, and why.
    """

    examples: list[Example]
    classes: list[tuple[str, ...]]
    failed: list[Remark]

    def split(self, share: float, seed: int) -> tuple[list[Example], list[Example]]:
        """Part the examples at random into those to learn from and those held out, of every class the same share.

        A class of one picture is learnt from; of two or more, at least one is held out.
        """
        draw = np.random.default_rng([seed, 20])
        held_out: set[int] = set()
        labels = np.array([example.label for example in self.examples])
        for label in np.unique(labels):
            rows = draw.permutation(np.flatnonzero(labels == label))
            count = min(max(1, round(share * len(rows))), len(rows) - 1)
            held_out.update(rows[:count].tolist())
        kept = [e for i, e in enumerate(self.examples) if i not in held_out]
        return kept, [e for i, e in enumerate(self.examples) if i in held_out]


def read_examples(
    data: str | Path,
    labels: Sequence[str] = (),
    captions: str | None = None,
    *,
    progress: Progress | None = None,
) -> Examples:
    """Read a data set and look at every picture of it once.

    Args:
        data: a folder with one folder of pictures for each class, or a parquet file with an `image` column.
        labels: of a parquet file, the column of class names; several for the same names in several languages.
        captions: of a parquet file, the column of sentences (strings, or lists of them), in place of labels.
    Raises:
        DataError: nothing can be learnt from it: there is no such place, it holds no pictures, or but one class; or
            its class names are some Chinese and some not.
    """
    place = Path(data).expanduser()
    if place.is_dir():
        if labels or captions:
            raise DataError(f"{data}: a folder has no columns; its folders' names are the labels")
        found = _read_folder(place)
    else:
        found = _read_parquet(data, labels, captions)
    if not found.examples:
        raise DataError(f"{data}: holds no pictures{_first_reason(found.failed)}")
    found = _usable(found, progress)
    if not found.examples:
        count = len(found.failed)
        raise DataError(
            f"{data}: none of its {count} pictures can be used{_first_reason(found.failed)}"
        )
    return found if captions else _check_classes(data, found)


def _read_folder(place: Path) -> Examples:
    """Every folder in `place` is a class; pictures may lie at any depth in it."""
    examples: list[Example] = []
    failed: list[Remark] = []
    classes: list[tuple[str, ...]] = []
    entries = sorted(entry for entry in place.iterdir() if not entry.name.startswith("."))
    for folder in (entry for entry in entries if entry.is_dir()):
        before = len(examples)
        for item in scan([folder]):
            if isinstance(item, Found):
                examples.append(Example(item.path, item.path, len(classes)))
            else:
                failed.append(Remark(item.path, item.reason))
        if len(examples) > before:
            classes.append((folder.name.strip().replace("_", " "),))
        else:
            failed.append(Remark(str(folder), "holds no picture"))
    for item in scan(entry for entry in entries if not entry.is_dir()):
        if isinstance(item, Found) and Path(item.path).suffix:
            failed.append(Remark(item.path, "lies in no class's folder"))
    return Examples(examples, classes, failed)


def _read_parquet(data: str | Path, labels: Sequence[str], captions: str | None) -> Examples:
    table = read_table(data)
    if bool(labels) == bool(captions):
        names = ", ".join(table.column_names)
        raise DataError(f"{data}: name the column of labels, or that of captions; it holds {names}")
    for column in ("image", *labels, *([captions] if captions else [])):
        if column not in table.column_names:
            names = ", ".join(table.column_names)
            raise DataError(f"{data}: there is no column {column!r}; it holds {names}")
    images = table.column("image").to_pylist()
    if captions:
        texts = _sentences(data, captions, table.column(captions).to_pylist())
        rows = [(row, -1, said) for row, said in enumerate(texts) if said]
        classes: list[tuple[str, ...]] = []
    else:
        columns = [_words(data, column, table.column(column)) for column in labels]
        named = list(zip(*columns, strict=True))
        classes = sorted({name for name in named if all(name)})
        number = {name: index for index, name in enumerate(classes)}
        rows = [(row, number[name], ()) for row, name in enumerate(named) if name in number]
    failed = [
        Remark(f"{data}#{row}", "the row holds no picture") for row, _, _ in rows if not images[row]
    ]
    examples = [
        Example(images[row], f"{data}#{row}", label, said)
        for row, label, said in rows
        if images[row]
    ]
    return Examples(examples, classes, failed)


def _words(data: str | Path, column: str, values: pa.ChunkedArray) -> list[str]:
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        raise DataError(
            f"{data}: the column {column!r} holds {values.type}, and labels must be words; "
            "choose a column of strings"
        )
    return [(word or "").strip() for word in values.to_pylist()]


def _sentences(data: str | Path, column: str, values: list[Any]) -> list[tuple[str, ...]]:
    listed = [value if isinstance(value, list) else [value] for value in values]
    if any(not isinstance(text, str | None) for texts in listed for text in texts):
        raise DataError(
            f"{data}: the column {column!r} holds no captions: strings, or lists of them"
        )
    return [tuple(text for text in texts if text and text.strip()) for texts in listed]


def _usable(found: Examples, progress: Progress | None) -> Examples:
    """Leave out what cannot be decoded, and what is there twice: a copy in both parts would be no test."""
    kept: list[Example] = []
    failed = list(found.failed)
    places: dict[bytes, int] = {}
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        digests = pool.map(_look, found.examples)
        for done, (example, digest) in enumerate(zip(found.examples, digests, strict=True), 1):
            if progress is not None:
                progress(done, len(found.examples))
            if isinstance(digest, str):
                failed.append(Remark(example.name, digest))
                continue
            place = places.setdefault(digest, len(kept))
            if place == len(kept):
                kept.append(example)
            elif kept[place].label != example.label:
                reason = f"the same picture has another label: {kept[place].name}"
                failed.append(Remark(example.name, reason))
            else:
                said = dict.fromkeys((*kept[place].captions, *example.captions))
                kept[place] = replace(kept[place], captions=tuple(said))
    return replace(found, examples=kept, failed=failed)


def _look(example: Example) -> bytes | str:
    """The digest of a picture's bytes, or why it cannot be read."""
    try:
        data = (
            example.source if isinstance(example.source, bytes) else read_file(example.source).data
        )
        read_image(data, draft_size=64)
    except MediaError as error:
        return error.reason
    return hashlib.sha256(data).digest()


def _check_classes(data: str | Path, found: Examples) -> Examples:
    """Refuse what is no choice, and names of which some are Chinese and some not; drop classes left empty."""
    left = sorted({example.label for example in found.examples})
    if len(left) < 2:
        raise DataError(
            f"{data}: one class only ({found.classes[left[0]][0]}); at least two are needed to tell apart"
        )
    classes = [found.classes[label] for label in left]
    for names in zip(*classes, strict=True):
        chinese = [name for name in names if is_chinese(name)]
        others = [name for name in names if not is_chinese(name)]
        if chinese and others:
            raise DataError(
                f"{data}: labels in two languages, such as {chinese[0]} and {others[0]}; name all in one"
            )
    number = {label: index for index, label in enumerate(left)}
    examples = [replace(example, label=number[example.label]) for example in found.examples]
    return Examples(examples, classes, found.failed)


def _first_reason(failed: Sequence[Remark]) -> str:
    return f" ({failed[0].path}: {failed[0].reason})" if failed else ""
