"""What is trained and how: a YAML file, checked before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from polysee.errors import ConfigError


class Strict(BaseModel):
    """An unknown key is an error that names it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Optimiser(Strict):
    """AdamW (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101), linear warm-up, cosine decay to zero.

    Args:
        rates: learning-rate factors of parts of the model, by the beginning of the parameter's name; 0 freezes.
        weight_decay: for matrices; vectors (biases, norms, temperatures) are never decayed.
    """

    rate: float = Field(gt=0)
    rates: dict[str, Annotated[float, Field(ge=0)]] = {}
    weight_decay: float = Field(0.05, ge=0)
    betas: tuple[float, float] = (0.9, 0.98)
    warmup_steps: int = Field(100, ge=0)
    clip_norm: float = Field(1.0, gt=0)

    def factor(self, name: str) -> float:
        """What the rate is multiplied by for a parameter: the longest beginning of its name that `rates` holds counts.

        Example:
            >>> Optimiser(rate=1, rates={"image": 0.1, "image.head": 2}).factor("image.head.weight")
            2.0
        """
        beginnings = [beginning for beginning in self.rates if name.startswith(beginning)]
        return self.rates[max(beginnings, key=len)] if beginnings else 1.0


class Distil(Strict):
    """A small text tower imitates multilingual-e5-small over bilingual texts.

    Args:
        texts: how many texts, of all there are in a random order.
        layers: which of the teacher's layers the student starts from.
        relational: weight of the loss on how a batch's texts rank each other.
    """

    kind: Literal["distil"]
    vocab_size: int = Field(10000, ge=300)
    texts: int = Field(57344, ge=1)
    layers: tuple[int, ...] = (0, 5, 10)
    context_length: int = Field(64, ge=8)
    relational: float = Field(1.0, ge=0)
    validation_texts: int = Field(2000, ge=1)


class Align(Strict):
    """Both towers into one space, over captions and names in both languages.

    Args:
        start: the run, or the model folder, whose weights training begins from.
        text: what reads the sentences: the model's own tower, or the teacher's kept vectors in its place.
        cut: blocks of the image tower that stay as they are; what they give is computed once and kept.
        versions: augmented versions kept of every captioned picture, beside the picture as it is.
        text_length: tokens of a sentence; a batch is padded to its longest, and few captions are longer than 24.
        again: how often more in an epoch a picture comes that people captioned, than one that has but names.
        sentences: of each picture and language, a step.
        other_sentences: captions of other pictures and each language, a step, to be held against.
        names_a_step: of how many of ImageNet's classes a step says the names.
        names: weight of the distillation from the ImageNet classifier over the names of its classes.
        prototypes: weight of the contrastive loss between ImageNet's class prototypes and the classes' names.
        keep: weight of the loss that keeps the ImageNet classifier's answers what they were, so that the prototypes
            still lie where pictures of their class would.
        teacher: weight of the distillation from multilingual-e5-small on texts without pictures.
        texts: how many of these texts.
        fit_projection: start the projections by least squares rather than where `start` has them.
        class_rank: add ImageNet's classifier, of this rank, to the pictures' vectors, where `start` has none; 0 for no.
    """

    kind: Literal["align"]
    start: str
    text: Literal["tower", "teacher"] = "tower"
    image_size: int = Field(192, ge=32)
    cut: int = Field(ge=0)
    versions: int = Field(2, ge=0)
    tiny_pictures: int = Field(10000, ge=0)
    text_length: int = Field(24, ge=4)
    again: int = Field(1, ge=0)
    sentences: int = Field(1, ge=1)
    other_sentences: int = Field(0, ge=0)
    names_a_step: int = Field(128, ge=1, le=1000)
    names: float = Field(0.5, ge=0)
    prototypes: float = Field(0.5, ge=0)
    keep: float = Field(0.0, ge=0)
    fit_projection: bool = False
    class_rank: int = Field(0, ge=0)
    teacher: float = Field(0.5, ge=0)
    texts: int = Field(57344, ge=1)


class Read(Strict):
    """The small text tower learns to find pictures as the teacher's vectors, once projected, would.

    Args:
        start: the run, or the model folder, whose picture tower and projections are kept and whose text tower learns.
        vocab_size: how many of the tokens are kept, the commonest.
        texts: how many of the bilingual texts, beside all captions of the pictures, each of which comes twice.
        pictures: how many a step's texts are held against.
        tiny_pictures: of Tiny ImageNet, beside all others.
        cosine, pairs: weights of the loss on where a text points, and on captions and their own pictures.
    """

    kind: Literal["read"]
    start: str
    vocab_size: int = Field(7900, ge=300)
    texts: int = Field(57344, ge=1)
    text_length: int = Field(48, ge=4)
    pictures: int = Field(2048, ge=2)
    tiny_pictures: int = Field(2000, ge=0)
    cosine: float = Field(1.0, ge=0)
    pairs: float = Field(0.3, ge=0)


class FromNothing(Strict):
    """CLIP or ALIGN from fresh weights on the made world of `datasets.shapes`: to see it happen.

    Args:
        pictures: how many are drawn for training; a multiple of four, since scenes come in families.
        shuffled: the share of pictures whose captions are exchanged, as in ALIGN's study of noise.
        smoothing: label smoothing; 0.1 in ALIGN, none in CLIP.
        chunk_size: rows that are encoded at once, for batches larger than memory; 0 for the whole batch.
    """

    kind: Literal["from-nothing"]
    model: Literal["clip", "align"]
    pictures: int = Field(16000, ge=4, multiple_of=4)
    vocab_size: int = Field(1000, ge=300)
    shuffled: float = Field(0.0, ge=0, le=1)
    smoothing: float = Field(0.0, ge=0, lt=1)
    chunk_size: int = Field(0, ge=0)
    validation_pictures: int = Field(500, ge=4, le=1000)


class Recipe(Strict):
    """One training run.

    Args:
        steps: optimiser steps.
        validate_every, checkpoint_every: in steps.
        ema_decay: of the exponential moving average of the weights, which is what is validated and saved; 0 for none.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    seed: int = 0
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=2)
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    validate_every: int = Field(500, ge=1)
    checkpoint_every: int = Field(500, ge=1)
    ema_decay: float = Field(0.0, ge=0, lt=1)
    optimiser: Optimiser
    task: Annotated[Distil | Align | Read | FromNothing, Field(discriminator="kind")]


def read_recipe(path: str | Path) -> Recipe:
    """Read and check a recipe.

    Raises:
        ConfigError: the file is absent, no YAML, or a key is unknown, missing or of a wrong value; each is named.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors()
        )
        raise ConfigError(f"{path}: {faults}") from error
