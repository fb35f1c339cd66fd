"""`polysee index`: read pictures into a library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polysee.cli import output
from polysee.cli.language import localised, t
from polysee.cli.options import Common, command, library_option, model_option

if TYPE_CHECKING:
    from polysee.library import IndexReport
    from polysee.media.files import Remark


def register(app: typer.Typer) -> None:
    """Add the command, with help in the language that was chosen."""
    command(
        app,
        "index",
        help=t(
            "Read pictures into the library; what has not changed is skipped.\n\n"
            "Example: polysee index ~/Pictures",
            "把图片读入图库；没有变化的图片会跳过。\n\n例子：polysee index ~/Pictures",
        ),
    )(index)


def index(
    common: Common,
    paths: Annotated[
        list[str],  # a Path would make of an empty one the folder that the user stands in
        typer.Argument(metavar="PATHS…", help=t("Folders and pictures.", "文件夹和图片。")),
    ],
    library: Annotated[Path | None, library_option()] = None,
    model: Annotated[str | None, model_option(t("the library's own", "图库自己的模型"))] = None,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune",
            help=t("Forget files that are gone from PATHS.", "从图库中去掉已经删除的文件。"),
        ),
    ] = False,
    ocr: Annotated[
        bool,
        typer.Option(
            "--ocr",
            help=t("Also read the words in the pictures.", "同时识别图片中的文字。"),
        ),
    ] = False,
    watermarks: Annotated[
        bool,
        typer.Option(
            "--watermarks",
            help=t(
                "Also look for watermarks of machines that made pictures.",
                "同时查找机器生成图片的隐形水印。",
            ),
        ),
    ] = False,
) -> int:
    from polysee.library import Library

    opened = Library(library, model=model, device=common.device, dtype=common.dtype)
    with output.progress_bar(t("Reading pictures", "正在读取图片")) as advance:
        report = opened.index(paths, prune=prune, progress=advance, ocr=ocr, watermarks=watermarks)
    if common.json:
        output.print_json(document(report))
    else:
        print_report(report)
    if not any((_done(report), report.failed)):
        output.note(t("No pictures were found there.", "那里没有找到图片。"))
    output.name_failures(report.warned, t("Please note:", "请注意："))
    output.name_failures(report.failed, t("Could not be read:", "无法读取："))
    return _code(report, paths)


def _done(report: IndexReport) -> int:
    return report.added + report.unchanged + report.moved + report.removed


def _code(report: IndexReport, paths: Sequence[str]) -> int:
    """Nothing could be done where each of the paths that were named is itself no good."""
    from polysee.media.files import absolute

    if not report.failed:
        return output.DONE
    given = {absolute(path) for path in paths}
    hopeless = not _done(report) and {item.path for item in report.failed} == given
    return output.WRONG_REQUEST if hopeless else output.SOME_FAILED


def document(report: IndexReport) -> dict[str, object]:
    """The keys that scripts rely on."""
    return {
        "added": report.added,
        "unchanged": report.unchanged,
        "moved": report.moved,
        "removed": report.removed,
        "failed": _named(report.failed),
        "warned": _named(report.warned),
        "seconds": report.seconds,
        "model_seconds": report.model_seconds,
    }


def _named(remarks: Sequence[Remark]) -> list[dict[str, str]]:
    return [{"path": item.path, "reason": localised(item.reason)} for item in remarks]


def print_report(report: IndexReport) -> None:
    """One line for people, and what to do next."""
    counts = t(
        f"{report.added} added, {report.unchanged} unchanged, {report.moved} moved, "
        f"{report.removed} removed in {report.seconds:.1f} s",
        f"新增 {report.added} 张，未变 {report.unchanged} 张，移动 {report.moved} 张，"
        f"移除 {report.removed} 张，用时 {report.seconds:.1f} 秒",
    )
    print(counts)
    if report.added:
        print(t("Now try: polysee search a cat on a sofa", "试试看：polysee search 沙发上的猫"))
