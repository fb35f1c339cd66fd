"""A page of results: one self-contained HTML file that opens from disk, in both languages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from polysee.cli.pages import thumbnail, write_page

if TYPE_CHECKING:
    from polysee.library import Hit


@dataclass(frozen=True)
class Section:
    """One query and what it found.

    Args:
        query: the sentence, as it was asked; may be empty if a picture was given.
        image: the picture that was asked with.
        hits: what was found, best first; none is a result too, and is shown as one.
        excluded: terms that were understood as unwanted.
        conditions: when and where the hits are from, in English and Chinese.
        remark_en, remark_zh: a line that says what this query is here to show.
    """

    query: str
    hits: Sequence[Hit]
    image: Path | None = None
    excluded: Sequence[str] = field(default=())
    conditions: Sequence[tuple[str, str]] = field(default=())
    remark_en: str = ""
    remark_zh: str = ""


@dataclass(frozen=True)
class Card:
    """What the page needs of one hit."""

    name: str
    folder: str
    link: str
    picture: str
    ratio: float
    percent: int
    also: int


def write_gallery(
    file: Path,
    sections: Iterable[Section],
    *,
    title: str = "Polysee",
    facts_en: str = "",
    facts_zh: str = "",
) -> Path:
    """Write the page and return its absolute path.

    Args:
        file: where; its folder is made if needed.
        facts_en, facts_zh: a line under the title, such as how many pictures were searched.
    """
    shown = [
        {
            "section": section,
            "asked_with": thumbnail(section.image.expanduser())[0] if section.image else "",
            "cards": [_card(hit) for hit in section.hits],
        }
        for section in sections
    ]
    return write_page(
        file, "gallery.html.j2", title=title, facts_en=facts_en, facts_zh=facts_zh, shown=shown
    )


def _card(hit: Hit) -> Card:
    path = Path(hit.path)
    picture, ratio = thumbnail(path)
    return Card(
        name=path.name,
        folder=str(path.parent),
        link=path.absolute().as_uri(),
        picture=picture,
        ratio=ratio,
        percent=round(100 * hit.relevance),
        also=len(hit.also),
    )
