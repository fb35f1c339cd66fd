"""Fit a model's calibration: what turns its scores into relevance.

    python -m recipes.calibrate polysee/align-nano

writes `calibration.json` and `calibration.safetensors` into the model's folder.

Data: background pictures and sentences from the training splits of Flickr8k, the COCO subset, VOC and
Tiny ImageNet, names from ImageNet-1k and emoji. The regressions are fitted on validation pictures,
since a model is surer of pictures that it was trained on than it will be of anybody's: names that
people used or did not use in their captions (Flickr8k), class names (Tiny ImageNet), captions
(Flickr8k), and pictures as queries (Tiny ImageNet). Each kind's cut is where what is shown and
what is right agree about best. How exclusion is weighed was chosen by
`benchmarks.negation` on VOC validation, and is not fitted here.
Caltech-101 has no part in it: it is the test.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.pictures import embed

import polysee
from polysee.datasets.tables import read_rows
from polysee.inputs.prompts import is_name
from polysee.library.calibration import Calibration, Judge, Sought
from polysee.library.fitting import fit_evidence
from polysee.library.ranking import rank, seek

FLICKR, TINY = "captions/flickr8k", "photos/tiny-imagenet"
EVERY = {f"{FLICKR}/validation": 1, f"{TINY}/validation": 2}
BACKGROUND_PICTURES = {
    "captions/flickr8k/train-0": 9,
    "captions/coco-subset/train-0": 4,
    "photos/voc-scenes/train": 11,
    "photos/tiny-imagenet/train-0": 60,
}
SENTENCES = 500
SPARED = 0.004  # of the best F1 that a lower cut may cost
BEST = 20  # candidates a query: what a search would show first, for there the probability has to be true
ABSENT_NAMES = 300
PEOPLE = re.compile(
    r"\b(?:man|men|woman|women|boys?|girls?|child|children|kids?|person|people|lady|guys?|baby|toddler)\b"
)
HUMAN = {
    "person",
    "people",
    "human",
    "man",
    "woman",
    "boy",
    "girl",
    "child",
    "baby",
    "adult",
    "kid",
}


@dataclass
class Question:
    """One query with what is true of every picture: 1 relevant, 0 not, nan unknown."""

    sought: Sought
    pictures: str
    truth: np.ndarray


def background(embedder: polysee.Embedder) -> dict[str, np.ndarray]:
    """Unrelated pictures, names and sentences, as vectors."""
    parts = [embed(embedder, name, every=n) for name, n in BACKGROUND_PICTURES.items()]
    found = {"pictures": np.concatenate(parts)}
    rows = read_rows(f"{FLICKR}/train", ["captions_en", "captions_zh"])
    for language in ("en", "zh"):
        captions = [row[f"captions_{language}"] for row in rows]
        chosen = [group[0] for group in captions if group][:: max(1, len(captions) // SENTENCES)]
        found[f"names_{language}"] = embedder.embed_labels(names(language))
        found[f"sentences_{language}"] = embedder.embed_text(chosen)
    return found


def names(language: str) -> list[str]:
    """Things that pictures show: ImageNet's classes and what there are emoji of."""
    imagenet = read_rows("names/imagenet-1k", [f"names_{language}"])
    emoji = read_rows("art/art", [f"name_{language}"])
    every = [row[f"names_{language}"][0] for row in imagenet] + [
        row[f"name_{language}"] for row in emoji
    ]
    return [name for name in dict.fromkeys(every) if is_name(name)]


