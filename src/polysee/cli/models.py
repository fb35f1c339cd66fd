"""`polysee models`: what models there are."""

from __future__ import annotations

import typer

from polysee.cli import output
from polysee.cli.language import t
from polysee.cli.options import Common, command


def register(app: typer.Typer) -> None:
    """Add the command, with help in the language that was chosen."""
    command(
        app,
        "models",
        help=t(
            "List the bundled models.\n\nExample: polysee models --json",
            "列出内置模型。\n\n例子：polysee models --json",
        ),
    )(models)


def models(common: Common) -> int:
    from polysee.apps.models import bundled_models

    found = bundled_models()
    if common.json:
        output.print_json({"models": found})
    else:
        for model in found:
            size = f"{model.parameters / 1e6:.1f} M, {model.bytes / 1e6:.0f} MB"
            print(f"{model.id}  {model.family}  {size}  {model.licence}")
        if not found:
            output.note(t("No model is bundled.", "没有内置模型。"))
    return output.DONE if found else output.NOTHING_FOUND
