"""Fine-tune a language model on a person's own texts: a BERT to sort them, a GPT to write like them.

Shapes: B batch, T tokens, N labels.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from polysee.checkpoints.folder import (
    TOKENIZER,
    Card,
    load_folder,
    load_folder_tokenizer,
    save_folder,
)
from polysee.datasets.labelled_texts import LabelledTexts, read_labelled_texts
from polysee.datasets.language import read_texts
from polysee.errors import DataError, NotSupportedError
from polysee.inputs.tokenizer import Tokenizer
from polysee.layers.lora import add_lora, merge_lora
from polysee.models.bert import (
    Bert,
    BertClassifier,
    BertClassifierConfig,
    BertConfig,
    BertMaskedLM,
)
from polysee.models.gpt import Gpt
from polysee.training.finetune import rows_of_step
from polysee.training.finetune_objectives import device_of
from polysee.training.language import Causal, split_rows
from polysee.training.parts import WHOLE, Part
from polysee.training.recipe import FinetuneLanguage, Language, Recipe

Rows = Sequence[tuple[str, ...]]


def make_task(
    recipe: Recipe, task: FinetuneLanguage, device: torch.device | None = None
) -> SortTask | WriteTask:
    """Read the data and make what is trained.

    Raises:
        DataError: it is absent, or nothing can be learnt from it.
        CheckpointError, NotSupportedError: the model is absent or damaged, or of another kind.
    """
    device = device or torch.device("cpu")
    if task.task == "classify":
        learnt, held_out = read_labelled(task, recipe.seed)
        return SortTask(recipe, task, learnt, held_out, device)
    rows = read_texts([task.data], [task.text], task.separator)
    return WriteTask(recipe, task, *split_rows(rows, task.held_out), device)


def read_labelled(task: FinetuneLanguage, seed: int) -> tuple[LabelledTexts, LabelledTexts]:
    """What is learnt from and what is held out, with the labels that the model will know."""
    model, _ = load_folder(Path(task.start))
    found = read_labelled_texts(task.data, task.text, task.label)
    own = labels_of(model, found.labels)
    if own != found.labels:
        found = read_labelled_texts(task.data, task.text, task.label, own)
    return split_labelled(found, task.held_out, seed)


class SortTask:
    """A BERT learns which label a text has; every label, of texts in a random order, cross-entropy.

    Args:
        learnt, held_out: what is learnt from, and what says when to stop.
    """

    monitor = "held_out_score"

    def __init__(
        self,
        recipe: Recipe,
        task: FinetuneLanguage,
        learnt: LabelledTexts,
        held_out: LabelledTexts,
        device: torch.device,
    ) -> None:
        self.recipe, self.task, self.patience = recipe, task, task.patience
        self.learnt, self.held_out = learnt, held_out
        start, self.card, self.tokenizer = read_model(Path(task.start))
        torch.manual_seed(recipe.seed)
        classifier = as_classifier(start, learnt.labels, task.start)
        self.continued = classifier is start
        classifier.to(device)
        if task.method == "lora":
            add_lora(classifier.bert, task.rank, chosen=lambda name: name.startswith("blocks."))
            for part in (classifier.classifier, classifier.bert.pooler):
                assert part is not None
                part.requires_grad_(True)
        self.model: nn.Module = classifier

    def batch(self, step: int) -> dict[str, Any]:
        return self.batch_part(step, WHOLE)

    def batch_part(self, step: int, part: Part) -> dict[str, Any]:
        """One process's part of a step's batch."""
        rows = rows_of_step(step, self.recipe.batch_size, len(self.learnt), self.recipe.seed)
        chosen = self.learnt.rows(part.rows(rows).tolist())
        tokens, mask = self.tokenizer(chosen.texts)
        return {"tokens": tokens, "mask": mask, "truth": torch.tensor(chosen.numbers)}

    def losses(self, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        logits = self.model(batch["tokens"], batch["mask"])
        return {"cross_entropy": F.cross_entropy(logits, batch["truth"])}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The share of held out texts that is right, and the loss, which says when to stop: it is steadier."""
        device, parts = device_of(self.model), []
        for start in range(0, len(self.held_out), 32):
            tokens, mask = self.tokenizer(self.held_out.texts[start : start + 32])
            parts.append(self.model(tokens.to(device), mask.to(device)).cpu())
        logits, truth = torch.cat(parts), torch.tensor(self.held_out.numbers)
        loss = F.cross_entropy(logits, truth).item()
        right = (logits.argmax(1) == truth).float().mean().item()
        return {
            "held_out_accuracy": right,
            "held_out_loss": loss,
            "held_out_score": math.exp(-loss),
        }

    def save(self, folder: Path) -> None:
        """Write a model folder that is read as any other."""
        card = self.card if self.continued else replace(self.card, unsure_below=0.0)
        save(folder, self.model, card, self.tokenizer, self.task)


