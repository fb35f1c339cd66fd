"""`polysee train`: train a model as a recipe says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polysee.cli import output
from polysee.cli.language import t
from polysee.cli.options import Common, command


def register(app: typer.Typer) -> None:
    """Add the command, with help in the language that was chosen."""
    command(
        app,
        "train",
        help=t(
            "Train a model as a recipe says; a run that was cut off goes on where it was.\n\n"
            "Example: polysee train recipes/clip-scenes.yaml",
            "按配方训练模型；中断的训练会从断点继续。\n\n"
            "例子：polysee train recipes/clip-scenes.yaml",
        ),
    )(train)


def train(
    common: Common,
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE", help=t("A YAML file.", "YAML 文件。"))
    ],
) -> int:
    from polysee.training import train as run_recipe

    result = run_recipe(recipe.expanduser())
    if common.json:
        output.print_json({"run": result.run, "model": result.model, "metrics": result.metrics})
    else:
        print(t(f"Model: {result.model}", f"模型：{result.model}"))
    return output.DONE
