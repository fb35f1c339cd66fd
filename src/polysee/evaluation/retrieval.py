"""Finding pictures by captions and captions by pictures: the loop of `polysee eval retrieval`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from polysee.errors import DataError
from polysee.evaluation import metrics
from polysee.evaluation.metrics import Interval, Ranking
from polysee.evaluation.pictures import (
    BATCH_SIZE,
    PictureEmbedder,
    Progress,
    embed_rows,
    find_data,
    read_column,
)
from polysee.media.files import Remark

PLACES = (1, 5, 10)


@dataclass(frozen=True)
class RetrievalResult:
    """Recall among the first 1, 5 and 10, in 0-1, in both directions.

    Args:
        text_to_image: every caption is a query; its own picture is right.
        image_to_text: every picture is a query; any of its own captions is right.
        count: pictures.
        queries: captions.
    """

    text_to_image: dict[str, float]
    image_to_text: dict[str, float]
    count: int
    queries: int
    intervals: dict[str, dict[str, Interval]]
    failed: list[Remark]


def evaluate_retrieval(
    embedder: PictureEmbedder,
    data: str | Path,
    captions: str,
    *,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> RetrievalResult:
    """Rank all pictures for each caption, and all captions for each picture.

    Args:
        data: a parquet file with an `image` column, by its path or by that under `POLYSEE_DATA`.
        captions: a column of strings or of lists of strings; a picture without one takes no part.
    Raises:
        DataError: the file or the column is not of that form.
    """
    data = find_data(data)
    by_row = read_captions(data, captions)
    rows = np.array(sorted(by_row), dtype=np.int64)
    pictures = embed_rows(embedder, data, rows, batch_size=batch_size, progress=progress)
    texts: list[str] = []
    owners: list[int] = []
    for position, row in enumerate(pictures.rows.tolist()):
        texts += by_row[row]
        owners += [position] * len(by_row[row])
    words = embedder.embed_text(texts)
    return summarise(words, pictures.embeddings, np.array(owners), pictures.failed)


def read_captions(data: Path, column: str) -> dict[int, list[str]]:
    """Each row's captions, for the rows that have any."""
    values = read_column(data, column)
    kind = values.type
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    words = kind.value_type if listed else kind
    if not (pa.types.is_string(words) or pa.types.is_large_string(words)):
        raise DataError(
            f"{data}: the column {column!r} holds {kind}; captions are strings or lists of strings"
        )
    found: dict[int, list[str]] = {}
    for row, value in enumerate(values.to_pylist()):
        several = value if listed else [value]
        kept = [text for text in several or [] if text and text.strip()]
        if kept:
            found[row] = kept
    if not found:
        raise DataError(f"{data}: the column {column!r} holds no caption")
    return found


def summarise(
    texts: np.ndarray, images: np.ndarray, owners: np.ndarray, failed: list[Remark]
) -> RetrievalResult:
    """From unit vectors to the figures.

    Shapes:
        texts: (Q, E)
        images: (N, E)
        owners: (Q,), the picture of each caption
    """
    to_image = metrics.rank_texts_to_images(texts, images, owners)
    to_text = metrics.rank_images_to_texts(texts, images, owners)
    pictures = np.arange(len(images))
    return RetrievalResult(
        text_to_image=_recalls(to_image),
        image_to_text=_recalls(to_text),
        count=len(images),
        queries=len(texts),
        intervals={
            "text_to_image": _intervals(to_image, owners),
            "image_to_text": _intervals(to_text, pictures),
        },
        failed=failed,
    )


def _recalls(ranking: Ranking) -> dict[str, float]:
    return {f"R@{k}": float(ranking.recall_at(k).mean()) for k in PLACES}


def _intervals(ranking: Ranking, groups: np.ndarray) -> dict[str, Interval]:
    return {f"R@{k}": metrics.bootstrap(ranking.recall_at(k), groups) for k in PLACES}
