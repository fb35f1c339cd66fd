"""`polysee duplicates`: files that show the same; nothing is deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polysee.cli import output
from polysee.cli.language import t
from polysee.cli.options import Common, command, library_option

if TYPE_CHECKING:
    from polysee.library import DuplicateGroup, Library


def register(app: typer.Typer) -> None:
    """Add the command, with help in the language that was chosen."""
    command(
        app,
        "duplicates",
        help=t(
            "List pictures of the library that show the same: identical files, variants that were encoded "
            "or sized anew, and shots of one burst. Nothing is deleted.\n\n"
            "Example: polysee duplicates --html duplicates.html",
            "列出图库中内容相同的图片：完全相同的文件、重新编码或缩放过的版本，以及连拍。不会删除任何文件。\n\n"
            "例子：polysee duplicates --html duplicates.html",
        ),
    )(duplicates)


def duplicates(
    common: Common,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", metavar="DIR", help=t("Only within DIR.", "只在这个文件夹里找。")),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help=t("Also write a page to look at.", "同时写成网页。")
        ),
    ] = None,
    library: Annotated[Path | None, library_option()] = None,
) -> int:
    from polysee.library import Library

    opened = Library(library, device=common.device, dtype=common.dtype)
    with output.progress_bar(t("Comparing pictures", "正在比较图片")) as advance:
        groups = opened.duplicates(folder=folder, progress=advance)
    if html is not None:
        written = _write_page(html, groups, opened)
        output.note(t(f"Page: {written}", f"网页：{written}"))
    if common.json:
        output.print_json(document(groups))
    else:
        print_groups(groups)
    return output.DONE if groups else output.NOTHING_FOUND


def document(groups: Sequence[DuplicateGroup]) -> dict[str, object]:
    """The keys that scripts rely on."""
    return {
        "groups": [
            {
                "class": group.kind,
                "paths": list(group.paths),
                "contents": [list(paths) for paths in group.contents],
            }
            for group in groups
        ]
    }


def kind_of(group: DuplicateGroup) -> str:
    """The class of a group in the user's language."""
    names = {
        "identical": t("identical", "完全相同"),
        "variant": t("variants", "不同版本"),
        "burst": t("burst", "连拍"),
    }
    return names[group.kind]


def print_groups(groups: Sequence[DuplicateGroup]) -> None:
    """A list that people read: each group with its files, the likely original first."""
    if not groups:
        output.note(t("Nothing in the library shows the same twice.", "图库中没有重复的图片。"))
    for group in groups:
        print(f"{kind_of(group)}:")
        for path in group.paths:
            print(f"  {output.shorten(path)}")


@dataclass(frozen=True)
class Card:
    """What the page needs of one content."""

    names: tuple[str, ...]
    folder: str
    link: str
    picture: str
    ratio: float


def _write_page(file: Path, groups: Sequence[DuplicateGroup], library: Library) -> Path:
    from polysee.cli.pages import thumbnail, write_page

    shown = []
    for group in groups:
        small = library.thumbnails(group.hashes)
        cards = []
        for digest, paths in zip(group.hashes, group.contents, strict=True):
            picture, ratio = thumbnail(small.get(digest, b""))
            path = Path(paths[0])
            names = tuple(Path(other).name for other in paths)
            cards.append(Card(names, str(path.parent), path.absolute().as_uri(), picture, ratio))
        shown.append({"kind": group.kind, "cards": cards})
    files = sum(len(group.paths) for group in groups)
    return write_page(
        file.expanduser(),
        "duplicates.html.j2",
        title="Polysee",
        facts_en=f"{len(groups)} groups, {files} files that show the same",
        facts_zh=f"{len(groups)} 组，共 {files} 个内容相同的文件",
        shown=shown,
    )
