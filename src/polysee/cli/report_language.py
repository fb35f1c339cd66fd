"""The page that says what fine-tuning a language model gained, and where it still errs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polysee.cli.language import t
from polysee.cli.pages import write_page
from polysee.cli.report import cells, curve, percent, points, shown_interval

if TYPE_CHECKING:
    from polysee.apps.finetune_language import LanguageReport

MOST_CHARACTERS = 400


def write_report(file: Path, report: LanguageReport) -> Path:
    """Write the page and return its absolute path."""
    count, shown = report.mistaken, len(report.mistakes)
    return write_page(
        file,
        "report_language.html.j2",
        title=t(f"Fine-tuned: {report.model.name}", f"微调结果：{report.model.name}"),
        facts_en=f"{report.start}, {report.method}, {report.learnt} texts",
        facts_zh=f"{report.start}，{report.method}，{report.learnt} 段文字",
        report=report,
        compared=report.compared,
        matrices=[cells(table, report.labels) for table in report.confusion or ()],
        mistaken=t(
            f"{count} in all; the {shown} surest come first.",
            f"共 {count} 个；最有把握的 {shown} 个排在前面。",
        ),
        curve=curve(report.history),
        percent=percent,
        points=points,
        shortened=shortened,
        **_figures(report),
    )


def _figures(report: LanguageReport) -> dict[str, Any]:
    """The two figures at the top, each with what stands below it."""
    if report.loss is not None:
        before, after = report.loss
        note = t("nats a token: {:.3f}", "每词元 {:.3f} 奈特")
        return {
            "before": perplexity(before),
            "after": perplexity(after),
            "before_note": note.format(before),
            "after_note": note.format(after),
        }
    assert report.compared is not None
    old, new = report.compared.before, report.compared.after
    return {
        "before": percent(old.values["top1"]),
        "after": percent(new.values["top1"]),
        "before_note": shown_interval(old.intervals["top1"]),
        "after_note": shown_interval(new.intervals["top1"]),
    }


def perplexity(loss: float) -> str:
    """From the loss of a token.

    Example:
        >>> perplexity(2.0)
        '7.4'
    """
    return f"{math.exp(min(loss, 50.0)):.1f}"


def shortened(text: str) -> str:
    """A text with its middle left out, where it is long."""
    half = MOST_CHARACTERS // 2
    return text if len(text) <= MOST_CHARACTERS else f"{text[:half]} … {text[-half:]}"
