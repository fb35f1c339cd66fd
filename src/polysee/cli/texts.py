"""`polysee write` and `polysee translate`."""

from __future__ import annotations

from typing import Annotated

import typer

from polysee.cli import output
from polysee.cli.language import t
from polysee.cli.options import Common, Language, command, model_option

WRITER, TRANSLATOR = "polysee/gpt-nano", "polysee/translator-nano"


def register(app: typer.Typer) -> None:
    """Add the commands, with help in the language that was chosen."""
    command(
        app,
        "write",
        help=t(
            "Go on from a beginning, word by word.\n\n"
            'Example: polysee write "Once upon a time" --seed 1',
            "接着一个开头往下写。\n\n例子：polysee write 一只狗在 --seed 1",
        ),
    )(write)
    command(
        app,
        "translate",
        help=t(
            "Translate a short sentence between Chinese and English.\n\n"
            'Example: polysee translate "I like cats." --to zh',
            "把短句在中文和英文之间互译。\n\n例子：polysee translate 我喜欢猫。 --to en",
        ),
    )(translate)


def write(
    common: Common,
    prompt: Annotated[
        list[str], typer.Argument(metavar="PROMPT…", help=t("How the text begins.", "文字的开头。"))
    ],
    max_tokens: Annotated[
        int,
        typer.Option(
            "--max-tokens", min=1, help=t("The most tokens to write.", "最多写多少个词元。")
        ),
    ] = 150,
    temperature: Annotated[
        float,
        typer.Option(
            "--temperature",
            min=0.0,
            help=t(
                "0 is always the likeliest; higher is bolder.", "0 总取最可能的词，越大越多变。"
            ),
        ),
    ] = 0.7,
    top_k: Annotated[
        int,
        typer.Option(
            "--top-k",
            min=0,
            help=t("Draw from the k likeliest; 0: all.", "只从最可能的 k 个词中选；0 为全部。"),
        ),
    ] = 40,
    top_p: Annotated[
        float,
        typer.Option(
            "--top-p",
            min=0.0,
            max=1.0,
            help=t(
                "Draw from the likeliest that reach p together.", "只从概率合计达到 p 的词中选。"
            ),
        ),
    ] = 0.95,
    repetition_penalty: Annotated[
        float,
        typer.Option(
            "--repetition-penalty",
            help=t("Above 1: repeat less.", "大于 1 时减少重复。"),
        ),
    ] = 1.1,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            min=0,
            help=t("The same seed writes the same text.", "同一个种子写出同样的文字。"),
            show_default=t("by lot", "随机"),
        ),
    ] = None,
    model: Annotated[str, model_option(WRITER)] = WRITER,
) -> int:
    from polysee.apps.texts import write_text

    draft = write_text(
        " ".join(prompt),
        model=model,
        device=common.device,
        dtype=common.dtype,
        seed=seed,
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        repetition_penalty=repetition_penalty,
    )
    if common.json:
        written = "".join(draft.pieces)
        output.print_json({"text": draft.prompt + written, "written": written, "seed": draft.seed})
        return output.DONE
    pieces = iter(draft.pieces)
    first = next(pieces, "")  # what is wrong with the request is said before anything is shown
    print(output.visible(draft.prompt + first, keep="\n"), end="", flush=True)
    for piece in pieces:
        print(output.visible(piece, keep="\n"), end="", flush=True)
    print()
    return output.DONE


def translate(
    common: Common,
    text: Annotated[
        list[str], typer.Argument(metavar="TEXT…", help=t("A short sentence.", "一个短句。"))
    ],
    to: Annotated[
        Language | None,
        typer.Option(
            "--to",
            metavar="zh|en",
            help=t("The language to write.", "译成哪种语言。"),
            show_default=t("the other one", "另一种语言"),
        ),
    ] = None,
    model: Annotated[str, model_option(TRANSLATOR)] = TRANSLATOR,
) -> int:
    from polysee.apps.texts import translate_text

    said = translate_text(" ".join(text), to, model=model, device=common.device, dtype=common.dtype)
    if common.json:
        output.print_json({"text": said})
    else:
        print(output.visible(said, keep="\n"))
    return output.DONE