def noun_questions(embedder: polysee.Embedder) -> Iterator[Question]:
    """Names against Flickr8k: right where a caption of either language holds the word."""
    rows = read_rows(f"{FLICKR}/validation", ["captions_en", "captions_zh"])
    english = [" ".join(row["captions_en"]).lower() for row in rows]
    chinese = [" ".join(row["captions_zh"]) for row in rows]
    human = np.array([bool(PEOPLE.search(text)) for text in english])
    draw = np.random.default_rng(0)
    pairs = list(_pairs())
    truths = [_mentioned(en, zh, english, chinese, human) for en, zh in pairs]
    absent = [i for i, truth in enumerate(truths) if not truth.any()]
    left_out = set(draw.permutation(absent)[ABSENT_NAMES:].tolist())
    kept = [i for i in range(len(pairs)) if i not in left_out]
    for side in (0, 1):
        for sought, i in zip(seek(embedder, [pairs[i][side] for i in kept]), kept, strict=True):
            yield Question(sought, f"{FLICKR}/validation", truths[i])


def _pairs() -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for row in read_rows("names/imagenet-1k", ["names_en", "names_zh"]):
        yield row["names_en"][0], row["names_zh"][0]
        seen.add(row["names_en"][0])
    for row in read_rows("art/art", ["name_en", "name_zh"]):
        if row["name_en"] not in seen and is_name(row["name_en"]) and is_name(row["name_zh"]):
            seen.add(row["name_en"])
            yield row["name_en"], row["name_zh"]


def _mentioned(
    en: str, zh: str, english: Sequence[str], chinese: Sequence[str], human: np.ndarray
) -> np.ndarray:
    if en.lower() in HUMAN:
        return human.astype(float)
    word = re.compile(rf"\b{re.escape(en.lower())}(?:s|es)?\b")
    both = zip(english, chinese, strict=True)
    return np.array([float(bool(word.search(a)) or (len(zh) > 1 and zh in b)) for a, b in both])


def class_questions(embedder: polysee.Embedder) -> Iterator[Question]:
    """Class names against Tiny ImageNet."""
    rows = _tiny(["label", "label_en", "label_zh"])
    labels = np.array([row["label"] for row in rows])
    for language in ("en", "zh"):
        called = {row["label"]: row[f"label_{language}"] for row in rows}
        for sought, label in zip(seek(embedder, list(called.values())), called, strict=True):
            truth = (labels == label).astype(float)
            yield Question(dataclasses.replace(sought), f"{TINY}/validation", truth)


def _tiny(columns: list[str]) -> list[dict[str, Any]]:
    name = f"{TINY}/validation"
    return read_rows(name, columns)[:: EVERY[name]]


def caption_questions(embedder: polysee.Embedder) -> Iterator[Question]:
    """Captions against Flickr8k; of other pictures, those that one may as well call so are unknown."""
    for language in ("en", "zh"):
        rows = read_rows(f"{FLICKR}/validation", [f"captions_{language}"])
        groups = [row[f"captions_{language}"] for row in rows]
        owners = np.array([i for i, group in enumerate(groups) for _ in group])
        vectors = embedder.embed_text([text for group in groups for text in group])
        firsts = [int(np.flatnonzero(owners == i)[0]) for i in range(len(groups)) if groups[i]]
        alike = vectors[firsts] @ vectors.T  # (Q, captions)
        for text, similar in zip(firsts, alike, strict=True):
            own = owners == owners[text]
            own_others = similar[own & (np.arange(len(owners)) != text)]
            level = np.median(own_others) if len(own_others) else 1.0
            truth = np.zeros(len(groups))
            truth[np.unique(owners[similar >= level])] = np.nan
            truth[owners[text]] = 1
            caption = groups[owners[text]][0]
            yield Question(Sought(vectors[text], caption), f"{FLICKR}/validation", truth)


def picture_questions(embedder: polysee.Embedder) -> Iterator[Question]:
    """Pictures as queries against Tiny ImageNet: right where the class is the same."""
    rows = _tiny(["label"])
    labels = np.array([row["label"] for row in rows])
    vectors = embed(embedder, f"{TINY}/validation", every=EVERY[f"{TINY}/validation"])
    for label in np.unique(labels):
        query = int(np.flatnonzero(labels == label)[0])
        truth = (labels == label).astype(float)
        truth[query] = np.nan
        yield Question(Sought(vectors[query]), f"{TINY}/validation", truth)