class WriteTask:
    """A GPT learns to go on as the texts do.

    Args:
        rows, held_out: texts, each a row of one.
    """

    monitor = "held_out_score"

    def __init__(
        self,
        recipe: Recipe,
        task: FinetuneLanguage,
        rows: Rows,
        held_out: Rows,
        device: torch.device,
    ) -> None:
        self.recipe, self.task, self.patience = recipe, task, task.patience
        self.rows, self.held_out = rows, held_out
        model, self.card, self.tokenizer = read_model(Path(task.start))
        if not isinstance(model, Gpt):
            raise NotSupportedError(f"{task.start} does not write: --task generate needs a GPT")
        self.objective = Causal(
            recipe, window(model, task), self.tokenizer, list(rows), list(held_out)
        )
        model.to(device)
        if task.method == "lora":
            add_lora(model, task.rank, chosen=lambda name: name.startswith("blocks."))
        self.model: nn.Module = model

    def batch(self, step: int) -> dict[str, Any]:
        return self.batch_part(step, WHOLE)

    def batch_part(self, step: int, part: Part) -> dict[str, Any]:
        """One process's part of a step's batch."""
        return self.objective.batch(step, part)

    def losses(self, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        return {"language": self.objective.loss(self.model, batch)}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The mean loss of a token of what was held out."""
        loss = held_out_loss(self.model, self.objective)
        return {"held_out_loss": loss, "held_out_score": math.exp(-loss)}

    def save(self, folder: Path) -> None:
        """Write a model folder that is read as any other."""
        save(folder, self.model, self.card, self.tokenizer, self.task)


def held_out_loss(model: nn.Module, objective: Causal) -> float:
    """In nats a token."""
    total, count, device = 0.0, 0.0, device_of(model)
    for batch in _moved(objective.held_out(), device):
        total += objective.loss(model, batch).item() * float(batch["count"])
        count += float(batch["count"])
    return total / count


def window(model: nn.Module, task: FinetuneLanguage) -> Language:
    """How many tokens a GPT reads at once, as the objective asks for it."""
    config: Any = model.config
    values = {
        "kind": "language",
        "objective": "causal",
        "data": (task.data,),
        "context_length": min(task.context_length, config.context_length),
    }
    return Language.model_validate(values)


def read_model(folder: Path) -> tuple[nn.Module, Card, Tokenizer]:
    """A language model with its tokenizer.

    Raises:
        CheckpointError: it is absent or damaged.
        NotSupportedError: it is a model of pictures, or has no tokenizer.
    """
    model, card = load_folder(folder)
    config: Any = model.config
    if not hasattr(config, "context_length"):
        raise NotSupportedError(f"{folder}: not a language model")
    tokenizer = load_folder_tokenizer(folder, config.context_length)
    if tokenizer is None:
        raise NotSupportedError(f"{folder} has no tokenizer: it cannot read text")
    return model, card, tokenizer


def as_classifier(model: nn.Module, labels: tuple[str, ...], name: str) -> BertClassifier:
    """A BERT that sorts into these labels: the model itself where it does already, else one with a fresh last layer.

    Raises:
        NotSupportedError: the model is no BERT.
        DataError: there is but one label.
    """
    if isinstance(model, BertClassifier) and model.config.labels == labels:
        return model
    if len(labels) < 2:
        raise DataError(f"all texts have one label, {labels[0]!r}: there is nothing to tell apart")
    if not isinstance(model, Bert | BertMaskedLM | BertClassifier):
        raise NotSupportedError(f"{name} is no BERT: --task classify needs one")
    bert = model if isinstance(model, Bert) else model.bert
    sizes = {field: getattr(bert.config, field) for field in asdict(BertConfig())}
    made = BertClassifier(BertClassifierConfig(**{**sizes, "pooler": True, "labels": labels}))
    made.bert.load_state_dict(bert.state_dict(), strict=False)  # it may have no pooler
    return made


def labels_of(model: nn.Module, found: Sequence[str]) -> tuple[str, ...]:
    """The labels that the texts are to be read with: the model's own where the data's are these, or 0 and 1 of two."""
    own = model.config.labels if isinstance(model, BertClassifier) else ()
    if set(found) <= set(own) or (len(own) == 2 and set(found) <= {"0", "1"}):
        return own
    return tuple(found)


def split_labelled(
    found: LabelledTexts, share: float, seed: int
) -> tuple[LabelledTexts, LabelledTexts]:
    """Hold a share of each label out, at least one text of each that has two.

    Raises:
        DataError: nothing would be held out.
    """
    draw = np.random.default_rng([seed, 31])
    numbers = np.array(found.numbers)
    held: list[int] = []
    for number in range(len(found.labels)):
        rows = draw.permutation(np.flatnonzero(numbers == number))
        held.extend(rows[: max(int(len(rows) > 1), round(len(rows) * share))].tolist())
    if not held:
        raise DataError(f"{len(found)} texts are too few: each label needs two")
    apart = set(held)
    return found.rows([i for i in range(len(found)) if i not in apart]), found.rows(sorted(held))


def save(
    folder: Path, model: nn.Module, card: Card, tokenizer: Tokenizer, task: FinetuneLanguage
) -> None:
    """Write a model folder, low-rank additions merged into the weights."""
    if task.method == "lora":
        model = merge_lora(copy.deepcopy(model))
    origin = f"{card.origin}; fine-tuned ({task.method}) on {Path(task.data).name}"
    save_folder(folder, model, replace(card, origin=origin, revision=""), half=False)
    tokenizer.save(folder / TOKENIZER)


def _moved(batches: Iterator[dict[str, Any]], device: torch.device) -> Iterator[dict[str, Any]]:
    for batch in batches:
        yield {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
