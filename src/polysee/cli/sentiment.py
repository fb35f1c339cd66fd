"""`polysee sentiment`: whether a text praises or blames, and by which words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from polysee.cli import output
from polysee.cli.language import t
from polysee.cli.options import Common, command, model_option

if TYPE_CHECKING:
    from rich.text import Text

    from polysee.apps.sentiment import Sentiment

DEFAULT_MODEL = "polysee/bert-nano"
WEAKEST = 0.15
"""Of the weightiest word's weight: lighter words are not coloured."""


def register(app: typer.Typer) -> None:
    """Add the command, with help in the language that was chosen."""
    command(
        app,
        "sentiment",
        help=t(
            "Say whether a text is positive or negative, how sure that is, and which words carried it.\n\n"
            'Example: polysee sentiment "the room was clean but the staff were rude"',
            "判断一段话是好评还是差评、有多大把握、由哪些词决定。\n\n"
            '例子：polysee sentiment "房间很干净，就是隔音太差"',
        ),
    )(sentiment)


def sentiment(
    common: Common,
    text: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT…",
            help=t(
                "Chinese or English; words are joined by spaces.", "中文或英文；多个词以空格相连。"
            ),
            show_default=False,
        ),
    ],
    model: Annotated[str, model_option(DEFAULT_MODEL)] = DEFAULT_MODEL,
) -> int:
    from polysee.apps.sentiment import read_sentiment

    words = " ".join(text)
    found = read_sentiment(words, model=model, device=common.device, dtype=common.dtype)
    if common.json:
        output.print_json(
            {
                "label": found.label,
                "probability": found.probability,
                "words": [[word.text, word.weight] for word in found.words],
                "likeliest": found.likeliest,
                "chances": found.chances,
            }
        )
    else:
        console = output.console()
        console.print(verdict(found))
        console.print(coloured(words, found))
    return output.DONE


def verdict(found: Sentiment) -> Text:
    """The label and how sure it is."""
    from rich.text import Text

    said = Text(_name(found.label), style=f"bold {_colour(found.label)}")
    chance = f"{found.probability:.0%}"
    if found.label != found.likeliest:
        likeliest = _name(found.likeliest)
        return said.append(
            t(f"  ({likeliest} at {chance} only)", f"（{likeliest}的可能只有 {chance}）"),
            style="not bold default",
        )
    return said.append(f"  {chance}", style="not bold default")


def coloured(text: str, found: Sentiment) -> Text:
    """The text, each word as green as it praises and as red as it blames."""
    from rich.text import Text

    most = max((abs(word.weight) for word in found.words), default=0.0)
    shown, last = Text(), 0
    for word in found.words:
        shown.append(output.visible(text[last : word.start], keep="\n"))
        share = abs(word.weight) / most if most else 0.0
        style = ""
        if share >= WEAKEST:
            style = "green" if word.weight > 0 else "red"
            style = f"bold {style}" if share >= 0.5 else style
        shown.append(output.visible(word.text), style=style)
        last = word.end
    return shown.append(output.visible(text[last:], keep="\n"))


def _name(label: str) -> str:
    names = {
        "positive": t("positive", "好评"),
        "negative": t("negative", "差评"),
        "unsure": t("unsure", "不确定"),
    }
    return names.get(label) or output.visible(label)


def _colour(label: str) -> str:
    return {"positive": "green", "negative": "red", "unsure": "yellow"}.get(label, "cyan")
