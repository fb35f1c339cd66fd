"""What the bundled translator makes of short sentences, beside answering with what was seen most like them.

    python -m benchmarks.translation
    python -m benchmarks.translation --model FOLDER --json

The validation pairs of `text/pairs-en-zh`, both ways, by `polysee eval translate`'s own loop. The baseline finds the
nearest training sentence, by the cosine of tf-idf vectors of runs of one to three characters, and answers with its
translation. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np

from polysee.apps.texts import load_translator
from polysee.evaluation.translation import evaluate_translation, read_pairs, score

TRAIN, VALIDATION = "text/pairs-en-zh/train", "text/pairs-en-zh/validation"


def runs(text: str) -> list[str]:
    """Runs of one to three characters.

    Example:
        >>> runs("ab")
        ['a', 'b', 'ab']
    """
    text = text.lower()
    return [text[i : i + n] for n in (1, 2, 3) for i in range(len(text) - n + 1)]


class Nearest:
    """Answers with the translation of the training sentence that is most like the one asked about."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.answers = [answer for _, answer in pairs]
        counts = [Counter(runs(text)) for text, _ in pairs]
        seen = Counter(run for count in counts for run in count)
        self.rarity = {run: np.log(len(pairs) / times) + 1 for run, times in seen.items()}
        self.places: dict[str, list[tuple[int, float]]] = {}
        for row, count in enumerate(counts):
            for run, weight in self._vector(count).items():
                self.places.setdefault(run, []).append((row, weight))
        self.found = {
            run: (np.array([r for r, _ in some]), np.array([w for _, w in some]))
            for run, some in self.places.items()
        }

    def __call__(self, text: str) -> str:
        alike = np.zeros(len(self.answers))
        for run, weight in self._vector(Counter(runs(text))).items():
            rows, weights = self.found[run]
            alike[rows] += weight * weights
        return self.answers[int(alike.argmax())]

    def _vector(self, count: Counter[str]) -> dict[str, float]:
        """Of length one, over what the training sentences hold."""
        weights = {
            run: times * self.rarity[run] for run, times in count.items() if run in self.rarity
        }
        length = sum(weight**2 for weight in weights.values()) ** 0.5 or 1.0
        return {run: weight / length for run, weight in weights.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="only the last line")
    parser.add_argument("--model", default="polysee/translator-nano")
    given = parser.parse_args()
    translator = load_translator(given.model)
    found = {}
    for source, target in (("en", "zh"), ("zh", "en")):
        pairs = read_pairs(VALIDATION, source, target)
        nearest = Nearest(read_pairs(TRAIN, source, target))
        said = [nearest(text) for text, _ in pairs]
        results = {
            "nearest": score(said, [reference for _, reference in pairs], target),
            Path(given.model).name: evaluate_translation(translator, VALIDATION, source, target),
        }
        for name, result in results.items():
            found[f"{source}-{target} {name}"] = asdict(result)
            if not given.json:
                chrf, bleu = result.intervals["chrf"], result.intervals["bleu"]
                print(
                    f"{source} to {target}  {name:16} chrF {result.chrf:5.1f} ({chrf.low:.1f}-{chrf.high:.1f})"
                    f"  BLEU {result.bleu:5.1f} ({bleu.low:.1f}-{bleu.high:.1f})"
                )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
