"""What is trained and how: a YAML file, checked before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from polysee.errors import ConfigError
from polysee.training.recipe_drawing import TrainDalle, TrainDvae, TrainJudge
from polysee.training.recipe_matcher import TrainMatcher
from polysee.training.strict import Strict


class Optimiser(Strict):
    """AdamW (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101), linear warm-up, a decay to zero.

    Args:
        kind: "muon" moves the matrices of linear maps by Muon, and the rest as AdamW does; see `training.optimisers`.
        other_rate: for what Muon does not move; without it, as `rate`.
        momentum: of Muon; `betas`: of AdamW.
        rates: learning-rate factors of parts of the model, by the beginning of the parameter's name; 0 freezes.
        weight_decay: for matrices; vectors (biases, norms, temperatures) are never decayed.
        decay_share: of the steps, the last so many, over which the rate falls linearly, after it was constant: warm-up,
            stable, decay (Hu et al. 2024, section 4, https://arxiv.org/abs/2404.06395); without it, half a cosine.
    """

    kind: Literal["adamw", "muon"] = "adamw"
    rate: float = Field(gt=0)
    other_rate: Annotated[float, Field(gt=0)] | None = None
    rates: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    weight_decay: float = Field(0.05, ge=0)
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.95
    betas: tuple[float, float] = (0.9, 0.98)
    warmup_steps: int = Field(100, ge=0)
    decay_share: Annotated[float, Field(gt=0, le=1)] | None = None
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


class See(Strict):
    """The picture tower learns to point where the teacher's vectors of captions and names do, in both languages.

    Args:
        start: the run, or the model folder, whose weights training begins from.
        fit: whether the projections begin where least squares puts them, or as they are in `start`.
        cut: blocks of the image tower that stay as they are; what they give is computed once and kept.
        versions: augmented versions kept of every captioned picture, beside the picture as it is.
        again: how often more in an epoch a picture comes that people captioned, than one that has but names.
        sentences: of each picture and language, a step.
        other_sentences: captions of other pictures and each language, a step, to be held against.
        names_a_step: of how many of ImageNet's classes a step says the names.
        names: weight of the distillation from the ImageNet classifier over the names of its classes.
        prototypes: weight of the contrastive loss between ImageNet's class prototypes and the classes' names.
        keep: weight of the loss that keeps the ImageNet classifier's answers what they were, so that the prototypes
            still lie where pictures of their class would.
    """

    kind: Literal["see"]
    start: str
    fit: bool = True
    image_size: int = Field(192, ge=32)
    cut: int = Field(ge=0)
    versions: int = Field(2, ge=0)
    tiny_pictures: int = Field(10000, ge=0)
    again: int = Field(1, ge=0)
    sentences: int = Field(2, ge=1)
    other_sentences: int = Field(2048, ge=0)
    names_a_step: int = Field(1000, ge=1, le=1000)
    names: float = Field(0.5, ge=0)
    prototypes: float = Field(0.5, ge=0)
    keep: float = Field(0.1, ge=0)


class Read(Strict):
    """The small text tower learns to find pictures as the teacher's vectors, once projected, would.

    Args:
        start: the run, or the model folder, whose picture tower and projections are kept and whose text tower learns.
        image_size: of the pictures from here on; larger than in their tower's training serves it (Touvron et al. 2019,
            https://arxiv.org/abs/1906.06423).
        vocab_size: how many of the tokens are kept, the commonest.
        class_rank: of ImageNet's classifier, which becomes part of the pictures' vectors; 0 for without.
        class_window: regions a side that it looks at together; 0 for the whole picture.
        sentences: of each picture and language at most, by lot.
        texts: how many of the bilingual texts, beside them.
        nouns: whether names of things from WordNet and words of a dictionary, in both languages, are taught too;
            needs `class_rank`.
        words: share of the dictionary's words that are read; the names of things always are.
        own: weight of where the tower as it starts puts a text, beside where the teacher does.
        pictures: how many a step's texts are held against.
        tiny_pictures: of Tiny ImageNet, beside all others.
        scenes: sentences of made scenes a step, of whose tokens the tower is to say what it said at its start.
        cosine, pairs, kept: weights of the loss on where a text points, on captions and their own pictures, and on
            what the tower no longer says of made scenes.
    """

    kind: Literal["read"]
    start: str
    image_size: int = Field(224, ge=32)
    vocab_size: int = Field(7800, ge=300)
    class_rank: int = Field(320, ge=0)
    class_window: int = Field(4, ge=0)
    sentences: int = Field(3, ge=1)
    texts: int = Field(57344, ge=1)
    nouns: bool = True
    words: float = Field(1.0, ge=0, le=1)
    own: float = Field(1.0, ge=0)
    text_length: int = Field(48, ge=4)
    pictures: int = Field(2048, ge=2)
    tiny_pictures: int = Field(2000, ge=0)
    scenes: int = Field(0, ge=0)
    cosine: float = Field(1.0, ge=0)
    pairs: float = Field(0.3, ge=0)
    kept: float = Field(3.0, ge=0)


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


class Language(Strict):
    """A GPT, a BERT or a Transformer from fresh weights, on texts.

    Args:
        objective: "causal" trains a GPT, "masked" a BERT, "seq2seq" a Transformer.
        data, validation: text files and parquet data sets, by themselves or under the data folder; `#column` behind a
            data set stands for its texts of that column alone.
        held_out: where there is no `validation`, the last share of `data` that is held out in its place.
        shuffled: whether texts are put in an order by lot before the last share is held out.
        columns: of parquet: one with the text, or the two sides of a pair.
        separator: what stands between the texts of a text file; the file is one text when absent.
        tokenizer: "characters" of the texts, or a byte-level "bpe" trained on them, with `vocab_size` tokens.
        both_ways: whether pairs are read in either direction.
        names: whether names of things, of ImageNet's classes and of emoji, are learnt beside the pairs of columns `en`
            and `zh`.
        start_vectors: a run or a model folder, of pictures and text, whose text tower says what a token means before
            training begins; see `training.start_vectors`.
        mlp_size: four times `hidden_size` when absent.
        activation: when absent, that of GPT-2 (GELU by its tanh approximation), of BERT (GELU) or of the Transformer's
            paper (ReLU).
        smoothing: label smoothing of pairs, section 5.4 of "Attention Is All You Need".
        licence: of the weights.
    """

    kind: Literal["language"]
    objective: Literal["causal", "masked", "seq2seq"]
    data: tuple[str, ...] = Field(min_length=1)
    validation: tuple[str, ...] = ()
    held_out: float = Field(0.1, gt=0, lt=1)
    shuffled: bool = False
    columns: tuple[str, ...] = ("text",)
    separator: str | None = None
    tokenizer: Literal["characters", "bpe"] = "bpe"
    vocab_size: int = Field(8000, ge=300)
    both_ways: bool = False
    names: bool = False
    start_vectors: str | None = None
    hidden_size: int = Field(128, ge=2)
    num_layers: int = Field(4, ge=1)
    num_heads: int = Field(4, ge=1)
    mlp_size: int | None = Field(None, ge=1)
    activation: Literal["gelu", "tanh_gelu", "relu"] | None = None
    context_length: int = Field(64, ge=2)
    dropout: float = Field(0.0, ge=0, lt=1)
    smoothing: float = Field(0.1, ge=0, lt=1)
    licence: str = "research and non-commercial use"

    @model_validator(mode="after")
    def _columns_fit(self) -> Self:
        wanted = 2 if self.objective == "seq2seq" else 1
        if len(self.columns) != wanted:
            raise ValueError(f"columns: {self.objective} needs {wanted}, not {len(self.columns)}")
        return self


class Sentiment(Strict):
    """A small BERT learns sentiment from labels and from what the teacher says, in both languages.

    Args:
        layers: of multilingual-e5-small, the first so many are what training begins from.
        data: data sets with a train and a validation part, columns `text` and `label`, 0 for bad and 1 for good.
        held_out: the share of the train parts that nothing is learnt from (see `datasets.labelled_texts.is_held_out`);
            the probabilities are fitted on it.
        train_length: tokens of a text while training; `context_length` once trained.
        parts: of each review, so many parts are learnt too, as the teacher judges them.
        neutral: so many captions are learnt as neither good nor bad.
        hard: the weight of the labels, beside the teacher's probabilities.
        hidden: the weight of the loss on the teacher's vectors.
        precision: of the answers other than "unsure", so many are to be right on what is held out.
    """

    kind: Literal["sentiment"]
    layers: int = Field(6, ge=1, le=12)
    data: tuple[str, ...] = Field(min_length=1)
    held_out: float = Field(0.08, gt=0, lt=1)
    vocab_size: int = Field(10000, ge=300)
    context_length: int = Field(256, ge=8, le=512)
    train_length: int = Field(128, ge=8)
    parts: int = Field(1, ge=0)
    neutral: int = Field(2000, ge=0)
    dropout: float = Field(0.1, ge=0, lt=1)
    hard: float = Field(0.5, ge=0, le=1)
    hidden: float = Field(1.0, ge=0)
    precision: float = Field(0.9, ge=0, le=1)


class Finetune(Strict):
    """A two-tower model learns a person's own pictures; `polysee finetune clip` writes such a recipe itself.

    Args:
        start: the model folder that is fine-tuned.
        data: folders of pictures named after what they show, or a parquet file.
        labels: of a parquet file, the column of class names; several for the same names in several languages.
        captions: of a parquet file, the column of sentences, in place of labels.
        method: "full" trains every weight, "lora" a low-rank addition to each (see `layers.lora`), "probe" a linear
            classifier over the pictures' vectors, and no weight of the model.
        locked_image: leave the image tower as it is; what it says of each picture is then computed once. Zhai et al.
            2022 (LiT, https://arxiv.org/abs/2111.07991).
        rank: of the low-rank additions.
        hold_statistics: leave the statistics of the image tower's batch normalisation as they are; not where the tower
            begins with fresh weights, and has none.
        varied: show each picture cut a little and, where left and right mean nothing, mirrored: anew every time.
        chunk_size: rows that are encoded at once, for batches larger than memory; 0 for the whole batch.
        held_out: the share of pictures that are not learnt from, but say when to stop.
        patience: stop after so many validations without a gain.
    """

    kind: Literal["finetune"]
    start: str
    data: str
    labels: tuple[str, ...] = ()
    captions: str | None = None
    method: Literal["full", "lora", "probe"] = "lora"
    locked_image: bool = False
    rank: int = Field(8, ge=1)
    hold_statistics: bool = True
    varied: bool = True
    chunk_size: int = Field(0, ge=0)
    held_out: float = Field(0.2, gt=0, lt=1)
    patience: int = Field(5, ge=1)


class FinetuneLanguage(Strict):
    """A language model learns a person's own texts; `polysee finetune lm` writes such a recipe itself.

    Args:
        start: the model folder that is fine-tuned.
        data: a parquet file with texts; to write like them, a text file too.
        task: "classify" teaches a BERT to sort texts, "generate" a GPT to go on as they do.
        text, label: columns of a parquet file.
        separator: what stands between the texts of a text file; the file is one text when absent.
        method: "full" trains every weight, "lora" a low-rank addition to each matrix (see `layers.lora`) and, of a
            BERT, the layers that sort.
        context_length: tokens that a GPT learns from at once.
        held_out: the share of texts that are not learnt from, but say when to stop.
        patience: stop after so many validations without a gain.
    """

    kind: Literal["finetune-language"]
    start: str
    data: str
    task: Literal["classify", "generate"]
    text: str = "text"
    label: str = "label"
    separator: str | None = None
    method: Literal["full", "lora"] = "lora"
    rank: int = Field(8, ge=1)
    context_length: int = Field(128, ge=2)
    held_out: float = Field(0.2, gt=0, lt=1)
    patience: int = Field(3, ge=1)


class Recipe(Strict):
    """One training run.

    Args:
        accumulate: into how many parts a batch is cut that are computed one after the other, where it is larger than
            memory; for tasks whose batches can be divided. The steps are those of the whole batch.
        steps: optimiser steps.
        validate_every, checkpoint_every: in steps.
        ema_decay: of the exponential moving average of the weights, which is what is validated and saved; 0 for none.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    seed: int = 0
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=2)
    accumulate: int = Field(1, ge=1)
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    validate_every: int = Field(500, ge=1)
    checkpoint_every: int = Field(500, ge=1)
    ema_decay: float = Field(0.0, ge=0, lt=1)
    optimiser: Optimiser
    task: Annotated[
        Distil
        | See
        | Read
        | FromNothing
        | Language
        | Sentiment
        | Finetune
        | TrainDvae
        | TrainDalle
        | TrainJudge
        | TrainMatcher
        | FinetuneLanguage,
        Field(discriminator="kind"),
    ]


def read_recipe(path: str | Path) -> Recipe:
    """Read and check a recipe.

    Raises:
        ConfigError: the file is absent, no YAML, or a key is unknown, missing or of a wrong value; each is named.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors()
        )
        raise ConfigError(f"{path}: {faults}") from error
