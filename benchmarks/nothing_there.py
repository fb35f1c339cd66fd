"""Whether a search that nothing matches returns nothing; and whether the shown relevance is true.

    python -m benchmarks.nothing_there [--svg docs/images/reliability.svg]

prints JSON. The library is the validation pictures of every second class of Caltech-101, and VOC
validation; the queries are all of Caltech's class names, in both languages. Twice, so that each half
of the classes is present once. `present_found`: the first twenty hits hold a right picture, of the
classes that are there. `absent_empty`: no hits at all, of those that are not.

An absent class counts only if nothing else in the library shows it. `SHOWN_BY_VOC` and `SHOWN_BY`
list what was left out; both were made by looking at the pictures, not at results. `absent_empty_all`
counts every class but those that VOC labels itself.

`flat_cut` stands beside it: one cut on the cosine for all queries, set afterwards to where as many
absent classes come up empty. `reliability` compares the relevance of hits with the share of them
that is right, on Caltech-101 (names) and on VOC (names).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.pictures import embed, parse, present
from benchmarks.reliability_chart import draw

from polysee.datasets.tables import read_rows
from polysee.evaluation.metrics import wilson
from polysee.inference import Embedder
from polysee.library.calibration import Calibration, Sought
from polysee.library.fitting import reliability
from polysee.library.ranking import rank, seek

CALTECH, VOC = "photos/caltech-101/validation", "photos/voc-scenes/validation"
TOP = 20
LABELLED_BY_VOC = ("motorcycle", "airplane", "car", "chair", "human face")
SHOWN_BY_VOC = {
    **dict.fromkeys(LABELLED_BY_VOC, "a class of VOC"),
    **dict.fromkeys(("ferry boat", "ketch sailboat", "schooner sailing ship"), "boats"),
    **dict.fromkeys(("ibis bird", "pigeon", "rooster"), "birds, chickens among them"),
    **dict.fromkeys(("flamingo", "flamingo head"), "two pictures of flamingos"),
    "bonsai tree": "potted plants; the Chinese names are near synonyms",
    "wildcat": "cats",
    "windsor chair": "chairs",
    "wristwatch": "worn by people",
    **dict.fromkeys(("saxophone", "electric guitar"), "people on a stage"),
    **dict.fromkeys(("cup", "table lamp", "laptop computer", "camera", "headphones"), "in rooms"),
}
SHOWN_BY = (
    ("cougar", "cougar face"),
    ("crocodile", "crocodile head"),
    ("flamingo", "flamingo head"),
    ("lotus flower", "water lily"),
    ("chair", "windsor chair"),
    ("ketch sailboat", "schooner sailing ship"),
)


@dataclass
class Asked:
    """One class asked for in one library: its pictures' scores and what the search made of them."""

    name: str
    present: bool
    counts: bool
    right: np.ndarray
    score: np.ndarray
    found: bool
    empty: bool


def measure(
    embedder: Embedder, calibration: Calibration, svg: Path | None = None
) -> dict[str, Any]:
    """Both halves, both languages, together and apart."""
    result: dict[str, Any] = {}
    asked = []
    for language in ("en", "zh"):
        part = [one for half in (0, 1) for one in ask(embedder, calibration, language, half)]
        result[language] = summarise(part)
        asked += part
    curves = {
        "Caltech-101, names": reliability(*_hits(embedder, calibration, CALTECH, _caltech)),
        "VOC, names": reliability(*_hits(embedder, calibration, VOC, _voc)),
    }
    if svg is not None:
        svg.write_text(draw(curves), encoding="utf-8")
    flat = {
        name: {key: np.asarray(value).round(4).tolist() for key, value in vars(curve).items()}
        for name, curve in curves.items()
    }
    return {
        **summarise(asked),
        "by_language": result,
        "reliability": flat,
        "left_out": [*SHOWN_BY_VOC],
    }


