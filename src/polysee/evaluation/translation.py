"""Translating sentences whose translation is known: the loop of `polysee eval translate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from polysee.datasets.tables import read_rows
from polysee.errors import DataError, NotSupportedError
from polysee.evaluation.metrics import Interval

BATCH_SIZE, BEAMS, RESAMPLES = 64, 4, 1000

Progress = Callable[[int, int], None]
"""Called with the sentences done and their total."""


class Translator(Protocol):
    """What the loop asks of a model; see `polysee.inference.LanguageModel`."""

    def write(self, texts: Sequence[str], *, to: str, beams: int) -> list[str]: ...


@dataclass(frozen=True)
class TranslationResult:
    """Scores from 0 to 100 over `count` sentences, each with its 95 % interval.

    Args:
        chrf: Popović 2015 (https://aclanthology.org/W15-3049), as sacrebleu computes it.
        bleu: Papineni et al. 2002 (https://aclanthology.org/P02-1040); Chinese is cut into characters.
    """

    chrf: float
    bleu: float
    count: int
    intervals: dict[str, Interval]


def evaluate_translation(
    translator: Translator,
    data: str | Path,
    source: str,
    target: str,
    *,
    beams: int = BEAMS,
    progress: Progress | None = None,
) -> TranslationResult:
    """Translate the column `source`, and compare with the column `target`.

    Args:
        source, target: names of columns; that of the target is also the language that is asked for.
    Raises:
        DataError: the file is absent or not of that form.
        NotSupportedError: sacrebleu is not installed.
    """
    _sacrebleu()  # before the work
    pairs = read_pairs(data, source, target)
    order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]))  # of like length together
    said = [""] * len(pairs)
    for start in range(0, len(order), BATCH_SIZE):
        some = order[start : start + BATCH_SIZE]
        found = translator.write([pairs[i][0] for i in some], to=target, beams=beams)
        for i, text in zip(some, found, strict=True):
            said[i] = text
        if progress is not None:
            progress(start + len(some), len(order))
    return score(said, [reference for _, reference in pairs], target)


def read_pairs(data: str | Path, source: str, target: str) -> list[tuple[str, str]]:
    """The rows of a parquet file that hold both texts.

    Raises:
        DataError: the file is absent, lacks a column, or one holds no text.
    """
    rows = read_rows(data, [source, target])
    pairs = [(row[source], row[target]) for row in rows if row[source] and row[target]]
    if not pairs:
        raise DataError(f"{data}: the file holds no rows")
    for column, some in zip((source, target), zip(*pairs, strict=True), strict=True):
        if not all(isinstance(text, str) for text in some):
            raise DataError(f"{data}: the column {column} holds no sentences")
    return pairs


def score(said: Sequence[str], references: Sequence[str], target: str) -> TranslationResult:
    """Compare translations with references, one each.

    Args:
        target: the language; "zh" is cut into characters for BLEU.
    """
    library = _sacrebleu()
    metrics: dict[str, Any] = {
        "chrf": library.CHRF(),
        "bleu": library.BLEU(tokenize="zh" if target == "zh" else "13a"),
    }
    values: dict[str, float] = {}
    intervals: dict[str, Interval] = {}
    for name, metric in metrics.items():
        found = metric.corpus_score(list(said), [list(references)], n_bootstrap=RESAMPLES)
        values[name] = found.score
        middle, reach = float(found._mean), float(found._ci)
        intervals[name] = Interval(middle - reach, middle + reach)
    return TranslationResult(**values, count=len(said), intervals=intervals)


def _sacrebleu() -> Any:
    try:
        return import_module("sacrebleu.metrics")
    except ImportError as error:
        raise NotSupportedError("translations are scored by sacrebleu: install it first") from error
