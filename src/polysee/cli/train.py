"""`polysee train`: train a model as a recipe says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from polysee.cli import output
from polysee.cli.language import t
from polysee.cli.options import Common, command
from polysee.errors import NotSupportedError


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
    anew: Annotated[
        bool,
        typer.Option("--anew", help=t("Begin from the first step.", "从头开始，不接着上次训练。")),
    ] = False,
) -> int:
    try:
        from polysee.training.recipe import read_recipe
        from polysee.training.run import train as run_recipe
    except ModuleNotFoundError as error:
        if error.name != "lightning":
            raise
        raise NotSupportedError(
            t(
                "training needs the extra `train`: pip install 'polysee[train]'",
                "训练需要安装附加组件：pip install 'polysee[train]'",
            )
        ) from error
    asked = read_recipe(recipe.expanduser())
    model = run_recipe(asked, resume=not anew, progress=sys.stderr.isatty())
    if common.json:
        output.print_json({"model": model.absolute()})
    else:
        print(t(f"Model: {model}", f"模型：{model}"))
    return output.DONE
