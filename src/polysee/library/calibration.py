"""From similarities to the probability that a picture is what was asked for.

A cosine of 0.24 says little: some queries score high on everything, some pictures score high for
every query, and "saxophone" scores well on any musical instrument. Evidence that means the same for
every query comes from a background that ships beside the model:

- how far the score stands above the query's scores on unrelated pictures;
- how far it stands above the picture's scores on its most likely texts, out of a bank of unrelated
  ones (names for names, sentences for sentences, each in the query's language);
- how many of those texts the picture fits better than the query, synonyms left aside.

A small logistic regression, one each for names, sentences and pictures as queries, turns the
evidence into a probability. `recipes/calibrate.py` fits it; `benchmarks/nothing_there.py` measures it.
None of it depends on the library: a picture's relevance stays what it is when others come.

Shapes: N vectors of a library, K of them judged, E projection, C texts of a bank, P background
pictures, V pieces of evidence.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from polysee.checkpoints.background import load_background, save_background
from polysee.errors import CheckpointError
from polysee.inputs.prompts import is_chinese, is_name
from polysee.library.similarity import descending, product, similarities, single

SETTINGS = "calibration.json"
KINDS = ("picture", "name", "sentence")
BANKS = ("pictures", "names_en", "names_zh", "sentences_en", "sentences_zh")
EVIDENCE = ("above_pictures", "above_texts", "rivals", "score")
LIKELY_TEXTS = 50
SYNONYM = (
    0.7  # texts this similar to the query mean the same; from 0.4 to 0.8 the fit does not care
)
JUDGED = 256
"""How many pictures with the best scores are judged; what lies below is not relevant."""
SHOWS_BOTH = 1.7
"""From here on `added` says that a picture shows what is excluded; chosen on VOC's validation pictures."""


@dataclass(frozen=True)
class Sought:
    """One thing that a search looks for, or keeps out.

    Args:
        vector: (E,), unit length.
        text: the words it stands for; None for a picture.
        beside: (E,), of something excluded: what naming it adds to the words for what is wanted, such as the part of
            "a beach with people" that is not in the direction of "a beach"; None where nothing is wanted in words.
    """

    vector: np.ndarray
    text: str | None = None
    beside: np.ndarray | None = None

    @property
    def kind(self) -> str:
        """Which regression judges it: "picture", "name" or "sentence"."""
        if self.text is None:
            return "picture"
        return "name" if is_name(self.text) else "sentence"

    @property
    def bank(self) -> str:
        """The background vectors that it competes with."""
        if self.text is None:
            return "pictures"
        return f"{self.kind}s_{'zh' if is_chinese(self.text) else 'en'}"


@dataclass(frozen=True)
class Judge:
    """A logistic regression over the evidence.

    Args:
        weights: (V,), in the order of `EVIDENCE`.
        bias: added to the weighted sum.
        cut: what is below this probability is not shown.
    """

    weights: tuple[float, ...]
    bias: float
    cut: float = 0.5

    def probability(self, evidence: np.ndarray) -> np.ndarray:
        """(K, V) -> (K,)"""
        logits = evidence @ np.asarray(self.weights, np.float32) + np.float32(self.bias)
        return 1 / (1 + np.exp(-np.clip(logits, -30, 30)))


