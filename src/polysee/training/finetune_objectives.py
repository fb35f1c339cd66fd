"""What fine-tuning asks of pictures' vectors: their class by its names, their caption, or their class by a probe.

Shapes: B batch, N classes, E projection size, P pictures held out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from polysee.datasets.labelled import Example
from polysee.inputs.prompts import embed_names, sentences
from polysee.inputs.tokenizer import Tokenizer
from polysee.objectives.contrastive import contrastive_over_processes
from polysee.training.chunks import encode_in_chunks
from polysee.training.module import limited_scale
from polysee.training.parts import Part

MOST_CLASSES = 256
"""Of more, a step names those of its own pictures and some others."""


class Classes:
    """Cross-entropy over what tutorials call `logits_per_image`: a picture against a sentence about every class.

    Which sentence, and in which language, is drawn anew every step.
    """

    def __init__(
        self,
        towers: nn.Module,
        tokenizer: Tokenizer,
        classes: Sequence[tuple[str, ...]],
        templates: Sequence[str],
        labels: torch.Tensor,
        held_out_labels: torch.Tensor,
        seed: int,
    ) -> None:
        self.towers, self.tokenizer, self.classes, self.seed = towers, tokenizer, classes, seed
        self.templates = templates
        self.labels, self.held_out_labels = labels, held_out_labels
        self.said = [[sentences(name, templates or None) for name in names] for names in classes]

    def batch(self, rows: np.ndarray, step: int, part: Part) -> dict[str, Any]:
        """The text is the same in every process: its loss is a mean over pictures."""
        draw = np.random.default_rng([self.seed, step, 2])
        labels = self.labels[rows].numpy()
        chosen = np.arange(len(self.classes))
        if len(chosen) > MOST_CLASSES:
            others = np.setdiff1d(draw.permutation(chosen)[:MOST_CLASSES], labels)
            own = np.unique(labels)
            chosen = np.concatenate([own, others[: max(0, MOST_CLASSES - len(own))]])
        texts = []
        for label in chosen:
            names = self.said[label]
            texts.append(str(draw.choice(names[draw.integers(len(names))])))
        place = np.zeros(len(self.classes), np.int64)
        place[chosen] = np.arange(len(chosen))
        target = torch.from_numpy(place[part.rows(labels)])
        return {"text": self.tokenizer(texts), "target": target}

    def losses(self, image: torch.Tensor, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        text = self.towers.encode_text(*batch["text"])  # type: ignore[operator]  # (N, E)
        scale = limited_scale(self.towers.log_scale)  # type: ignore[arg-type]
        logits = scale * F.normalize(image, dim=1) @ F.normalize(text, dim=1).T  # (B, N)
        return {"cross_entropy": F.cross_entropy(logits, batch["target"])}

    def measure(self, image: torch.Tensor) -> dict[str, float]:
        names = [names[0] for names in self.classes]
        text = embed_classes(self.towers, self.tokenizer, names, self.templates)
        scale = self.towers.log_scale.exp()  # type: ignore[operator]
        return score(scale * F.normalize(image, dim=1) @ text.T, self.held_out_labels)


class Captions:
    """Contrast over the joined batch of all processes; each picture with one of its captions, drawn anew."""

    def __init__(
        self,
        towers: nn.Module,
        tokenizer: Tokenizer,
        learnt: Sequence[Example],
        held_out: Sequence[Example],
        seed: int,
        chunk_size: int,
    ) -> None:
        self.towers, self.tokenizer, self.learnt, self.seed = towers, tokenizer, learnt, seed
        self.chunk_size = chunk_size
        self.texts = [text for example in held_out for text in example.captions]
        owners = [i for i, example in enumerate(held_out) for _ in example.captions]
        self.owners = torch.tensor(owners)

    def batch(self, rows: np.ndarray, step: int, part: Part) -> dict[str, Any]:
        draw = np.random.default_rng([self.seed, step, 2])
        said = [str(draw.choice(self.learnt[row].captions)) for row in rows]
        return {
            "text": self.tokenizer(part.rows(said)),
            "keys": torch.from_numpy(part.rows(rows)),
        }

    def losses(self, image: torch.Tensor, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        towers = self.towers
        text = encode_in_chunks(towers, towers.encode_text, *batch["text"], size=self.chunk_size)  # type: ignore[arg-type]
        scale = limited_scale(towers.log_scale)  # type: ignore[arg-type]
        return {"contrastive": contrastive_over_processes(image, text, scale, keys=batch["keys"])}

    def measure(self, image: torch.Tensor) -> dict[str, float]:
        """How often a caption finds its own picture first, among five, among ten; and the mean of the three."""
        text = _embed_texts(self.towers, self.tokenizer, self.texts)
        best = (text @ F.normalize(image, dim=1).T).topk(min(10, len(image)), dim=1).indices.cpu()
        right = best == self.owners[:, None]
        found = {f"held_out_r{k}": right[:, :k].any(1).float().mean().item() for k in (1, 5, 10)}
        return {**found, "held_out_score": sum(found.values()) / 3}


class Probe(nn.Module):
    """A linear classifier over pictures' vectors of unit length, which starts as the classes' names would have it.

    Radford et al. 2021, section 3.2 (https://arxiv.org/abs/2103.00020), start from nothing; from the names' vectors
    a classifier knows something before its first picture (Wortsman et al. 2022, https://arxiv.org/abs/2109.01903).

    Shapes:
        start: (N, E), the names' vectors
        labels: (pictures,), held_out_labels: (P,)
    """

    def __init__(
        self, start: torch.Tensor, scale: float, labels: torch.Tensor, held_out_labels: torch.Tensor
    ) -> None:
        super().__init__()
        self.labels, self.held_out_labels = labels, held_out_labels
        self.classify = nn.Linear(start.shape[1], len(start))
        with torch.no_grad():
            self.classify.weight.copy_(start * scale)
            self.classify.bias.zero_()

    def batch(self, rows: np.ndarray, step: int, part: Part) -> dict[str, Any]:
        return {"target": self.labels[part.rows(rows)]}

    def losses(self, image: torch.Tensor, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        return {"cross_entropy": F.cross_entropy(self.classify(image), batch["target"])}

    def measure(self, image: torch.Tensor) -> dict[str, float]:
        return score(self.classify(image), self.held_out_labels)


def score(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """The share that is right, the loss, and what decides: a few dozen pictures make the former jump.

    Shapes:
        logits: (P, N), labels: (P,)
    """
    labels = labels.to(logits.device)
    loss = F.cross_entropy(logits, labels).item()
    right = (logits.argmax(1) == labels).float().mean().item()
    return {
        "held_out_top1": right,
        "held_out_loss": loss,
        "held_out_score": math.exp(-loss),
    }


@torch.no_grad()
def embed_classes(
    towers: nn.Module, tokenizer: Tokenizer, names: Sequence[str], templates: Sequence[str]
) -> torch.Tensor:
    """One vector a class: the mean over its sentences, of unit length.

    Shapes:
        returns: (N, E)
    """
    vectors = embed_names(
        lambda texts: _embed_texts(towers, tokenizer, texts).cpu().numpy(), names, templates or None
    )
    return torch.from_numpy(vectors).to(device_of(towers))


@torch.no_grad()
def _embed_texts(towers: nn.Module, tokenizer: Tokenizer, texts: Sequence[str]) -> torch.Tensor:
    device = device_of(towers)
    training = towers.training
    towers.eval()
    parts = []
    for start in range(0, len(texts), 64):
        tokens, mask = tokenizer(texts[start : start + 64])
        parts.append(towers.encode_text(tokens.to(device), mask.to(device)).float())  # type: ignore[operator]
    towers.train(training)
    return F.normalize(torch.cat(parts), dim=1)


def device_of(model: nn.Module) -> torch.device:
    """Where a model lies."""
    return next(model.parameters()).device
