"""`polysee demo`: what `make demo` runs. Indexes the samples, asks, and writes a page."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polysee.cli import output
from polysee.cli.language import t
from polysee.cli.options import Common, command
from polysee.errors import DataError

if TYPE_CHECKING:
    from polysee.cli.gallery import Section
    from polysee.library import IndexReport

TOP = 8


@dataclass(frozen=True)
class Question:
    """One query of the demo, and what it is here to show."""

    query: str
    english: str = ""
    chinese: str = ""


QUESTIONS = (
    Question("一只猫", "asked in Chinese: a cat", "用中文提问"),
    Question("a cup of coffee", "asked in English", "用英文提问：一杯咖啡"),
    Question("海边的日落", "sunset by the sea", "海边的日落"),
    Question("mountains without snow", "negation is understood", "能理解否定：没有雪的山"),
    Question("没有人的海滩", "negation in Chinese: a beach without people", "能理解否定"),
    Question(
        "an X-ray of a broken submarine",
        "nothing like it is here, and it says so",
        "图库里没有，就说没有",
    ),
)


def register(app: typer.Typer) -> None:
    """Add the command; it is of use in a checkout only, so help does not list it."""
    command(app, "demo", help=t("Try Polysee on the samples.", "用样例图片试用。"), hidden=True)(
        demo
    )


def demo(
    common: Common,
    samples: Annotated[Path, typer.Option("--samples", metavar="DIR")] = Path("samples"),
    media: Annotated[Path | None, typer.Option("--media", metavar="DIR")] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR")] = Path("demo-out"),
) -> int:
    from polysee.cli.gallery import write_gallery

    if not samples.is_dir():
        raise DataError(f"{samples}: there is no such folder; run the demo in the checkout's root")
    started = time.perf_counter()
    library = out / "library"
    folders = [samples, *([media] if media else [])]
    report = _index(folders, library, common)
    sections = [_ask(question, library, common) for question in QUESTIONS]
    sections.append(_ask_by_picture(samples, library, common))
    count = report.added + report.unchanged + report.moved
    page = write_gallery(
        out / "index.html",
        sections,
        title="Polysee",
        facts_en=f"{count} pictures, read in {report.seconds:.0f} s",
        facts_zh=f"{count} 张图片，读取用时 {report.seconds:.0f} 秒",
    )
    seconds = time.perf_counter() - started
    if common.json:
        output.print_json({"page": str(page), "pictures": count, "seconds": seconds})
    else:
        _say_what_next(page, library, media)
    output.name_failures(report.failed, t("Could not be read:", "无法读取："))
    return output.SOME_FAILED if report.failed else output.DONE


def _index(folders: Sequence[Path], library: Path, common: Common) -> IndexReport:
    from polysee.apps.find import index_pictures

    with output.progress_bar(t("Reading pictures", "正在读取图片")) as advance:
        return index_pictures(
            folders,
            library=library,
            device=common.device,
            dtype=common.dtype,
            progress=advance,
        )


def _ask(question: Question, library: Path, common: Common) -> Section:
    from polysee.apps.find import search_pictures
    from polysee.cli.gallery import Section

    result = search_pictures(
        question.query, top=TOP, library=library, device=common.device, dtype=common.dtype
    )
    output.note(_summary(question.query, len(result.hits)))
    return Section(
        query=question.query,
        hits=result.hits,
        excluded=result.excluded,
        remark_en=question.english,
        remark_zh=question.chinese,
    )


def _ask_by_picture(samples: Path, library: Path, common: Common) -> Section:
    """The first picture that the first question found, or any."""
    from polysee.apps.find import search_pictures
    from polysee.cli.gallery import Section

    found = search_pictures(QUESTIONS[0].query, top=1, everything=True, library=library)
    picture = Path(found.hits[0].path)
    result = search_pictures(
        image=picture, top=TOP, library=library, device=common.device, dtype=common.dtype
    )
    output.note(_summary(picture.name, len(result.hits)))
    return Section(
        query="",
        image=picture,
        hits=result.hits,
        remark_en="a picture can be the question, too",
        remark_zh="也可以用一张图片来提问",
    )


def _summary(question: str, count: int) -> str:
    found = t(f"{count} found", f"找到 {count} 张") if count else t("nothing matches", "没有符合的")
    return f"  {question}: {found}"


def _say_what_next(page: Path, library: Path, media: Path | None) -> None:
    print(t(f"\nLook at it: {page.as_uri()}", f"\n打开看看：{page.as_uri()}"))
    print(t("Then try:", "接下来可以试试："))
    print(f"  .venv/bin/polysee search --library {library} {t('a red flower', '红色的花')}")
    if media is None:
        print("  make demo MEDIA=~/Pictures")
    print("  .venv/bin/polysee index ~/Pictures")
