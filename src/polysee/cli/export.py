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
            "Write a model as a folder that transformers loads, or its two towers for ONNX Runtime or OpenVINO.\n\n"
            "Example: polysee models export ./my-clip --format onnx --int8 --out my-clip-onnx",
            "把模型导出为 transformers 可以读取的文件夹，或者把图像塔和文字塔导出给 ONNX Runtime 或 OpenVINO。\n\n"
            "例子：polysee models export ./my-clip --format onnx --int8 --out my-clip-onnx",
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


def _int8() -> Any:
    return typer.Option(
        "--int8",
        help=t("Towers in 8 bits: smaller, rougher.", "用 8 位数存储和计算：更小，但较粗略。"),
    )


def export(
    common: Common,
    model: Annotated[str, _model()],
    out: Annotated[Path, _out()],
    form: Annotated[Literal["huggingface", "onnx", "openvino"], _format()] = "huggingface",
    int8: Annotated[bool, _int8()] = False,
) -> int:
    from polysee.apps.export import export_model

    written = export_model(model, out, form, int8=int8)
    if common.json:
        output.print_json(asdict(written))
    else:
        print(f"{written.folder}  {written.bytes / 1e6:.1f} MB  {', '.join(written.files)}")
        names = {"image": t("image tower", "图像塔"), "text": t("text tower", "文字塔")}
        for tower, cosine in written.cosine.items():
            said = t("cosine to the model's own vectors", "与原模型向量的余弦")
            print(f"{names[tower]}: {said} {cosine:.6f}")
    return output.DONE
