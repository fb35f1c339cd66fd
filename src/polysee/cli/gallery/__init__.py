"""A page of results: one self-contained HTML file that opens from disk, in both languages."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from polysee import __version__
from polysee.cli.language import current_language
from polysee.errors import MediaError
from polysee.media.image import read_image

if TYPE_CHECKING:
    from polysee.library import Hit

THUMBNAIL_SIDE = 400


@dataclass(frozen=True)
class Section:
    """One query and what it found.

    Args:
        query: the sentence, as it was asked; may be empty if a picture was given.
        image: the picture that was asked with.
        hits: what was found, best first; none is a result too, and is shown as one.
        excluded: terms that were understood as unwanted.
        remark_en, remark_zh: a line that says what this query is here to show.
    """

    query: str
    hits: Sequence[Hit]
    image: Path | None = None
    excluded: Sequence[str] = field(default=())
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
    from jinja2 import Environment

    template = files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(template)
    shown = [
        {
            "section": section,
            "asked_with": _thumbnail(section.image)[0] if section.image else "",
            "cards": [_card(hit) for hit in section.hits],
        }
        for section in sections
    ]
    text = page.render(
        lang=current_language(),
        title=title,
        facts_en=facts_en,
        facts_zh=facts_zh,
        shown=shown,
        version=__version__,
        made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
    )
    file = file.absolute()
    file.parent.mkdir(parents=True, exist_ok=True)
    # A file name that is not valid Unicode must not cost the page.
    file.write_text(text, encoding="utf-8", errors="replace")
    return file


def _card(hit: Hit) -> Card:
    path = Path(hit.path)
    picture, ratio = _thumbnail(path)
    return Card(
        name=path.name,
        folder=str(path.parent),
        link=path.absolute().as_uri(),
        picture=picture,
        ratio=ratio,
        percent=round(100 * hit.relevance),
        also=len(hit.also),
    )


def _thumbnail(path: Path) -> tuple[str, float]:
    """A data address and width over height; empty if the file can no longer be read."""
    try:
        image = read_image(path.expanduser(), draft_size=THUMBNAIL_SIDE)
    except MediaError:
        return "", 1.0
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=82)
    encoded = base64.b64encode(packed.getvalue()).decode("ascii")
    return f"data:image/jpeg;base64,{encoded}", image.width / image.height
