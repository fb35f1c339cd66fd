"""What a text says of what it speaks of: praise, blame, or neither for sure."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from polysee.errors import NotSupportedError, QueryError
from polysee.explain.words import Word, word_weights
from polysee.inference import TextClassifier, load
from polysee.inference.loading import Device, Dtype

DEFAULT_MODEL = "polysee/bert-nano"
UNSURE = "unsure"


@dataclass(frozen=True)
class Sentiment:
    """What was found.

    Args:
        label: one of the model's, or "unsure".
        probability: of the likeliest label, also where that is not sure enough to be given.
        likeliest: that label.
        chances: of each label.
        words: in the order of the text; a weight above 0 speaks for "positive" where the model has that label, else
            for the likeliest.
    """

    label: str
    probability: float
    likeliest: str
    chances: dict[str, float]
    words: list[Word] = field(default_factory=list)


def read_sentiment(
    text: str,
    *,
    model: str = DEFAULT_MODEL,
    device: Device = "auto",
    dtype: Dtype = "auto",
    explain: bool = True,
) -> Sentiment:
    """Say whether a text is positive or negative, how sure that is, and by which words.

    Args:
        explain: without, no words are weighed.
    Raises:
        QueryError: there is no text, or nothing that can be seen.
        CheckpointError, NotSupportedError: see `load_classifier`.
    """
    if all(unicodedata.category(character)[0] in "CZ" for character in text):
        raise QueryError("the text is empty: there is nothing to judge")
    classifier = load_classifier(model, device=device, dtype=dtype)
    chances = classifier.classify([text])[0]
    best = int(chances.argmax())
    labels = classifier.labels
    sure = float(chances[best]) >= classifier.unsure_below
    towards = labels.index("positive") if "positive" in labels else best
    return Sentiment(
        label=labels[best] if sure else UNSURE,
        probability=float(chances[best]),
        likeliest=labels[best],
        chances={name: float(chance) for name, chance in zip(labels, chances, strict=True)},
        words=word_weights(classifier, text, towards) if explain else [],
    )


def load_classifier(
    model: str, *, device: Device = "auto", dtype: Dtype = "auto"
) -> TextClassifier:
    """Load a model that sorts texts.

    Raises:
        CheckpointError: it is absent or damaged.
        NotSupportedError: it does something else.
    """
    found = load(model, dtype=dtype, device=device)
    if not isinstance(found, TextClassifier):
        raise NotSupportedError(f"{model} does not sort texts; {DEFAULT_MODEL} does")
    return found
