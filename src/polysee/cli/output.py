"""Everything that reaches the screen: results on standard output, the rest on standard error."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polysee.cli.language import localised, t

if TYPE_CHECKING:
    from rich.console import Console

DONE, SOME_FAILED, WRONG_REQUEST, NOTHING_FOUND = 0, 1, 2, 3

# controls, unseen marks, halves of characters (and bytes that are no text), breaks of lines and paragraphs
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")

Advance = Callable[[int, int], None]
"""Called with what is done and the total."""


def print_json(document: Mapping[str, Any]) -> None:
    """The one document of `--json`; plain words where the output can carry them, else escapes."""
    text = json.dumps(document, ensure_ascii=False, default=_plain, allow_nan=False)
    try:
        # Fails for narrow code pages, and for file names that are not valid UTF-8.
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        text = json.dumps(document, default=_plain, allow_nan=False)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path):
        return str(value)
    return value.item()  # a numpy number


def console() -> Console:
    """For results that people read."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def note(message: str) -> None:
    """A message beside the result; never on standard output."""
    print(visible(message, keep="\n"), file=sys.stderr, flush=True)


def visible(text: str, keep: str = "") -> str:
    r"""Text as a terminal may show it: what would steer the terminal or hide itself is written out.

    Names of files are a stranger's words: they may hold escape sequences, line breaks, marks that turn the direction
    of reading, or bytes that are no text at all.

    Example:
        >>> print(visible("red\x1b[31m.jpg"), visible("two\nlines.jpg"), visible("海 🐱.jpg"))
        red\x1b[31m.jpg two\nlines.jpg 海 🐱.jpg
    """
    if text.isprintable():
        return text
    shown = keep + "\u200c\u200d"  # joiners: of emoji, and of letters in several scripts
    return "".join(
        repr(character)[1:-1]
        if unicodedata.category(character) in _UNSEEN and character not in shown
        else character
        for character in text
    )


def name_failures(failed: Sequence[Any], heading: str, *, most: int = 20) -> None:
    """Name each input that failed, with its reason.

    Args:
        failed: objects with `path` and `reason`.
        most: how many are written out before the rest is counted; `--json` holds all.
    """
    if not failed:
        return
    note(heading)
    for item in failed[:most]:
        note(f"  {visible(item.path)}: {localised(item.reason)}")
    if len(failed) > most:
        rest = len(failed) - most
        note(t(f"  … and {rest} more (see --json)", f"  ……还有 {rest} 个（见 --json）"))


@contextmanager
def progress_bar(what: str, *, of_bytes: bool = False) -> Iterator[Advance]:
    """A bar with rate and time left on standard error, if a person is looking."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn() if of_bytes else MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(what, total=None, rate="")

        def advance(done: int, total: int) -> None:
            speed = bar.tasks[0].speed
            unit = f"{(speed or 0) / 1e6:.1f} MB/s" if of_bytes else f"{speed or 0:.0f}/s"
            rate = unit if speed else ""
            bar.update(task, completed=done, total=total, rate=rate)

        yield advance


def relevance_bar(relevance: float, width: int = 10) -> str:
    """A bar of blocks, in eighths.

    Example:
        >>> relevance_bar(0.5, width=4)
        '██  '
    """
    eighths = round(max(0.0, min(1.0, relevance)) * width * 8)
    whole, part = divmod(eighths, 8)
    return ("█" * whole + " ▏▎▍▌▋▊▉"[part]).ljust(width)[:width]


def shorten(path: str) -> str:
    """A path for people: relative to the folder that they stand in, where that is shorter."""
    with suppress(ValueError, OSError):  # it lies elsewhere, or that folder is gone
        path = str(Path(path).relative_to(Path.cwd()))
    return visible(path)
