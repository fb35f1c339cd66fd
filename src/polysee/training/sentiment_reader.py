"""A small model that has read much Chinese, fine-tuned to tell praise from blame: one of the teachers of bert-nano.

RoFormer-Sim, all of it, with a linear map over its first token and the mean of all; rates fall from the last layer to
the embeddings (Howard and Ruder 2018, section 3.2, https://arxiv.org/abs/1801.06146).

Shapes: N texts, B batch, T tokens, D hidden size.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from polysee.checkpoints.roformer_sim import load_roformer_sim
from polysee.datasets.tables import kept_array
from polysee.inputs.tokenizer import Tokenizer
from polysee.layers.pooling import mean_token
from polysee.models.roformer import Roformer
from polysee.training.module import make_optimiser, rate_factor
from polysee.training.recipe import Optimiser
from polysee.training.sentiment_data import batch_of_like_length

log = logging.getLogger(__name__)

MOST_TOKENS = 192
BATCH = 16
SMOOTHING = 0.05
RATE, HEAD_RATE, FALL = 6e-5, 1e-3, 0.85
"""Of the last layer, of the map; what each layer has of the rate of the one above it."""


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


def odds_by_reading(
    texts: Sequence[str], truth: np.ndarray, asked: Sequence[str], *, epochs: int, half: bool
) -> np.ndarray:
    """Fit a reader on labelled texts and let it judge others; what it said before is read back.

    Args:
        truth: 0 for bad, 1 for good, of `texts`.
        half: compute in bfloat16, which only some processors are fast at.
    Shapes:
        returns: the log odds of good, (asked,)
    Raises:
        CheckpointError: the package that carries it is not installed.
    """

    def make() -> np.ndarray:
        with torch.random.fork_rng(devices=[]), torch.autocast("cpu", torch.bfloat16, half):
            torch.manual_seed(0)
            return _ask(*_fitted(texts, truth, epochs), asked)

    how = (MOST_TOKENS, BATCH, SMOOTHING, RATE, HEAD_RATE, FALL, epochs, half)
    return kept_array("roformer-odds", (how, list(texts), truth.tolist(), list(asked)), make)


def _fitted(texts: Sequence[str], truth: np.ndarray, epochs: int) -> tuple[Reader, Tokenizer]:
    body, backend = load_roformer_sim()
    model, tokenizer = Reader(body).train(), Tokenizer(backend, MOST_TOKENS)
    lengths = tokenizer(list(texts))[1].sum(1).numpy()
    labels, steps = torch.from_numpy(truth).long(), max(1, epochs * len(texts) // BATCH)
    how = _rates(body.config.num_layers, steps)
    optimiser = make_optimiser(model, how)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda s: rate_factor(s, how, steps))
    for step in range(steps):
        rows = batch_of_like_length(lengths, step, BATCH, seed=0)
        logits = model(*tokenizer([texts[i] for i in rows]))
        loss = F.cross_entropy(logits.float(), labels[rows], label_smoothing=SMOOTHING)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), how.clip_norm)
        optimiser.step()
        schedule.step()
        if step % 100 == 99:
            log.info("reader: step %d of %d, loss %.3f", step + 1, steps, loss.item())
    return model.eval(), tokenizer


def _rates(layers: int, steps: int) -> Optimiser:
    """The embeddings below all layers, and the map above them."""
    rates = {f"body.blocks.{place}.": FALL ** (layers - 1 - place) for place in range(layers)}
    return Optimiser(
        rate=RATE,
        rates={"body.": FALL**layers, **rates, "head.": HEAD_RATE / RATE},
        weight_decay=0.01,
        warmup_steps=round(0.06 * steps),
        decay_share=1.0,
        clip_norm=1.0,
    )


@torch.no_grad()
def _ask(model: Reader, tokenizer: Tokenizer, texts: Sequence[str]) -> np.ndarray:
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    odds = np.empty(len(texts), np.float32)
    for start in range(0, len(order), 32):
        rows = order[start : start + 32]
        logits = model(*tokenizer([texts[i] for i in rows]))
        odds[rows] = (logits[:, 1] - logits[:, 0]).float().numpy()
    return odds
