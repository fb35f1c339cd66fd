"""Sentiment of hotel reviews in Chinese and movie reviews in English, beside a tuned linear model over n-grams.

    python -m benchmarks.sentiment                       # polysee/bert-nano
    python -m benchmarks.sentiment --model FOLDER

The baseline is logistic regression over tf-idf of character n-grams (Chinese) or word n-grams (English), fitted on the
whole train split; the length of the n-grams and the strength of regularisation are chosen by five-fold cross-validation
on it. Both are measured on the validation split: accuracy with its 95 % interval, expected calibration error over 15
bins, and of the model how many texts it answers rather than says "unsure". The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from polysee.apps.sentiment import DEFAULT_MODEL, load_classifier
from polysee.datasets.labelled_texts import LabelledTexts, read_labelled_texts
from polysee.evaluation.texts import TextsResult, judge_texts, result_of
from polysee.inputs.prompts import is_chinese

SETS = ("text/hotel-reviews-zh", "text/movie-reviews-en")
LABELS = ("negative", "positive")
GRID = {"grams__ngram_range": [(1, 2), (1, 3)], "line__C": [1, 3, 10, 30]}


def baseline(train: LabelledTexts, seed: int = 0) -> GridSearchCV:
    """The tuned linear model."""
    chinese = np.mean([is_chinese(text) for text in train.texts]) > 0.5
    how = {"analyzer": "char"} if chinese else {"token_pattern": r"(?u)\b\w+\b|[^\w\s]"}
    grams = TfidfVectorizer(**how, sublinear_tf=True, min_df=2)
    line = LogisticRegression(solver="liblinear", random_state=seed)
    search = GridSearchCV(Pipeline([("grams", grams), ("line", line)]), GRID, cv=5)
    return search.fit(train.texts, train.numbers)


def measure(name: str, model: Any) -> dict[str, Any]:
    """Both on one data set."""
    train, test = (
        read_labelled_texts(f"{name}/{s}", labels=LABELS) for s in ("train", "validation")
    )
    started = time.perf_counter()
    linear = baseline(train)
    chances = linear.predict_proba(test.texts)
    spent = time.perf_counter() - started
    one = result_of(chances, np.array(test.numbers), list(LABELS), 0.0)
    started = time.perf_counter()
    other = judge_texts(model, test)
    return {
        "linear": {**_row(one), "chosen": linear.best_params_, "seconds": round(spent, 1)},
        "model": {**_row(other), "seconds": round(time.perf_counter() - started, 1)},
    }


def _row(result: TextsResult) -> dict[str, Any]:
    found = asdict(result)
    return {k: v for k, v in found.items() if k not in ("labels", "confusion")}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=DEFAULT_MODEL)
    arguments = parser.parse_args()
    model = load_classifier(arguments.model)
    document: dict[str, Any] = {"model": arguments.model, "hash": model.hash}
    for name in SETS:
        found = measure(name, model)
        document[name] = found
        print(name)
        for row, figures in found.items():
            interval = figures["intervals"]["accuracy"]
            print(
                f"  {row:<7} accuracy {figures['accuracy']:.1%} [{interval['low']:.1%}, {interval['high']:.1%}]"
                f"  ece {figures['ece']:.3f}  answered {figures['answered']:.1%}"
                f" of which right {figures['answered_accuracy']:.1%}"
            )
    print(json.dumps(document))


if __name__ == "__main__":
    main()
