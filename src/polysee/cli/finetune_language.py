"""`polysee finetune lm`: teach a language model one's own texts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from polysee.cli import output
from polysee.cli.finetune_options import (
    held_out_option,
    out_option,
    patience_option,
    rank_option,
    rate_option,
    seed_option,
)
from polysee.cli.language import t
from polysee.cli.options import Common, command
from polysee.cli.train import (
    Strategy,
    devices_option,
    made_machines,
    needs_training,
    nodes_option,
    strategy_option,
)

if TYPE_CHECKING:
    from polysee.apps.finetune_language import LanguageReport

REPORT = "report.html"


def register(group: typer.Typer) -> None:
    """Add the command to `finetune`, with help in the language that was chosen."""
    command(
        group,
        "lm",
        help=t(
            "Teach a language model your own texts: a BERT to sort them, a GPT to write like them.\n\n"
            "To sort, the data is a parquet file with a column of texts and one of labels; to write, a "
            "text file or a column of texts. A part is held out and says when to stop. The result is a "
            "model folder with a report page in it.\n\n"
            "Example: polysee finetune lm --model polysee/bert-nano --data reviews.parquet"
            " --task classify --out my-model",
            "用自己的文字微调语言模型：BERT 学会分类，GPT 学会照样写。\n\n"
            "分类时，数据是 parquet 文件，一列文字、一列标签；写作时，是文本文件或一列文字。留出的一部分"
            "决定何时停止。结果是一个模型文件夹，其中还有一份报告网页。\n\n"
            "例子：polysee finetune lm --model polysee/bert-nano --data 评论.parquet"
            " --task classify --out 我的模型",
        ),
    )(lm)


def lm(
    common: Common,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="ID|FOLDER",
            help=t(
                "A bundled model, a folder, or owner/name[@revision] on Hugging Face.",
                "内置模型、模型文件夹，或 Hugging Face 上的 所有者/名称[@版本]。",
            ),
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            metavar="FILE",
            help=t(
                "A parquet file; to write, a text file too.", "parquet 文件；写作也可用文本文件。"
            ),
        ),
    ],
    task: Annotated[
        Literal["classify", "generate"],
        typer.Option(
            "--task",
            help=t("classify: sort texts; generate: write.", "classify：分类；generate：写作。"),
        ),
    ],
    out: Annotated[Path, out_option()],
    text: Annotated[
        str,
        typer.Option("--text", metavar="COLUMN", help=t("The column of texts.", "存放文字的列。")),
    ] = "text",
    label: Annotated[
        str,
        typer.Option(
            "--label", metavar="COLUMN", help=t("The column of labels.", "存放标签的列。")
        ),
    ] = "label",
    separator: Annotated[
        str | None,
        typer.Option(
            "--separator",
            metavar="TEXT",
            help=t(
                "What stands between the texts of a text file.", "文本文件中各段文字之间的分隔符。"
            ),
        ),
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(
            "--test",
            metavar="FILE",
            help=t(
                "Texts to judge by that have no part in training.",
                "只用于评价、不参与训练的文字。",
            ),
        ),
    ] = None,
    method: Annotated[
        Literal["full", "lora"],
        typer.Option(
            "--method",
            help=t(
                "full: every weight; lora: small additions to them.",
                "full：全部权重；lora：低秩增量。",
            ),
        ),
    ] = "lora",
    epochs: Annotated[
        int, typer.Option("--epochs", min=1, help=t("At most so many.", "最多训练的轮数。"))
    ] = 10,
    rate: Annotated[float | None, rate_option()] = None,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=2, help=t("Texts a step.", "每步的文字数。"))
    ] = 16,
    rank: Annotated[int, rank_option()] = 8,
    held_out: Annotated[float, held_out_option()] = 0.2,
    patience: Annotated[int, patience_option()] = 3,
    seed: Annotated[int, seed_option()] = 0,
    strategy: Annotated[Strategy, strategy_option()] = "auto",
    devices: Annotated[int, devices_option()] = 1,
    nodes: Annotated[int, nodes_option()] = 1,
) -> int:
    with needs_training():
        from polysee.apps.finetune_language import Asked, finetune_language
    asked = Asked(
        model=model, data=data.expanduser(), out=out.expanduser(), task=task, text=text, label=label,
        separator=separator, test=test.expanduser() if test else None, method=method, epochs=epochs,
        rate=rate or None, batch_size=batch_size, rank=rank, held_out=held_out, patience=patience,
        seed=seed,
    )  # fmt: skip
    report = finetune_language(
        asked,
        machines=made_machines(common, strategy, devices, nodes),
        device=common.device,
        progress=sys.stderr.isatty(),
    )
    return output.DONE if report is None else _tell(common, report)


def _tell(common: Common, report: LanguageReport) -> int:
    from polysee.cli.report_language import write_report

    page = write_report(report.model / REPORT, report)
    if common.json:
        output.print_json(document(report, page))
        return output.DONE
    for line in summary(report):
        print(line)
    where = output.shorten(str(report.model))
    print(t(f"Model: {where}", f"模型：{where}"))
    print(t(f"Report: {page.as_uri()}", f"报告：{page.as_uri()}"))
    return output.DONE


def summary(report: LanguageReport) -> list[str]:
    """What it gained, in a few lines."""
    from polysee.cli.report import percent, points
    from polysee.cli.report_language import perplexity

    if report.loss is not None:
        before, after = (perplexity(loss) for loss in report.loss)
        return [
            t(
                f"  perplexity  {before} → {after} on {report.judged} texts",
                f"  困惑度  {before} → {after}，共 {report.judged} 段文字",
            )
        ]
    compared = report.compared
    assert compared is not None
    low, high = compared.gain_interval.low, compared.gain_interval.high
    before, after = (percent(f.values["top1"]) for f in (compared.before, compared.after))
    first = t(f"  accuracy  {before} → {after}", f"  正确率  {before} → {after}")
    if not report.continued:
        first += t("  (before: always the commonest label)", "（微调前：总是回答最常见的标签）")
    return [
        first,
        t(
            f"  {points(compared.gain)} points [{points(low)}, {points(high)}] on {report.judged} texts",
            f"  {points(compared.gain)} 个百分点 [{points(low)}, {points(high)}]，"
            f"共 {report.judged} 段文字",
        ),
    ]


def document(report: LanguageReport, page: Path) -> dict[str, Any]:
    """What `--json` prints."""
    found: dict[str, Any] = {
        "model": report.model,
        "report": page,
        "start": report.start,
        "task": report.task,
        "method": report.method,
        "learnt": report.learnt,
        "stopping": report.stopping,
        "count": report.judged,
        "tested": report.tested,
        "steps": report.steps,
        "seconds": report.seconds,
    }
    if report.loss is not None:
        return {**found, "before": {"loss": report.loss[0]}, "after": {"loss": report.loss[1]}}
    compared = report.compared
    assert compared is not None
    return {
        **found,
        "labels": report.labels,
        "continued": report.continued,
        "before": _named(compared.before.values),
        "after": _named(compared.after.values),
        "intervals": {
            "before": _named(compared.before.intervals),
            "after": _named(compared.after.intervals),
        },
        "gain": compared.gain,
        "gain_interval": compared.gain_interval,
        "mistakes": report.mistaken,
    }


def _named(figures: dict[str, Any]) -> dict[str, Any]:
    """What pictures call `top1` is called accuracy of texts."""
    return {"accuracy" if name == "top1" else name: value for name, value in figures.items()}
