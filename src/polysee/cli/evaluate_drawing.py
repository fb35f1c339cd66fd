"""`polysee eval drawing`: how faithful drawings are."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from polysee.cli import output
from polysee.cli.draw import DRAWING_MODEL
from polysee.cli.language import t
from polysee.cli.options import Common, command, model_option

if TYPE_CHECKING:
    from polysee.datasets.scenes_words import Language

JUDGE = "polysee/scene-judge"
ROWS = ("single", "likely", "best", "oracle", "reconstructed", "true")
LANGUAGES: dict[str, Language] = {"en": "english", "zh": "chinese"}


def register(group: typer.Typer) -> None:
    """Add the command to `eval`, with help in the language that was chosen."""
    command(
        group,
        "drawing",
        help=t(
            "Draw prompts that training never combined; a judge says what is there.\n\n"
            "Example: polysee eval drawing --prompts 500 --of 9",
            "画训练中从未组合过的句子，由评判模型检查画出了什么。\n\n"
            "例子：polysee eval drawing --prompts 500 --of 9",
        ),
    )(drawing)


def drawing(
    common: Common,
    prompts: Annotated[
        int, typer.Option("--prompts", min=1, help=t("How many prompts.", "多少个句子。"))
    ] = 500,
    of: Annotated[
        int,
        typer.Option(
            "--of", min=1, help=t("Drawings of each; the best counts.", "每句画几张，取最好的。")
        ),
    ] = 9,
    seed: Annotated[
        int,
        typer.Option("--seed", min=0, help=t("Another, other prompts.", "换种子，就换一批句子。")),
    ] = 0,
    languages: Annotated[
        str,
        typer.Option(
            "--languages",
            metavar="en,zh",
            help=t("Languages of the prompts, in turn.", "句子的语言，轮流使用。"),
        ),
    ] = "en,zh",
    split: Annotated[
        Literal["validation", "test"],
        typer.Option(
            "--split", help=t("Which combinations that were held out.", "哪一部分留出的组合。")
        ),
    ] = "validation",
    judge: Annotated[
        str,
        typer.Option(
            "--judge", metavar="ID|FOLDER", help=t("The judge of scenes.", "评判场景的模型。")
        ),
    ] = JUDGE,
    model: Annotated[str, model_option(DRAWING_MODEL)] = DRAWING_MODEL,
) -> int:
    from polysee.errors import ConfigError, NotSupportedError
    from polysee.evaluation.drawing import evaluate_drawing
    from polysee.inference import load
    from polysee.inference.drawing import ImageGenerator
    from polysee.inference.judging import SceneJudge
    from polysee.inference.matching import bundled_matcher

    named = [name.strip() for name in languages.split(",")]
    if unknown := [name for name in named if name not in LANGUAGES]:
        raise ConfigError(f"unknown language {unknown[0]!r}; en, zh or both")
    judging = load(judge, device=common.device)
    if not isinstance(judging, SceneJudge):
        raise NotSupportedError(f"{judge}: this model does not judge scenes")
    generator = load(model, device=common.device)
    if not isinstance(generator, ImageGenerator):
        raise NotSupportedError(f"{model}: this model does not draw")
    with output.progress_bar(t("Drawing", "正在画")) as advance:
        result = evaluate_drawing(
            generator,
            judging,
            bundled_matcher(common.device),
            prompts=prompts,
            of=of,
            seed=seed,
            split=split,
            languages=[LANGUAGES[name] for name in named],
            progress=advance,
        )
    document = asdict(result)
    if common.json:
        output.print_json(document)
        return output.DONE
    print(t(f"{prompts} prompts, best of {of}", f"{prompts} 个句子，{of} 张中取最好的"))
    for row in ROWS:
        if row == "best" and result.reranker is None:
            continue  # it is that of the drawing model
        print(_names()[row])
        for key, share in document[row].items():
            interval = result.intervals[row][key]
            if share is not None:
                print(f"  {key:<10} {share:6.1%}  [{interval.low:.1%}, {interval.high:.1%}]")
    return output.DONE


def _names() -> dict[str, str]:
    return {
        "single": t("one drawing", "只画一张"),
        "likely": t("best of all by the drawing model", "绘图模型自选的一张"),
        "best": t("best of all by the reranker", "重排后的第一张"),
        "oracle": t("best of all by the judge", "评判认为最好的一张"),
        "reconstructed": t("true pictures through the codes", "真实图片经编码还原"),
        "true": t("true pictures", "真实图片"),
    }
