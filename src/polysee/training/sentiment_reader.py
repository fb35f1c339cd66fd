"""A small model that has read much Chinese, fine-tuned to tell praise from blame: one of the teachers of bert-nano.

RoFormer-Sim, all of it, with a linear map over its first token and the mean of all; rates fall from the last layer to
the first (Howard and Ruder 2018, section 3.2, https://arxiv.org/abs/1801.06146).

Shapes: N texts, B batch, T tokens, D hidden size.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence

import numpy as np
import torch
from tokenizers import Tokenizer as Backend
from torch import nn
from torch.nn import functional as F

from polysee.checkpoints.roformer_sim import load_roformer_sim
from polysee.datasets.tables import runs_folder
from polysee.inputs.tokenizer import Tokenizer
from polysee.layers.pooling import mean_token
from polysee.models.roformer import Roformer
from polysee.training.sentiment_data import batch_of_like_length

log = logging.getLogger(__name__)

MOST_TOKENS = 192
BATCH = 16
RATE, HEAD_RATE, FALL = 6e-5, 1e-3, 0.85
"""Of the last layer, of the map; what each layer before has of the rate of the one after it."""
WARM_UP = 0.06  # of the steps
SMOOTHING = 0.05


class Reader(nn.Module):
    """Shapes: tokens (B, T) int64, mask (B, T) bool; returns logits (B, 2)."""

    def __init__(self, body: Roformer) -> None:
        super().__init__()
        self.body = body
        self.dropout = nn.Dropout(body.config.dropout)
        self.head = nn.Linear(2 * body.config.hidden_size, 2)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden = self.body(tokens, mask).float()
        pooled = torch.cat([hidden[:, 0], mean_token(hidden, mask)], dim=1)
        return self.head(self.dropout(pooled))

    def rates(self) -> list[dict[str, object]]:
        """Parameter groups of an optimiser, each with its rate."""
        last = self.body.config.num_layers
        groups: list[dict[str, object]] = []
        for name, parameter in self.named_parameters():
            if name.startswith("head"):
                rate = HEAD_RATE
            else:
                below = int(name.split(".")[2]) + 1 if name.startswith("body.blocks") else 0
                rate = RATE * FALL ** (last - below)
            decay = 0.01 if parameter.ndim > 1 else 0.0
            groups.append({"params": [parameter], "lr": rate, "weight_decay": decay})
        return groups


def odds_by_reading(
    texts: Sequence[str], truth: np.ndarray, asked: Sequence[str], *, epochs: int, half: bool
) -> np.ndarray:
    """Fit a reader on labelled texts and let it judge others; what it said before is read back.

    Args:
        truth: 0 for bad, 1 for good, of `texts`.
        half: compute in bfloat16, which only some processors are fast at.
    Shapes:
        returns: the log odds of good, (asked,)
    """
    folder = runs_folder() / "cache" / "roformer-odds"
    folder.mkdir(parents=True, exist_ok=True)
    said = repr((epochs, half, list(texts), truth.tolist(), list(asked)))
    path = folder / f"{hashlib.sha256(said.encode('utf-8', 'replace')).hexdigest()[:20]}.npy"
    if not path.exists():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            odds = _ask(*_fitted(texts, truth, epochs, half), asked, half)
        partial = path.with_suffix(".part.npy")
        np.save(partial, odds)
        partial.replace(path)
    return np.load(path)


def _fitted(
    texts: Sequence[str], truth: np.ndarray, epochs: int, half: bool
) -> tuple[Reader, Tokenizer]:
    body, backend = load_roformer_sim()
    model, tokenizer = Reader(body).train(), _tokenizer(backend)
    lengths = tokenizer(list(texts))[1].sum(1).numpy()
    optimiser = torch.optim.AdamW(model.rates(), betas=(0.9, 0.98))
    rates = [group["lr"] for group in optimiser.param_groups]
    labels, steps = torch.from_numpy(truth).long(), max(1, epochs * len(texts) // BATCH)
    for step in range(steps):
        share = min(1.0, (step + 1) / (WARM_UP * steps)) * (1 - step / steps)
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * share
        rows = batch_of_like_length(lengths, step, BATCH, seed=0)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = model(*tokenizer([texts[i] for i in rows]))
        loss = F.cross_entropy(logits.float(), labels[rows], label_smoothing=SMOOTHING)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if step % 100 == 99:
            log.info("reader: step %d of %d, loss %.3f", step + 1, steps, loss.item())
    return model.eval(), tokenizer


@torch.inference_mode()
def _ask(model: Reader, tokenizer: Tokenizer, texts: Sequence[str], half: bool) -> np.ndarray:
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    odds = np.empty(len(texts), np.float32)
    for start in range(0, len(order), 32):
        rows = order[start : start + 32]
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = model(*tokenizer([texts[i] for i in rows]))
        odds[rows] = (logits[:, 1] - logits[:, 0]).float().numpy()
    return odds


def _tokenizer(backend: Backend) -> Tokenizer:
    return Tokenizer(backend, MOST_TOKENS)
