"""`polysee classify`: choose among names for each picture."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polysee.cli import output
from polysee.cli.language import localised, t
from polysee.cli.options import DEFAULT_MODEL, Common, command, model_option, template_option

if TYPE_CHECKING:
    from polysee.apps.classify import ClassifyReport


def register(app: typer.Typer) -> None:
    """Add the command, with help in the language that was chosen."""
    command(
        app,
        "classify",
        help=t(
            "Say which of several names fits each picture.\n\n"
            "Example: polysee classify *.jpg --labels cat,dog,car",
            "从几个名称中为每张图片选出最合适的。\n\n"
            "例子：polysee classify *.jpg --labels 猫,狗,汽车",
        ),
    )(classify)


def classify(
    common: Common,
    files: Annotated[
        list[Path],
        # one that cannot be read is named, and the others are looked at
        typer.Argument(metavar="FILES…", readable=False, help=t("Pictures.", "图片。")),
    ],
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels",
            metavar="A,B,C",
            help=t("Names, with commas between them.", "名称，用逗号隔开。"),
            show_default=t("what the model was fine-tuned on", "模型微调时的类别"),
        ),
    ] = None,
    template: Annotated[list[str] | None, template_option()] = None,
    model: Annotated[str, model_option(DEFAULT_MODEL)] = DEFAULT_MODEL,
) -> int:
    from polysee.apps.classify import classify_files

    with output.progress_bar(t("Looking at pictures", "正在看图片")) as advance:
        report = classify_files(
            files,
            None if labels is None else split_labels(labels),
            model=model,
            device=common.device,
            dtype=common.dtype,
            templates=template,
            progress=advance,
        )
    if common.json:
        failed = [{"path": one.path, "reason": localised(one.reason)} for one in report.failed]
        output.print_json({"results": report.results, "failed": failed})
    else:
        print_report(report)
    output.name_failures(report.failed, t("Could not be read:", "无法读取："))
    if not report.results:
        return output.WRONG_REQUEST
    return output.SOME_FAILED if report.failed else output.DONE


def split_labels(text: str) -> list[str]:
    """Names between commas of either script, each once, in the order given.

    Example:
        >>> split_labels("猫，狗, car,猫")
        ['猫', '狗', 'car']
    """
    names = [name.strip() for name in re.split("[,，、]", text)]
    return list(dict.fromkeys(name for name in names if name))


def print_report(report: ClassifyReport) -> None:
    """The best three names of each picture."""
    for picture in report.results:
        best = ", ".join(f"{guess.label} {guess.probability:.0%}" for guess in picture.labels[:3])
        print(f"{output.shorten(picture.path)}: {best}")