def ask(embedder: Embedder, calibration: Calibration, language: str, half: int) -> Iterator[Asked]:
    """Ask for every class in the library that holds the even (0) or odd (1) ones."""
    rows = read_rows(CALTECH, ["label", "label_en", f"label_{language}"])
    labels = np.array([row["label"] for row in rows])
    kept = labels % 2 == half
    vectors = np.concatenate([embed(embedder, CALTECH)[kept], embed(embedder, VOC)])
    classes = np.concatenate([labels[kept], np.full(len(vectors) - kept.sum(), -1)])
    names = {row["label"]: (row["label_en"], row[f"label_{language}"]) for row in rows}
    inside = {name for label, (name, _) in names.items() if label % 2 == half}
    for label, sought in zip(
        names, seek(embedder, [own for _, own in names.values()]), strict=True
    ):
        name = names[label][0]
        ranking = rank(calibration, vectors, [(1.0, sought)])
        right = classes == label
        twins = {b for pair in SHOWN_BY if name in pair for b in pair} - {name}
        yield Asked(
            name,
            present=name in inside,
            counts=name not in SHOWN_BY_VOC and not twins & inside,
            right=right,
            score=ranking.score,
            found=bool(right[ranking.best(TOP)].any()),
            empty=not ranking.shown.any(),
        )


def summarise(asked: Sequence[Asked]) -> dict[str, Any]:
    """Shares with their intervals, and the flat cut that is as often empty."""
    here = [one for one in asked if one.present]
    absent = [one for one in asked if not one.present and one.counts]
    unlabelled = [one for one in asked if not one.present and one.name not in LABELLED_BY_VOC]
    found, empty = sum(one.found for one in here), sum(one.empty for one in absent)
    cut = np.quantile([one.score.max() for one in absent], empty / len(absent))
    by_cosine = sum(
        bool(one.right[np.argsort(-one.score)[:TOP]][np.sort(-one.score)[:TOP] < -cut].any())
        for one in here
    )
    return {
        "present_found": found / len(here),
        "present_interval": vars(wilson(found, len(here))),
        "absent_empty": empty / len(absent),
        "absent_interval": vars(wilson(empty, len(absent))),
        "absent_empty_all": sum(one.empty for one in unlabelled) / len(unlabelled),
        "present": len(here),
        "absent": len(absent),
        "flat_cut": {"present_found": by_cosine / len(here)},
        "missed": sorted({one.name for one in here if not one.found}),
        "wrongly_shown": sorted({one.name for one in absent if not one.empty}),
    }


def _hits(
    embedder: Embedder, calibration: Calibration, data: str, truths: Any
) -> tuple[np.ndarray, np.ndarray]:
    """The relevance of every picture that is judged at all, and whether it is right."""
    vectors = embed(embedder, data)
    said, true = [], []
    for sought, right in truths(embedder):
        relevance = rank(calibration, vectors, [(1.0, sought)]).relevance
        said.append(relevance[relevance > 0])
        true.append(right[relevance > 0])
    return np.concatenate(said), np.concatenate(true)


def _caltech(embedder: Embedder) -> Iterator[tuple[Sought, np.ndarray]]:
    rows = read_rows(CALTECH, ["label", "label_en", "label_zh"])
    labels = np.array([row["label"] for row in rows])
    for language in ("en", "zh"):
        names = {row["label"]: row[f"label_{language}"] for row in rows}
        for sought, label in zip(seek(embedder, list(names.values())), names, strict=True):
            yield sought, labels == label


def _voc(embedder: Embedder) -> Iterator[tuple[Sought, np.ndarray]]:
    for language in ("en", "zh"):
        rows = [row[f"labels_{language}"] for row in read_rows(VOC, [f"labels_{language}"])]
        names = sorted({name for row in rows for name in row})
        for sought, name in zip(seek(embedder, names), names, strict=True):
            yield sought, np.array([name in row for row in rows])


if __name__ == "__main__":
    embedder, calibration, given = parse(__doc__, "--svg")
    present(measure(embedder, calibration, given.svg))
