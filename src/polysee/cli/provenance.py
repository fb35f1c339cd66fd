"""`polysee inspect`: tell which pictures a machine made."""

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
        "inspect",
        help=t(
            "Say whether a machine made a picture: labels in its file, and a watermark.\n\n"
            "Example: polysee inspect drawings/000007.png",
            "查看图片是否由机器生成：文件中的标识和隐形水印。\n\n"
            "例子：polysee inspect drawings/000007.png",
        ),
    )(inspect)


def inspect(
    common: Common,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", readable=False, help=t("A picture.", "一张图片。")),
    ],
) -> int:
    from polysee.provenance import inspect_picture

    found = inspect_picture(file.expanduser())
    if common.json:
        output.print_json({"text": found.text, "tc260": found.tc260, "watermark": found.watermark})
        return output.DONE
    if found.text is not None:
        model = output.visible(str(found.text.get("model")))
        print(t(f"Label: made by {model}", f"标识：由 {model} 生成"))
    if found.tc260 is not None:
        meaning = _TC260.get(str(found.tc260.get("Label")))
        said = t(*meaning) if meaning else output.visible(str(found.tc260.get("Label")))
        print(t(f"AIGC label (GB 45438): {said}", f"AIGC 标识（GB 45438）：{said}"))
    if found.watermark is not None:
        model = found.watermark["model"]
        print(t(f"Watermark: {model}", f"隐形水印：{model}"))
    if not found.made_by_machine:
        print(t("Nothing says that a machine made it.", "没有发现机器生成的标识。"))
    return output.DONE


_TC260 = {
    "1": ("made by a model", "由模型生成"),
    "2": ("possibly made by a model", "可能由模型生成"),
    "3": ("suspected to be made by a model", "疑似由模型生成"),
}
