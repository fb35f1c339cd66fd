"""`polysee models export`: a model for other programs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from polysee.cli import output
from polysee.cli.language import t
from polysee.cli.options import Common, command


def register(group: typer.Typer) -> None:
    """Add the command, with help in the language that was chosen."""
    command(
        group,
        "export",
        help=t(
            "Write a model as a folder that transformers loads.\n\n"
            "Example: polysee models export ./my-clip --format huggingface --out my-clip-hf",
            "把模型导出为 transformers 可以读取的文件夹。\n\n"
            "例子：polysee models export ./my-clip --format huggingface --out my-clip-hf",
        ),
    )(export)


def _model() -> Any:
    return typer.Argument(
        metavar="ID|FOLDER",
        help=t(
            "A bundled model, a folder, or owner/name.", "内置模型、模型文件夹，或 所有者/名称。"
        ),
        show_default=False,
    )


def _format() -> Any:
    return typer.Option("--format", help=t("The form to write.", "导出的格式。"))


def _out() -> Any:
    return typer.Option(
        "--out",
        metavar="DIR",
        help=t("A folder that is not there yet.", "一个还不存在的文件夹。"),
        show_default=False,
    )


def export(
    common: Common,
    model: Annotated[str, _model()],
    out: Annotated[Path, _out()],
    form: Annotated[Literal["huggingface"], _format()] = "huggingface",
) -> int:
    from polysee.apps.export import export_model

    written = export_model(model, out, form)
    if common.json:
        output.print_json(asdict(written))
    else:
        print(f"{written.folder}  {written.bytes / 1e6:.1f} MB  {', '.join(written.files)}")
    return output.DONE
