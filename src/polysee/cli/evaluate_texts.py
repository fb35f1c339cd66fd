"""`polysee eval classify`: measure a model that sorts texts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from polysee.cli import output
from polysee.cli.language import t
from polysee.cli.options import Common, command, model_option

DEFAULT_MODEL = "polysee/bert-nano"


def register(group: typer.Typer) -> None:
    """Add the command to `eval`, with help in the language that was chosen."""
    command(
        group,
        "classify",
        help=t(
            "Sort every text, such as reviews, and compare with its label.\n\n"
            "Example: polysee eval classify --data reviews.parquet --text text --label label",
            "给每段文字（例如评论）分类，再与标签比较。\n\n"
            "例子：polysee eval classify --data 评论.parquet --text text --label label",
        ),
    )(classify)


def classify(
    common: Common,
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            metavar="FILE",
            help=t(
                "A parquet file of texts, here or under POLYSEE_DATA.",
                "存放文字的 parquet 文件，也可以是 POLYSEE_DATA 下的路径。",
            ),
        ),
    ],
    text: Annotated[
        str,
        typer.Option("--text", metavar="COLUMN", help=t("The column of texts.", "存放文字的列。")),
    ] = "text",
    label: Annotated[
        str,
        typer.Option(
            "--label",
            metavar="COLUMN",
            help=t(
                "The column of labels: the model's names, or 0 and 1 of two.",
                "存放标签的列：模型的类别名称；两类时也可以是 0 和 1。",
            ),
        ),
    ] = "label",
    model: Annotated[str, model_option(DEFAULT_MODEL)] = DEFAULT_MODEL,
) -> int:
    from polysee.apps.sentiment import load_classifier
    from polysee.evaluation.texts import evaluate_texts

    classifier = load_classifier(model, device=common.device, dtype=common.dtype)
    with output.progress_bar(t("Reading", "正在阅读")) as advance:
        result = evaluate_texts(classifier, data, text, label, progress=advance)
    if common.json:
        output.print_json(asdict(result))
        return output.DONE
    print(t(f"{result.count} texts", f"{result.count} 段文字"))
    interval = result.intervals["accuracy"]
    print(f"  accuracy  {result.accuracy:6.1%}  [{interval.low:.1%}, {interval.high:.1%}]")
    print(f"  ece       {result.ece:6.3f}")
    if result.answered < 1:
        share, right = f"{result.answered:.1%}", f"{result.answered_accuracy:.1%}"
        print(
            t(
                f"  {share} are answered, and {right} of these right",
                f"  给出回答的占 {share}，其中 {right} 正确",
            )
        )
    return output.DONE
