"""Pictures of a parquet file, decoded ahead in threads and embedded batch by batch.

Memory stays bounded: only a few batches of small, already resized pictures wait at any time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from polysee.datasets.tables import data_folder
from polysee.errors import DataError, MediaError
from polysee.media.files import Remark, explain
from polysee.media.image import read_image

Progress = Callable[[int, int], None]
"""Called with the pictures done and their total."""

BATCH_SIZE = 64
_ENCODED = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
    pa.types.is_binary_view,
    pa.types.is_null,
)


class Recipe(Protocol):
    """How a model wants its pictures; see `polysee.inputs.pixels.PixelRecipe`."""

    def resize(self, image: Any, /) -> np.ndarray: ...


class PictureEmbedder(Protocol):
    """What the loops ask of a model; see `polysee.inference`."""

    @property
    def recipe(self) -> Recipe: ...

    def embed_pictures(self, pictures: np.ndarray, /) -> np.ndarray: ...

    def embed_text(self, texts: Sequence[str], /) -> np.ndarray: ...


@dataclass(frozen=True)
class EmbeddedPictures:
    """The embeddings of the pictures that could be read, with the rows that they came from.

    Shapes:
        embeddings: (N, E)
        rows: (N,)
    """

    embeddings: np.ndarray
    rows: np.ndarray
    failed: list[Remark]


def find_data(data: str | Path) -> Path:
    """A data file by its path, or by its path under `POLYSEE_DATA`."""
    given = Path(data).expanduser()
    below = data_folder() / given
    return below if os.path.isfile(below) and not os.path.isfile(given) else given  # noqa: PTH113


def open_parquet(data: Path, column: str) -> pq.ParquetFile:
    """Open a data file and check that it holds pictures and the named column.

    Raises:
        DataError: there is no such file, it is no parquet, or a column is missing or no pictures.
    """
    with _readable(data, "this is not a parquet file"):
        if data.is_dir():
            raise DataError(f"{data}: a folder, not a file")
        file = pq.ParquetFile(data)
    names = file.schema_arrow.names
    for needed in ("image", column):
        if needed not in names:
            raise DataError(f"{data}: there is no column {needed!r}; it holds {', '.join(names)}")
    kind = file.schema_arrow.field("image").type
    if not any(same(kind) for same in _ENCODED):
        # a name would be opened as a file: what a data file says is not what a person asked for
        raise DataError(f"{data}: the column 'image' holds {kind}, and not the bytes of files")
    if file.metadata.num_rows == 0:
        raise DataError(f"{data}: the file holds no rows")
    return file


def read_column(data: Path, column: str) -> pa.ChunkedArray:
    """One small column, whole; words in any form that Arrow keeps them in come as plain strings."""
    file = open_parquet(data, column)
    with _readable(data):
        values = file.read(columns=[column]).column(column)
        values.validate(full=True)
        kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
        return values.cast(pa.string()) if _is_text(kind) else values


def _is_text(kind: pa.DataType) -> bool:
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(same(kind) for same in tests)


@contextmanager
def _readable(data: Path, otherwise: str = "a damaged parquet file") -> Iterator[None]:
    """Name the file in whatever way it cannot be read."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{data}: there is no such file") from error
    except (OSError, ValueError, pa.ArrowException) as error:
        # pyarrow raises OSErrors and ValueErrors of its own; an OSError of the system has a number
        own = isinstance(error, pa.ArrowException) or getattr(error, "errno", 0) is None
        reason = otherwise if own else explain(cast(OSError, error))
        raise DataError(f"{data}: {reason}") from error


def embed_rows(
    embedder: PictureEmbedder,
    data: Path,
    rows: np.ndarray,
    *,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> EmbeddedPictures:
    """Embed the pictures of the given rows, in order.

    Args:
        data: a parquet file whose `image` column holds encoded pictures.
        rows: the row numbers wanted, ascending.
    Raises:
        DataError: none of the pictures can be read.
    """
    parts: list[np.ndarray] = []
    kept: list[int] = []
    failed: list[Remark] = []
    seen = 0
    for batch in _decoded_batches(embedder.recipe, data, rows, batch_size):
        good = [(row, picture) for row, picture in batch if isinstance(picture, np.ndarray)]
        failed += [
            Remark(f"{data}#{row}", picture.reason)
            for row, picture in batch
            if isinstance(picture, MediaError)
        ]
        if good:
            parts.append(embedder.embed_pictures(np.stack([picture for _, picture in good])))
            kept += [row for row, _ in good]
        seen += len(batch)
        if progress is not None:
            progress(seen, len(rows))
    if not parts:
        raise DataError(f"{data}: none of its {len(rows)} pictures can be read")
    return EmbeddedPictures(np.concatenate(parts), np.array(kept), failed)


Decoded = list[tuple[int, "np.ndarray | MediaError"]]


def _decoded_batches(
    recipe: Recipe, data: Path, rows: np.ndarray, batch_size: int
) -> Iterator[Decoded]:
    """Decode one batch ahead of the one that is being embedded."""
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        waiting: list[tuple[int, Future[np.ndarray | MediaError]]] = []
        for row, encoded in _encoded(data, rows):
            waiting.append((row, pool.submit(_decode, recipe, encoded)))
            if len(waiting) == 2 * batch_size:
                yield [(row, future.result()) for row, future in waiting[:batch_size]]
                del waiting[:batch_size]
        for start in range(0, len(waiting), batch_size):
            chunk = waiting[start : start + batch_size]
            yield [(row, future.result()) for row, future in chunk]


def _encoded(data: Path, rows: np.ndarray) -> Iterator[tuple[int, bytes | None]]:
    wanted = set(rows.tolist())
    row = 0
    with _readable(data):
        for batch in pq.ParquetFile(data).iter_batches(batch_size=256, columns=["image"]):
            for encoded in batch.column(0):
                if row in wanted:
                    yield row, encoded.as_py()
                row += 1


def _decode(recipe: Recipe, encoded: bytes | None) -> np.ndarray | MediaError:
    """A failure is returned, not raised, so that one bad picture does not end the run."""
    if encoded is None:
        return MediaError("image", "the row holds no picture")
    try:
        return recipe.resize(read_image(encoded))
    except MediaError as error:
        return error
    except (MemoryError, ValueError, OSError) as error:  # a picture that no model's recipe fits
        return MediaError("image", f"cannot be resized ({error})")
