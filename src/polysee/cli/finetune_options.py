"""Options that every `polysee finetune` command has; functions, since their help is in the user's language."""

from __future__ import annotations

from typing import Any

import typer

from polysee.cli.language import t


def out_option() -> Any:
    """`--out FOLDER`."""
    return typer.Option(
        "--out", metavar="FOLDER", help=t("Where the model is written.", "模型写到哪里。")
    )


def rate_option() -> Any:
    """`--rate`."""
    return typer.Option(
        "--rate",
        min=0.0,
        help=t("Of learning.", "学习率。"),
        show_default=t("the method's own", "随方式而定"),
    )


def rank_option() -> Any:
    """`--rank`."""
    return typer.Option("--rank", min=1, help=t("Of lora.", "lora 的秩。"))


def held_out_option() -> Any:
    """`--held-out`."""
    return typer.Option(
        "--held-out",
        min=0.01,
        max=0.9,
        help=t("The share that says when to stop.", "留出来决定何时停止的比例。"),
    )


def patience_option() -> Any:
    """`--patience`."""
    return typer.Option(
        "--patience",
        min=1,
        help=t("Stop after so many epochs without a gain.", "连续多少轮没有进步就停止。"),
    )


def seed_option() -> Any:
    """`--seed`."""
    return typer.Option("--seed", min=0, help=t("Of all chance.", "随机种子。"))
