"""Sentences from film reviews to text/movie-reviews-en.

Origin:  Pang and Lee: Seeing stars, ACL 2005; sentence polarity dataset 1.0
Licence: offered for research
Archive: rt-polaritydata.tar.gz

    python recipes/data/movie_reviews_en.py --source rt-polaritydata.tar.gz --out DATA

Of each label (0 bad, 1 good) 80 % go to train, 10 % to validation, the rest to test, by the hash of
the sentence.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from _common import Archive, Report, command, write_reviews


def build(options: argparse.Namespace, report: Report) -> None:
    archive = Archive(options.source)
    labels: dict[str, int] = {}
    for label, name in enumerate(("rt-polarity.neg", "rt-polarity.pos")):
        for line in archive.text(name, encoding="cp1252").splitlines():
            if line.strip():
                labels.setdefault(line.strip(), label)
    write_reviews(options.out / "text" / "movie-reviews-en", labels)


def main(argv: Sequence[str] | None = None) -> int:
    return command(__doc__, build, argv)


if __name__ == "__main__":
    sys.exit(main())
