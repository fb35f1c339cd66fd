"""`polysee draw`: pictures from a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polysee.cli import output
from polysee.cli.language import t
from polysee.cli.options import Common, command, model_option

if TYPE_CHECKING:
    from polysee.apps.draw import DrawReport

DRAWING_MODEL = "polysee/dalle-nano"


def register(app: typer.Typer) -> None:
    """Add the command, with help in the language that was chosen."""
    command(
        app,
        "draw",
        help=t(
            "Draw a sentence; the pictures say that a machine made them.\n\n"
            'Example: polysee draw "a dog wearing a hat" -n 9 --seed 7',
            "把一句话画成图片；图片会标明由机器生成。\n\n"
            "例子：polysee draw 一只戴着帽子的狗 -n 9 --seed 7",
        ),
    )(draw)


def draw(
    common: Common,
    prompt: Annotated[
        list[str], typer.Argument(metavar="PROMPT", help=t("What to draw.", "画什么。"))
    ],
    count: Annotated[
        int, typer.Option("-n", min=1, max=64, help=t("How many pictures.", "画几张。"))
    ] = 1,
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            min=0,
            max=2**63 - 1,
            help=t("Same seed, same picture.", "种子相同，图片相同。"),
        ),
    ] = 0,
    guidance: Annotated[
        float | None,
        typer.Option(
            "--guidance",
            min=0.0,
            max=100.0,
            help=t("How closely to follow the words.", "紧跟文字的程度。"),
            show_default=t("2; of a pipeline its own", "2；diffusers 管线用自己的默认值"),
        ),
    ] = None,
    temperature: Annotated[
        float, typer.Option("--temperature", min=0.0, help=t("How freely to draw.", "画得多自由。"))
    ] = 0.5,
    style: Annotated[
        str | None,
        typer.Option(
            "--style",
            metavar="noto|fluent",
            help=t("Style of the art.", "画风。"),
            show_default=t("any", "任意"),
        ),
    ] = None,
    negative: Annotated[
        str | None,
        typer.Option("--negative", metavar="TEXT", help=t("What not to draw.", "不要画什么。")),
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option("--init", metavar="FILE", help=t("A picture to finish.", "要续画的图片。")),
    ] = None,
    keep: Annotated[
        float | None,
        typer.Option(
            "--keep",
            min=0.0,
            max=1.0,
            help=t("Which share of --init stays, from above.", "从上往下保留 --init 的多少。"),
            show_default="0.5",
        ),
    ] = None,
    vary: Annotated[
        float | None,
        typer.Option(
            "--vary",
            min=0.0,
            max=1.0,
            help=t(
                "Of --init, a variation: so large a share is drawn anew.",
                "画 --init 的变体：重画多大比例。",
            ),
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps",
            min=1,
            help=t("Steps of a pipeline of diffusers.", "diffusers 管线的步数。"),
            show_default=t("its own", "其自己的默认值"),
        ),
    ] = None,
    rerank: Annotated[
        bool, typer.Option("--rerank", help=t("The best first.", "最符合的排在前面。"))
    ] = False,
    label: Annotated[
        bool, typer.Option("--label", help=t("A label that people see.", "加上看得见的标识。"))
    ] = False,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help=t("Where to write.", "保存到哪里。"))
    ] = Path("drawings"),
    model: Annotated[str, model_option(DRAWING_MODEL)] = DRAWING_MODEL,
) -> int:
    from polysee.apps.draw import Start, draw_pictures
    from polysee.errors import QueryError
    from polysee.inference.drawing import Steering

    if init is None and (keep is not None or vary is not None):
        raise QueryError("--keep and --vary go with --init")
    with output.progress_bar(t("Drawing", "正在画")) as advance:
        report = draw_pictures(
            " ".join(prompt),
            out.expanduser(),
            model=model,
            count=count,
            steering=Steering(
                seed, guidance, temperature, style=style, negative=negative, steps=steps
            ),
            start=None if init is None else Start(init.expanduser(), keep, vary),
            visible=label,
            rerank=rerank,
            device=common.device,
            dtype=common.dtype,
            progress=advance,
        )
    if common.json:
        output.print_json(_document(report))
    else:
        _show(report)
    return output.SOME_FAILED if report.held_back else output.DONE


def _document(report: DrawReport) -> dict[str, Any]:
    return {
        "files": [path.absolute() for path in report.files],
        "sheet": None if report.sheet is None else report.sheet.absolute(),
        "seed": report.seed,
        "seconds": round(report.seconds, 3),
        "scores": [round(score, 4) for score in report.scores],
        "unknown_words": report.unknown_words,
        "held_back": report.held_back,
        "negative": report.negative,
    }


def _show(report: DrawReport) -> None:
    for path in report.files:
        print(output.shorten(str(path)))
    if report.sheet is not None:
        print(t("All on one sheet: ", "全部图片：") + output.shorten(str(report.sheet)))
    comma = t(", ", "、")
    if report.negative:
        output.note(t("Not to be there: ", "不要画：") + output.visible(report.negative))
    if report.unknown_words:
        words = comma.join(map(output.visible, report.unknown_words))
        output.note(
            t(
                f"The model does not know these words, and does not draw them: {words}",
                f"模型不认识这些词，不会画出来：{words}",
            )
        )
    if report.held_back:
        seeds = comma.join(map(str, report.held_back))
        output.note(
            t(
                f"The model's own filter held back the pictures of seeds {seeds}",
                f"模型自带的过滤器扣下了这些种子的图片：{seeds}",
            )
        )
