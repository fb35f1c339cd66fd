"""`polysee finetune`: teach a model one's own pictures. Another kind of model is another command of the group."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from polysee.cli import finetune_language, output
from polysee.cli.finetune_options import (
    held_out_option,
    out_option,
    patience_option,
    rank_option,
    rate_option,
    seed_option,
)
from polysee.cli.help import Group
from polysee.cli.language import t
from polysee.cli.options import DEFAULT_MODEL, Common, command, model_option
from polysee.cli.train import (
    Strategy,
    devices_option,
    made_machines,
    needs_training,
    nodes_option,
    strategy_option,
)

if TYPE_CHECKING:
    from polysee.apps.finetune import FinetuneReport

Method = Literal["full", "lora", "probe"]
REPORT = "report.html"


def register(app: typer.Typer) -> None:
    """Add the group, with help in the language that was chosen."""
    group = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode="rich")
    app.add_typer(
        group,
        name="finetune",
        help=t("Teach a model your own data.", "用自己的数据微调模型。"),
    )
    command(
        group,
        "clip",
        help=t(
            "Teach a model of pictures and text your own classes or captions.\n\n"
            "The data is a folder with one folder of pictures a class, named after it, or a parquet "
            "file with an image column and a column of labels or captions. A part is held out and "
            "says when to stop. The result is a folder that every command takes as --model, with a "
            "report page in it.\n\n"
            "Example: polysee finetune clip --data pictures/ --out my-model",
            "用自己的类别或描述微调图文模型。\n\n"
            "数据可以是文件夹（每个类别一个子文件夹，以类别命名），也可以是 parquet 文件（有 image 列"
            "和标签列或描述列）。留出的一部分图片决定何时停止。结果是一个模型文件夹，所有命令都可以用"
            " --model 使用它，其中还有一份报告网页。\n\n"
            "例子：polysee finetune clip --data 图片/ --out 我的模型",
        ),
    )(clip)
    finetune_language.register(group)


def clip(
    common: Common,
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            metavar="FOLDER|FILE",
            help=t(
                "Folders named after classes, or a parquet file.",
                "按类别命名的文件夹，或 parquet 文件。",
            ),
        ),
    ],
    out: Annotated[Path, out_option()],
    model: Annotated[str, model_option(DEFAULT_MODEL)] = DEFAULT_MODEL,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--labels",
            metavar="COLUMN",
            help=t(
                "Of parquet: the column of class names; again for their names in another language.",
                "parquet 中存放类别名称的列；可再给一列另一种语言的名称。",
            ),
        ),
    ] = None,
    captions: Annotated[
        str | None,
        typer.Option(
            "--captions",
            metavar="COLUMN",
            help=t("Of parquet: the column of captions.", "parquet 中存放描述的列。"),
        ),
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(
            "--test",
            metavar="FOLDER|FILE",
            help=t(
                "Pictures to judge by that have no part in training.",
                "只用于评价、不参与训练的图片。",
            ),
        ),
    ] = None,
    method: Annotated[
        Method,
        typer.Option(
            "--method",
            help=t(
                "full: every weight; lora: small additions to them; probe: a classifier alone.",
                "full：全部权重；lora：低秩增量；probe：只训练分类器。",
            ),
        ),
    ] = "lora",
    locked_image: Annotated[
        bool,
        typer.Option(
            "--locked-image",
            help=t("Leave the image tower as it is.", "不改动图像塔。"),
        ),
    ] = False,
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs",
            min=1,
            help=t("At most so many.", "最多训练的轮数。"),
            show_default=t("the method's own", "随方式而定"),
        ),
    ] = None,
    rate: Annotated[float | None, rate_option()] = None,
    batch_size: Annotated[
        int,
        typer.Option("--batch-size", min=2, help=t("Pictures a step.", "每步的图片数。")),
    ] = 32,
    chunk_size: Annotated[
        int,
        typer.Option(
            "--chunk-size",
            min=0,
            help=t(
                "Pictures encoded at once, for batches larger than memory; 0 for all.",
                "一次编码的图片数，用于超出内存的批量；0 表示整批。",
            ),
        ),
    ] = 0,
    rank: Annotated[int, rank_option()] = 8,
    held_out: Annotated[float, held_out_option()] = 0.2,
    patience: Annotated[int, patience_option()] = 3,
    seed: Annotated[int, seed_option()] = 0,
    strategy: Annotated[Strategy, strategy_option()] = "auto",
    devices: Annotated[int, devices_option()] = 1,
    nodes: Annotated[int, nodes_option()] = 1,
) -> int:
    with needs_training():
        from polysee.apps.finetune import Asked, finetune, read_data
    asked = Asked(
        model=model, data=data.expanduser(), out=out.expanduser(), labels=tuple(labels or ()),
        captions=captions, test=test.expanduser() if test else None, method=method,
        locked_image=locked_image, epochs=epochs, rate=rate or None, batch_size=batch_size, rank=rank,
        chunk_size=chunk_size, held_out=held_out, patience=patience, seed=seed,
    )  # fmt: skip
    with output.progress_bar(t("Looking at pictures", "正在看图片")) as advance:
        found = read_data(asked, advance)
    report = finetune(
        asked,
        found,
        machines=made_machines(common, strategy, devices, nodes),
        device=common.device,
        progress=sys.stderr.isatty(),
    )
    return output.DONE if report is None else _tell(common, report)


def _tell(common: Common, report: FinetuneReport) -> int:
    from polysee.cli.report import percent, points, write_report

    page = write_report(report.model / REPORT, report)
    compared = report.compared
    if common.json:
        output.print_json(document(report, page))
    else:
        for name, before in compared.before.values.items():
            after = compared.after.values[name]
            print(f"  {name:<15} {percent(before)} → {percent(after)}")
        low, high = compared.gain_interval.low, compared.gain_interval.high
        print(
            t(
                f"{compared.main}: {points(compared.gain)} points [{points(low)}, {points(high)}]"
                f" on {report.judged} pictures",
                f"{compared.main}：{points(compared.gain)} 个百分点 [{points(low)}, {points(high)}]，"
                f"共 {report.judged} 张图片",
            )
        )
        print(
            t(
                f"Model: {output.shorten(str(report.model))}",
                f"模型：{output.shorten(str(report.model))}",
            )
        )
        print(t(f"Report: {page.as_uri()}", f"报告：{page.as_uri()}"))
    output.name_failures(report.failed, t("Left out:", "没有使用的："))
    return output.SOME_FAILED if report.failed else output.DONE


def document(report: FinetuneReport, page: Path) -> dict[str, Any]:
    """What `--json` prints."""
    compared = report.compared
    return {
        "model": report.model,
        "report": page,
        "start": report.start,
        "method": report.method,
        "classes": report.classes,
        "learnt": report.learnt,
        "stopping": report.stopping,
        "count": report.judged,
        "tested": report.tested,
        "before": compared.before.values,
        "after": compared.after.values,
        "intervals": {"before": compared.before.intervals, "after": compared.after.intervals},
        "gain": compared.gain,
        "gain_interval": compared.gain_interval,
        "mistakes": report.mistaken,
        "steps": report.steps,
        "seconds": report.seconds,
        "failed": report.failed,
    }