@dataclass(frozen=True)
class Calibration:
    """What turns one model's scores into relevance.

    Args:
        judges: by kind of query.
        background: unit vectors: `pictures` (P, E); texts `names_en`, `names_zh`, `sentences_en`,
            `sentences_zh` (C, E).
        absent: a picture where an excluded thing is at least this probable is left out.
        caution: how strongly the odds of an excluded thing below `absent` count against a picture
            in the order of what is shown.
        model: the hash of the model that it was fitted to.
    """

    judges: dict[str, Judge]
    background: dict[str, np.ndarray] = field(repr=False)
    absent: float = 0.1
    caution: float = 0.8
    model: str = ""

    @property
    def size(self) -> int:
        """E of the model that it was fitted to."""
        return int(self.background["pictures"].shape[1])

    def relevance(
        self, vectors: np.ndarray, sought: Sought, *, among: np.ndarray | None = None
    ) -> np.ndarray:
        """How probable it is that each picture is what was sought.

        Args:
            among: the scores of the whole library, which a model without calibration goes by.
        Shapes:
            vectors: (K, E), unit length, float32 or float16; every one is judged, so choose the best first
            among: (N,)
            returns: (K,) float32, 0-1
        """
        vectors = single(vectors)
        scores = product(vectors, sought.vector)
        if not self.judges:
            return _unfitted(scores, scores if among is None else among)
        evidence = self.evidence(vectors, scores, sought)
        return self.judges[sought.kind].probability(evidence).astype(np.float32)

    def presence(self, vectors: np.ndarray, sought: Sought) -> np.ndarray:
        """How probable it is that each picture shows something that is excluded.

        Judged from the best score down, until `JUDGED` pictures in a row do not show it, and called 0
        below; so of ten thousand pictures with a dog, "no dogs" leaves none out.

        Shapes:
            vectors: (N, E), unit length, float32 or float16
            returns: (N,) float32, 0-1
        """
        scores = similarities(vectors, sought.vector)
        if not self.judges:
            return _unfitted(scores, scores)
        present = np.zeros(len(scores), np.float32)
        for block in descending(scores, JUDGED):
            present[block] = self.relevance(vectors[block], sought)
            if present[block].max() < self.absent:
                break
        return present

    def added(self, vectors: np.ndarray, sought: Sought, *, among: np.ndarray) -> np.ndarray:
        """How much each picture fits what naming the excluded thing adds to what is wanted.

        A small model says little of things that are small in a picture; but "a beach with people" and "a beach"
        differ in nothing else, and so a picture that fits the one better than the other shows people.

        Args:
            sought: something excluded, with `beside`.
            among: the library's vectors, which a model without calibration goes by.
        Shapes:
            vectors: (K, E); among: (N, E)
            returns: (K,), in standard deviations above the mean of the background's pictures
        """
        assert sought.beside is not None
        others = similarities(self.background.get("pictures", among), sought.beside)
        own = similarities(vectors, sought.beside)
        return (own - others.mean()) / max(float(others.std()), 1e-6)

    def cut(self, sought: Sought) -> float:
        """The relevance below which nothing is shown."""
        return self.judges[sought.kind].cut if self.judges else 0.5

    def evidence(self, vectors: np.ndarray, scores: np.ndarray, sought: Sought) -> np.ndarray:
        """The regression's input.

        Shapes:
            vectors: (K, E)
            scores: (K,)
            returns: (K, V)
        """
        pictures, bank = self.background["pictures"], self.background[sought.bank]
        mine = product(pictures, sought.vector)  # (P,)
        theirs = product(vectors, bank.T)  # (K, C)
        synonyms = product(bank, sought.vector) >= SYNONYM  # (C,)
        fitter = (theirs > scores[:, None]).sum(axis=1)
        rivals = fitter - (theirs[:, synonyms] > scores[:, None]).sum(axis=1)
        most = min(LIKELY_TEXTS, len(bank) - 1)
        likely = np.partition(theirs, -most, axis=1)[:, -most:]  # (K, most)
        return np.stack(
            [
                (scores - mine.mean()) / mine.std(),
                (scores - likely.mean(axis=1)) / theirs.std(axis=1),
                -np.log1p(rivals),
                scores,
            ],
            axis=1,
        ).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write `calibration.json` and `calibration.safetensors` beside the model."""
        settings = {
            "model": self.model,
            "absent": self.absent,
            "caution": self.caution,
            "evidence": EVIDENCE,
            "judges": {kind: vars(judge) for kind, judge in self.judges.items()},
        }
        text = json.dumps(settings, indent=2, ensure_ascii=False)
        (folder / SETTINGS).write_text(text + "\n", encoding="utf-8")
        save_background(folder, self.background)


def load_calibration(folder: Path) -> Calibration:
    """Read a model's calibration; one that only knows scores, for a model that has none.

    Raises:
        CheckpointError: a file is damaged, or made for other evidence than this version reads.
    """
    path = folder / SETTINGS
    if not path.exists():
        return Calibration({}, {})
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        background = load_background(folder)
        if tuple(settings["evidence"]) != EVIDENCE:
            raise CheckpointError(f"{path} is of another version: run recipes/calibrate.py")
        if missing := [name for name in BANKS if name not in background]:
            raise KeyError(*missing)
        return Calibration(
            {kind: _judge(settings["judges"][kind]) for kind in KINDS},
            background,
            absent=settings["absent"],
            caution=settings["caution"],
            model=settings["model"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error


def _judge(given: dict[str, Any]) -> Judge:
    weights, bias, cut = given["weights"], given["bias"], given["cut"]
    if len(weights) != len(EVIDENCE) or not all(map(math.isfinite, [*weights, bias, cut])):
        raise ValueError("a judge's numbers are not what they should be")
    return Judge(tuple(weights), bias, cut)


def _unfitted(scores: np.ndarray, among: np.ndarray) -> np.ndarray:
    """A guess where nothing was fitted: standing three deviations above the rest makes it even."""
    if len(among) < 2:
        return np.ones(len(scores), np.float32)
    deviations = (scores - among.mean()) / max(float(among.std()), 1e-6)
    return (1 / (1 + np.exp(-2 * (deviations - 3)))).astype(np.float32)
