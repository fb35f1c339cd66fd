"""`polysee models`: what models there are; download one. `cli/export.py` adds the export."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from polysee.cli import export, output
from polysee.cli.help import Group
from polysee.cli.language import t
from polysee.cli.options import Common, command, with_shared_options


def register(app: typer.Typer) -> None:
    """Add the group, with help in the language that was chosen."""
    group = typer.Typer(cls=Group, rich_markup_mode="rich")
    app.add_typer(group, name="models")
    group.callback(
        invoke_without_command=True,
        help=t(
            "List the bundled models; download or export one.\n\nExample: polysee models --json",
            "列出内置模型；下载或导出模型。\n\n例子：polysee models --json",
        ),
    )(with_shared_options(models))
    command(
        group,
        "download",
        help=t(
            "Download a model, or bring it up to date and check its files; then it works offline.\n\n"
            "HF_ENDPOINT names a mirror, HF_TOKEN your token.\n\n"
            "Example: polysee models download openai/clip-vit-base-patch32",
            "下载模型，或更新并检查已下载的文件；之后可以离线使用。\n\n"
            "镜像站写在 HF_ENDPOINT 中，访问令牌写在 HF_TOKEN 中。\n\n"
            "例子：polysee models download openai/clip-vit-base-patch32",
        ),
    )(download)
    export.register(group)


def models(common: Common, context: typer.Context) -> int | None:
    if context.invoked_subcommand is not None:
        return None
    from polysee.apps.models import describe_bundled_models

    found = describe_bundled_models()
    if common.json:
        output.print_json({"models": found})
    else:
        for model in found:
            size = f"{model.parameters / 1e6:.1f} M, {model.bytes / 1e6:.0f} MB"
            print(f"{model.id}  {model.family}  {size}  {model.licence}")
        if not found:
            output.note(t("No model is bundled.", "没有内置模型。"))
    return output.DONE if found else output.NOTHING_FOUND


def model_argument() -> Any:
    """The model that a command is about."""
    return typer.Argument(
        metavar="ID|FOLDER",
        help=t("owner/name or owner/name@revision.", "所有者/名称，或 所有者/名称@版本。"),
        show_default=False,
    )


def download(common: Common, name: Annotated[str, model_argument()]) -> int:
    from polysee.cli.download import download

    folder = download(name, refresh=True)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if common.json:
        document = {"id": name, "folder": folder, "revision": folder.name, "bytes": size}
        output.print_json(document)
    else:
        print(f"{name}  {size / 1e6:.1f} MB  {folder}")
    return output.DONE
