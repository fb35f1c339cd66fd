"""TinyStories to text/plain-en: simple stories to learn English from.

Origin:  Eldan and Li: TinyStories, 2023 (arXiv 2305.07759)
Licence: CDLA-Sharing-1.0
Archive: TinyStories-valid.txt (19 MB; the training file is not needed)

    python recipes/data/tinystories.py --source TinyStories-valid.txt --out DATA

2,315 stories chosen by the hash of their text, separated by `<|endoftext|>`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from _common import MAX_MEMBER, Report, command, split

from polysee.errors import DataError

STORIES, END = 2315, "<|endoftext|>"


def build(options: argparse.Namespace, report: Report) -> None:
    source = options.source
    if not source.is_file() or source.stat().st_size > MAX_MEMBER:
        raise DataError(f"{source}: no such file, or larger than TinyStories-valid.txt can be")
    stories = [story.strip() for story in source.read_text(encoding="utf-8").split(END)]
    chosen = split((story for story in stories if story), STORIES)[0]
    path = options.out / "text" / "plain-en" / "tinystories-sample.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"\n{END}\n".join(chosen) + "\n", encoding="utf-8", newline="\n")


def main(argv: Sequence[str] | None = None) -> int:
    return command(__doc__, build, argv)


if __name__ == "__main__":
    sys.exit(main())
