"""Run the benchmarks of search, one after the other, each in a process of its own.

    python -m benchmarks                  # all of them
    python -m benchmarks negation         # some

Each prints its JSON document. `benchmarks.noise` trains six models and is run by its own name.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

SEARCH = ("voc_sentences", "negation", "nothing_there", "picture_plus_words", "dates")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SEARCH))
    failed = 0
    for name in parser.parse_args().names or SEARCH:
        failed |= subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main())
