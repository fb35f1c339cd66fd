"""Pages: self-contained HTML files that open from disk, in both languages, light and dark."""

from __future__ import annotations

import base64
import io
from datetime import datetime
from pathlib import Path
from typing import Any

from polysee import __version__
from polysee.cli.language import current_language
from polysee.errors import ConfigError, MediaError
from polysee.media.files import explain
from polysee.media.image import ImageSource, read_image


def write_page(file: Path, template: str, **values: Any) -> Path:
    """Write a page and return its absolute path.

    Args:
        file: where; its folder is made if needed.
        template: the name of a template beside this module, which extends `base.html.j2`.
        values: what it reads; `title`, `facts_en` and `facts_zh` are every page's.
    Raises:
        ConfigError: the file cannot be written, or is there and no page: nobody's photograph is written over.
    """
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("polysee.cli", "pages"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(template).render(
        lang=current_language(),
        version=__version__,
        made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        **values,
    )
    file = file.absolute()
    if not _is_page(file):
        raise ConfigError(
            f"the page {file} cannot be written: something else than a page stands there already"
        )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # A file name that is not valid Unicode must not cost the page.
        file.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise ConfigError(f"the page {file} cannot be written: {explain(error)}") from error
    return file


def _is_page(file: Path) -> bool:
    """Whether a file may be written over: a page, or nothing yet."""
    try:
        with file.open("rb") as opened:
            start = opened.read(64)
    except OSError:
        return True  # it is not there; or writing it will say what is wrong
    return not start or start.lstrip().lower().startswith((b"<!doctype html", b"<html"))


def thumbnail(source: ImageSource, side: int = 400) -> tuple[str, float]:
    """A picture as a data address, and its width over height; empty if it can no longer be read."""
    try:
        image = read_image(source, draft_size=side)
    except MediaError:
        return "", 1.0
    image.thumbnail((side, side))
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=82)
    encoded = base64.b64encode(packed.getvalue()).decode("ascii")
    return f"data:image/jpeg;base64,{encoded}", image.width / image.height
