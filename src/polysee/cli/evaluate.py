"""`polysee eval`: measure a model on a parquet file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polysee.cli import evaluate_drawing, evaluate_texts, output
from polysee.cli.help import Group
from polysee.cli.language import t
from polysee.cli.options import DEFAULT_MODEL, Common, command, model_option, template_option
from polysee.cli.texts import TRANSLATOR

if TYPE_CHECKING:
    from polysee.evaluation.metrics import Interval
    from polysee.media.files import Remark


def register(app: typer.Typer) -> None:
    """Add the group, with help in the language that was chosen."""
    group = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode="rich", callback=_group)
    app.add_typer(
        group,
        name="eval",
        help=t("Measure a model on a parquet file.", "用 parquet 数据文件测量模型的效果。"),
    )
    command(
        group,
        "zero-shot",
        help=t(
            "Name every picture by words alone; the column's distinct values are the choices.\n\n"
            "Example: polysee eval zero-shot --data pictures.parquet --labels label_en",
            "只凭名称给每张图片分类；该列中所有不同的值就是可选的名称。\n\n"
            "例子：polysee eval zero-shot --data pictures.parquet --labels label_zh",
        ),
    )(zero_shot)
    command(
        group,
        "retrieval",
        help=t(
            "Find pictures by captions, and captions by pictures.\n\n"
            "Example: polysee eval retrieval --data pictures.parquet --captions captions_en",
            "用描述找图片，再用图片找描述。\n\n"
            "例子：polysee eval retrieval --data pictures.parquet --captions captions_zh",
        ),
    )(retrieval)
    evaluate_texts.register(group)
    evaluate_drawing.register(group)
    command(
        group,
        "translate",
        help=t(
            "Translate one column, and compare with another.\n\n"
            "Example: polysee eval translate --data pairs.parquet --source en --target zh",
            "翻译一列文字，再与另一列比较。\n\n"
            "例子：polysee eval translate --data pairs.parquet --source en --target zh",
        ),
    )(translate)


def _group(
    lang: Annotated[str | None, typer.Option("--lang", metavar="zh|en", hidden=True)] = None,
) -> None:
    """Options that stand before the command; the language has been read by then."""


def data_option() -> Any:
    """`--data FILE`."""
    return typer.Option(
        "--data",
        metavar="FILE",
        help=t(
            "A parquet file with an `image` column, here or under POLYSEE_DATA.",
            "含有 image 列的 parquet 文件，也可以是 POLYSEE_DATA 下的路径。",
        ),
    )


def zero_shot(
    common: Common,
    data: Annotated[Path, data_option()],
    labels: Annotated[
        str,
        typer.Option(
            "--labels", metavar="COLUMN", help=t("The column of names.", "存放名称的列。")
        ),
    ],
    template: Annotated[list[str] | None, template_option()] = None,
    model: Annotated[str, model_option(DEFAULT_MODEL)] = DEFAULT_MODEL,
) -> int:
    from polysee.evaluation.zero_shot import evaluate_zero_shot
    from polysee.inference.loading import load_embedder

    embedder = load_embedder(model, dtype=common.dtype, device=common.device)
    with output.progress_bar(t("Looking at pictures", "正在看图片")) as advance:
        result = evaluate_zero_shot(embedder, data, labels, templates=template, progress=advance)
    if common.json:
        output.print_json(asdict(result))
    else:
        print(
            t(
                f"{result.count} pictures, {result.classes} names",
                f"{result.count} 张图片，{result.classes} 个名称",
            )
        )
        for key in ("top1", "top5", "mean_per_class"):
            print(_line(key, getattr(result, key), result.intervals[key]))
    return _finish(result.failed)


def retrieval(
    common: Common,
    data: Annotated[Path, data_option()],
    captions: Annotated[
        str,
        typer.Option(
            "--captions",
            metavar="COLUMN",
            help=t("The column of captions, single or lists.", "存放描述的列，可以是列表。"),
        ),
    ],
    model: Annotated[str, model_option(DEFAULT_MODEL)] = DEFAULT_MODEL,
) -> int:
    from polysee.evaluation.retrieval import evaluate_retrieval
    from polysee.inference.loading import load_embedder

    embedder = load_embedder(model, dtype=common.dtype, device=common.device)
    with output.progress_bar(t("Looking at pictures", "正在看图片")) as advance:
        result = evaluate_retrieval(embedder, data, captions, progress=advance)
    if common.json:
        output.print_json(asdict(result))
    else:
        print(
            t(
                f"{result.count} pictures, {result.queries} captions",
                f"{result.count} 张图片，{result.queries} 条描述",
            )
        )
        for direction, name in (
            ("text_to_image", t("picture by caption", "以文找图")),
            ("image_to_text", t("caption by picture", "以图找文")),
        ):
            print(name)
            for key, value in getattr(result, direction).items():
                print(_line(key, value, result.intervals[direction][key]))
    return _finish(result.failed)


def translate(
    common: Common,
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            metavar="FILE",
            help=t(
                "A parquet file of sentences, here or under POLYSEE_DATA.",
                "存放句子的 parquet 文件，也可以是 POLYSEE_DATA 下的路径。",
            ),
        ),
    ],
    source: Annotated[
        str,
        typer.Option("--source", metavar="COLUMN", help=t("The column to read.", "原文所在的列。")),
    ] = "en",
    target: Annotated[
        str,
        typer.Option(
            "--target",
            metavar="COLUMN",
            help=t("The column to compare with: zh or en.", "译文所在的列：zh 或 en。"),
        ),
    ] = "zh",
    model: Annotated[str, model_option(TRANSLATOR)] = TRANSLATOR,
) -> int:
    from polysee.apps.texts import load_translator
    from polysee.evaluation.translation import evaluate_translation

    translator = load_translator(model, dtype=common.dtype, device=common.device)
    with output.progress_bar(t("Translating", "正在翻译")) as advance:
        result = evaluate_translation(translator, data, source, target, progress=advance)
    if common.json:
        output.print_json(asdict(result))
        return output.DONE
    print(t(f"{result.count} sentences", f"{result.count} 个句子"))
    for name in ("chrf", "bleu"):
        interval = result.intervals[name]
        print(
            f"  {name:<5} {getattr(result, name):5.1f}  [{interval.low:.1f}, {interval.high:.1f}]"
        )
    return output.DONE


def _line(key: str, value: float, interval: Interval) -> str:
    return f"  {key:<15} {value:6.1%}  [{interval.low:.1%}, {interval.high:.1%}]"


def _finish(failed: Sequence[Remark]) -> int:
    output.name_failures(failed, t("Could not be read:", "无法读取："))
    return output.SOME_FAILED if failed else output.DONE
