"""`polysee search`: find pictures by a sentence, by a picture, or by both."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from polysee.cli import output
from polysee.cli.language import t
from polysee.cli.options import Common, command, library_option, model_option
from polysee.library.weights import IMAGE_WEIGHT, TEXT_WEIGHT

if TYPE_CHECKING:
    from polysee.library import SearchResult
    from polysee.library.dates_calendar import Period

OLDEST, FAR = 1826, 9999
"""Years that stand for no beginning and no end."""


def register(app: typer.Typer) -> None:
    """Add the command, with help in the language that was chosen."""
    command(
        app,
        "search",
        help=t(
            "Find pictures by a sentence in Chinese or English, or by another picture.\n\n"
            "Examples: polysee search a beach without people · polysee search --image cat.jpg",
            "用一句中文或英文，或者用另一张图片来找图片。\n\n"
            "例子：polysee search 没有人的海滩 · polysee search --image cat.jpg",
        ),
    )(search)


def search(
    common: Common,
    query: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="QUERY…",
            help=t("What to look for; all words are one query.", "要找什么；所有的词合成一句。"),
        ),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(
            "--image",
            metavar="FILE",
            readable=False,  # whether it is one is found out, and said, when it is opened
            help=t("Find pictures like this.", "找相似的图片。"),
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--not", metavar="TEXT", help=t("What must not show.", "不要出现的东西。")),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", metavar="DIR", help=t("Only within DIR.", "只在这个文件夹里找。")),
    ] = None,
    after: Annotated[
        str | None,
        typer.Option(
            "--after", metavar="DATE", help=t("Taken on or after DATE.", "在此日期当天或之后拍摄。")
        ),
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(
            "--before", metavar="DATE", help=t("Taken before DATE.", "在此日期之前拍摄。")
        ),
    ] = None,
    made_by_machine: Annotated[
        Literal["yes", "no"] | None,
        typer.Option(
            "--made-by-machine",
            metavar="yes|no",
            help=t(
                "Only pictures that say a machine made them, or only others.",
                "只找标明由机器生成的图片，或者只找其他图片。",
            ),
        ),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", min=1, help=t("Show at most this many.", "最多显示多少张。"))
    ] = 20,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help=t("Also show what is hardly relevant.", "也显示不太相关的图片。")
        ),
    ] = False,
    text_weight: Annotated[
        float,
        typer.Option(
            "--text-weight",
            min=0,
            help=t("Weight of the words beside --image.", "与 --image 同用时文字的权重。"),
        ),
    ] = TEXT_WEIGHT,
    image_weight: Annotated[
        float,
        typer.Option(
            "--image-weight",
            min=0,
            help=t("Weight of --image beside words.", "与文字同用时图片的权重。"),
        ),
    ] = IMAGE_WEIGHT,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help=t("Also write a page.", "同时写成网页。")),
    ] = None,
    library: Annotated[Path | None, library_option()] = None,
    model: Annotated[str | None, model_option(t("the library's own", "图库自己的模型"))] = None,
) -> int:
    from polysee.library import Library

    sentence = " ".join(query or []).strip()
    opened = Library(library, model=model, device=common.device, dtype=common.dtype)
    result = opened.search(
        sentence,
        image=image.expanduser() if image else None,
        exclude=exclude or [],
        folder=folder,
        after=after,
        before=before,
        top=top,
        everything=everything,
        text_weight=text_weight,
        image_weight=image_weight,
        made_by_machine=None if made_by_machine is None else made_by_machine == "yes",
    )
    if html is not None:  # before the result, since what cannot be written is the one answer
        _write_page(html, sentence, image, result)
    if common.json:
        output.print_json(document(result))
    else:
        print_result(result, everything=everything)
    return output.DONE if result.hits else output.NOTHING_FOUND


def document(result: SearchResult) -> dict[str, object]:
    """The keys that scripts rely on."""
    return {
        "hits": [
            {
                "path": str(hit.path),
                "score": float(hit.score),
                "relevance": float(hit.relevance),
                "kind": hit.kind,
                "also": [str(path) for path in hit.also],
            }
            for hit in result.hits
        ],
        "excluded": list(result.excluded),
        "dates": [_ends(period) for period in result.dates],
        "excluded_dates": [_ends(period) for period in result.excluded_dates],
        "places": list(result.places),
        "excluded_places": list(result.excluded_places),
        "seconds": result.seconds,
        "model_seconds": result.model_seconds,
    }


def _ends(period: Period) -> dict[str, str | None]:
    """The first moment, and the first after it; None for none."""
    start, end = period.start, period.end
    return {
        "start": start.isoformat() if start.year > OLDEST else None,
        "end": end.isoformat() if end.year < FAR else None,
    }


def _say_period(period: Period) -> str:
    """A period for people, whose last day is its own.

    Example:
        >>> from polysee.library.dates_calendar import months
        >>> _say_period(months(2023, 6, 3))
        '2023-06-01 – 2023-08-31'
    """
    start, last = period.start, period.end - timedelta(seconds=1)
    first, final = str(start.date()), str(last.date())
    if start.year <= OLDEST:
        return f"… – {final}"
    if last.year >= FAR:
        return f"{first} – …"
    return first if first == final else f"{first} – {final}"


def _say_periods(periods: Sequence[Period]) -> str:
    few = [_say_period(period) for period in periods[-3:]]
    return _listed(few if len(periods) <= 3 else ["…", *few])


def _listed(names: Sequence[str]) -> str:
    return t(", ", "、").join(names)


def _conditions(result: SearchResult) -> list[tuple[str, str]]:
    """When and where hits are from, as it was understood, in both languages."""
    said = []
    if result.dates:
        when = _say_periods(result.dates)
        said.append((f"Taken: {when}", f"拍摄时间：{when}"))
    if result.excluded_dates:
        when = _say_periods(result.excluded_dates)
        said.append((f"Not taken: {when}", f"拍摄时间不在：{when}"))
    if result.places:
        where = _listed(result.places)
        said.append((f"Place: {where}", f"地点：{where}"))
    if result.excluded_places:
        where = _listed(result.excluded_places)
        said.append((f"Not in: {where}", f"地点不在：{where}"))
    return said


def print_result(result: SearchResult, *, everything: bool = False) -> None:
    """A table that people read: how relevant, and where.

    Args:
        everything: whether what is hardly relevant was asked for, too.
    """
    for english, chinese in _conditions(result):
        output.note(t(english, chinese))
    if result.excluded:
        words = _listed(result.excluded)
        output.note(t(f"Without: {words}", f"不含：{words}"))
    if result.unread_origins:
        count = result.unread_origins
        output.note(
            t(
                f"Of {count} pictures it is not known who made them: `polysee index --watermarks` reads it.",
                f"有 {count} 张图片还没有读过生成标识：请运行 `polysee index --watermarks`。",
            )
        )
    if not result.hits:
        output.note(_nothing(result, everything))
        return
    for hit in result.hits:
        percent = f"{hit.relevance:4.0%}"
        print(f"{percent} {output.relevance_bar(hit.relevance)} {output.shorten(str(hit.path))}")
        for path in hit.also:
            print(f"{'':>16}= {output.shorten(str(path))}")


def _nothing(result: SearchResult, everything: bool) -> str:
    if not result.candidates:
        return t(
            "No picture is left to look among: the library is empty, or none is of the folder, the "
            "time, the place or the maker that was asked for.",
            "没有可供查找的图片：图库是空的，或者没有一张符合所要的文件夹、时间、地点或来源。",
        )
    if everything:
        return t("Nothing in the library matches.", "图库中没有符合的图片。")
    return t(
        "Nothing in the library matches. --all shows what comes nearest.",
        "图库中没有符合的图片。加上 --all 可以看最接近的。",
    )


def _write_page(html: Path, sentence: str, image: Path | None, result: SearchResult) -> None:
    from polysee.cli.gallery import Section, write_gallery

    section = Section(
        query=sentence,
        image=image,
        hits=list(result.hits),
        excluded=result.excluded,
        conditions=_conditions(result),
    )
    written = write_gallery(html.expanduser(), [section])
    output.note(t(f"Page: {written}", f"网页：{written}"))
