"""The page that says what fine-tuning gained, and where the model still errs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polysee.cli.language import localised, t
from polysee.cli.pages import thumbnail, write_page

if TYPE_CHECKING:
    from polysee.apps.finetune import FinetuneReport, Mistake
    from polysee.datasets.labelled import Example
    from polysee.evaluation.metrics import Interval

SIDE = 240
LEFT, RIGHT, TOP, BOTTOM = 44.0, 632.0, 12.0, 196.0
"""The frame of the curve, in the units of its drawing."""


def write_report(file: Path, report: FinetuneReport) -> Path:
    """Write the page and return its absolute path."""
    compared = report.compared
    main = compared.main
    count = report.mistaken
    shown = len(report.mistakes)
    return write_page(
        file,
        "report.html.j2",
        title=t(f"Fine-tuned: {report.model.name}", f"微调结果：{report.model.name}"),
        facts_en=f"{report.start}, {report.method}, {report.learnt} pictures",
        facts_zh=f"{report.start}，{report.method}，{report.learnt} 张图片",
        report=report,
        before=compared.before.values[main],
        after=compared.after.values[main],
        before_interval=compared.before.intervals[main],
        after_interval=compared.after.intervals[main],
        gain=compared.gain,
        gain_interval=compared.gain_interval,
        rows=_rows(report),
        matrices=_matrices(report),
        mistakes=[_mistake(one) for one in report.mistakes],
        mistaken_en_zh=t(
            f"{count} in all; the {shown} nearest to being right come first.",
            f"共 {count} 个；最接近正确的 {shown} 个排在前面。",
        ),
        curve=curve(report.history),
        percent=percent,
        points=points,
        interval=shown_interval,
        localised=localised,
    )


def percent(share: float) -> str:
    """A share in 0-1 as people write it.

    Example:
        >>> percent(0.9406)
        '94.1 %'
    """
    return f"{100 * share:.1f} %"


def points(difference: float) -> str:
    """A difference of shares, in points.

    Example:
        >>> points(-0.031)
        '-3.1'
    """
    return f"{100 * difference:+.1f}"


def shown_interval(interval: Interval) -> str:
    return f"{100 * interval.low:.1f} – {100 * interval.high:.1f} %"


def _rows(report: FinetuneReport) -> list[dict[str, Any]]:
    """Each class's share before and after; what gained least comes last."""
    if report.confusion is None:
        return []
    before, after = report.confusion
    rows = []
    for number, name in enumerate(report.classes):
        count = int(after[number].sum())
        if count:
            shares = [float(table[number, number]) / count for table in (before, after)]
            rows.append({"name": name, "count": count, "before": shares[0], "after": shares[1]})
    return sorted(rows, key=lambda row: row["before"] - row["after"])


def _matrices(report: FinetuneReport) -> list[list[list[dict[str, Any]]]]:
    if report.confusion is None:
        return []
    return [cells(table, report.classes) for table in report.confusion]


def cells(table: np.ndarray, names: list[str]) -> list[list[dict[str, Any]]]:
    most = np.maximum(table.sum(1, keepdims=True), 1)
    return [
        [
            {
                "count": int(table[i, j]),
                "share": float(table[i, j] / most[i, 0]),
                "right": i == j,
                "hint": f"{names[i]} → {names[j]}: {table[i, j]}",
            }
            for j in range(len(names))
        ]
        for i in range(len(names))
    ]


def _mistake(one: Mistake) -> dict[str, Any]:
    captions = bool(one.picture.captions)
    like = t("found in its place", "被找到的图片") if captions else t("like this one", "与这张相似")
    return {
        "shown": _shot(one.picture),
        "like": _shot(one.like) if one.like else None,
        "like_label": like if captions else f"{one.said}: {like}",
        "truth": one.truth,
        "said": one.said,
        "before": one.before,
        "probability": one.probability,
    }


def _shot(example: Example) -> dict[str, str]:
    picture, _ = thumbnail(example.source, SIDE)
    return {"picture": picture, "name": Path(example.name).name}


def curve(history: list[tuple[int, float]]) -> dict[str, Any] | None:
    """The curve as a path; nothing of one point."""
    if len(history) < 2:
        return None
    steps = np.array([step for step, _ in history], dtype=float)
    scores = np.array([score for _, score in history])
    low, high = float(scores.min()), float(scores.max())
    spread = max(high - low, 0.02)
    low, high = max(0.0, low - 0.1 * spread), min(1.0, low + 1.1 * spread)
    x = LEFT + (steps - steps[0]) / (steps[-1] - steps[0]) * (RIGHT - LEFT)
    y = BOTTOM - (np.minimum(scores, high) - low) / (high - low) * (BOTTOM - TOP)
    best = int(scores.argmax())
    return {
        "path": "M" + " L".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)),
        "best_x": f"{x[best]:.1f}",
        "best_y": f"{y[best]:.1f}",
        "first": int(steps[0]),
        "last": int(steps[-1]),
        "ticks": [
            {
                "y": round(BOTTOM - share * (BOTTOM - TOP)),
                "label": percent(low + share * (high - low)),
            }
            for share in (0.0, 0.5, 1.0)
        ],
    }