def collect(
    calibration: Calibration, embedder: polysee.Embedder, questions: Sequence[Question]
) -> tuple[np.ndarray, np.ndarray]:
    """Evidence and truth of each question's best candidates, as `fit_evidence` takes them.

    With all pictures as candidates the many that nobody would show decide the fit, and what is shown comes out far
    too improbable: a line cannot be true at both ends.
    """
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for question in questions:
        vectors = embed(embedder, question.pictures, every=EVERY[question.pictures])
        scores = vectors @ question.sought.vector
        known = np.flatnonzero(~np.isnan(question.truth))
        rows = known[np.argsort(-scores[known])][:BEST]
        evidence = calibration.evidence(vectors[rows], scores[rows], question.sought)
        parts.append((evidence, question.truth[rows]))
    evidence, truth = zip(*parts, strict=True)
    return np.concatenate(evidence), np.concatenate(truth)


def fit(
    embedder: polysee.Embedder, bank: dict[str, np.ndarray], kind: str, questions: list[Question]
) -> Judge:
    """The judge of one kind of query."""
    evidence, truth = collect(Calibration({}, bank), embedder, questions)
    weights, bias = fit_evidence(evidence, truth)
    judge = Judge(tuple(float(weight) for weight in weights), bias)
    loss = _loss(judge.probability(evidence), truth)
    print(f"{kind}: {len(questions)} questions, loss {loss:.5f}, {judge}")
    return judge


def _loss(probability: np.ndarray, truth: np.ndarray) -> float:
    probability = np.clip(probability, 1e-7, 1 - 1e-7)
    return float(-np.log(np.where(truth > 0.5, probability, 1 - probability)).mean())


def choose_cut(
    calibration: Calibration, embedder: polysee.Embedder, questions: list[Question]
) -> float:
    """The lowest cut at which what is shown and what is right agree nearly as well as at any, by F1.

    The curve is flat at its top, and there the lower cut shows more of what is there.
    """
    probability, truth = [], []
    for question in questions:
        vectors = embed(embedder, question.pictures, every=EVERY[question.pictures])
        relevance = rank(calibration, vectors, [(1.0, question.sought)]).relevance
        known = ~np.isnan(question.truth)
        probability.append(relevance[known])
        truth.append(question.truth[known])
    said, right = np.concatenate(probability), np.concatenate(truth)
    cuts = np.linspace(0.02, 0.9, 89)
    shown = [(said >= cut) for cut in cuts]
    f1 = [2 * (one * right).sum() / max(1, one.sum() + right.sum()) for one in shown]
    return float(cuts[np.array(f1) >= (1 - SPARED) * max(f1)][0])


def calibrate(embedder: polysee.Embedder) -> Calibration:
    """Everything, in order."""
    bank = background(embedder)
    by_kind: dict[str, list[Question]] = {"name": [], "sentence": [], "picture": []}
    for source in (noun_questions, class_questions, caption_questions, picture_questions):
        for question in source(embedder):
            by_kind[question.sought.kind].append(question)
    judges = {kind: fit(embedder, bank, kind, questions) for kind, questions in by_kind.items()}
    calibration = Calibration(judges, bank, model=embedder.hash)
    for kind, questions in by_kind.items():
        cut = choose_cut(calibration, embedder, questions)
        print(f"{kind} cut={cut:.3f}")
        judges[kind] = dataclasses.replace(judges[kind], cut=cut)
    return calibration


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", nargs="?", default="polysee/align-nano")
    parser.add_argument("--out", type=Path, help="a folder; the model's own by default")
    given = parser.parse_args()
    embedder = polysee.load(given.model)
    calibrate(embedder).save(given.out or embedder.folder)


if __name__ == "__main__":
    main()
