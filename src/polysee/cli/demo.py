"""`polysee demo`: what `make demo` runs. Indexes the samples, asks, and writes a page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polysee.cli import output
from polysee.cli.language import t
from polysee.cli.options import DEFAULT_MODEL, Common, command, model_option
from polysee.errors import DataError

if TYPE_CHECKING:
    from polysee.cli.gallery import Section
    from polysee.library import Library

TOP = 8
PICTURE = "suspension-bridge-at-night.jpg"


@dataclass(frozen=True)
class Question:
    """One query of the demo, and what it is here to show."""

    query: str
    english: str
    chinese: str


@dataclass(frozen=True)
class Absent(Question):
    """A query for what the samples do not hold; what the model shows all the same is a mistake."""

    english: str = "no sample shows one; a sample that stands here is a mistake"
    chinese: str = "样例里没有；这里若出现样例图片，就是认错了"


QUESTIONS = (
    Question("a castle by the water", "a sentence in English", "英文句子：水边的城堡"),
    Question("猫", "one word in Chinese: a cat", "一个中文词"),
    Question("夜晚的桥", "a bridge at night", "中文短语"),
    Question(
        "musicians on a stage", "people, and what they do", "人和他们在做的事：舞台上的音乐家"
    ),
    Question(
        "a castle without water",
        "what must not show is understood",
        "能理解否定：没有水的城堡",
    ),
    Question("没有房子的山", "the same in Chinese: mountains without houses", "中文的否定"),
    Absent("a birthday cake"),
    Absent("洗衣机"),
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
    model: Annotated[str, model_option(DEFAULT_MODEL)] = DEFAULT_MODEL,
) -> int:
    from polysee.cli.gallery import write_gallery
    from polysee.library import Library

    if not samples.is_dir():
        raise DataError(f"{samples}: there is no such folder; run the demo in the checkout's root")
    library = Library(out / "library", model=model, device=common.device, dtype=common.dtype)
    folders = [samples, *([media] if media else [])]
    with output.progress_bar(t("Reading pictures", "正在读取图片")) as advance:
        report = library.index(folders, progress=advance)
    count = report.added + report.unchanged + report.moved
    page = write_gallery(
        out / "index.html",
        [*(_ask(question, library) for question in QUESTIONS), _ask_by_picture(samples, library)],
        facts_en=f"{count} pictures, on this machine",
        facts_zh=f"{count} 张图片，都在本机",
    )
    if common.json:
        output.print_json({"page": page, "pictures": count})
    else:
        _say_what_next(page, library.path, media)
    output.name_failures(report.failed, t("Could not be read:", "无法读取："))
    return output.SOME_FAILED if report.failed else output.DONE


def _ask(question: Question, library: Library) -> Section:
    from polysee.cli.gallery import Section

    result = library.search(question.query, top=TOP)
    output.note(_summary(question.query, len(result.hits)))
    right = isinstance(question, Absent) and not result.hits
    return Section(
        query=question.query,
        hits=result.hits,
        excluded=result.excluded,
        remark_en="there is none, and it says so" if right else question.english,
        remark_zh="没有，就说没有" if right else question.chinese,
    )


def _ask_by_picture(samples: Path, library: Library) -> Section:
    from polysee.cli.gallery import Section

    picture = samples / PICTURE
    result = library.search(image=picture, top=TOP)
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
    print(t(f"Look at it: {page.as_uri()}", f"打开看看：{page.as_uri()}"))
    print(t("Then try:", "接下来可以试试："))
    words = t("a cup of coffee", "一杯咖啡")
    print(f"  .venv/bin/polysee search --library {output.shorten(str(library))} {words}")
    if media is None:
        print("  make demo MEDIA=~/Pictures")
    print("  .venv/bin/polysee index ~/Pictures")
