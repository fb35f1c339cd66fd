"""Train a language model on texts: GPT guesses the next token, BERT the hidden ones, the Transformer another text.

Shapes: B batch, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from polysee.checkpoints.folder import TOKENIZER, Card, save_folder
from polysee.datasets.language import name_pairs, read_texts
from polysee.errors import ConfigError, DataError
from polysee.inputs.tokenizer import Tokenizer
from polysee.inputs.vocabularies import characters, train_language_bpe
from polysee.models.bert import BertMaskedLM, BertMaskedLMConfig
from polysee.models.gpt import Gpt, GptConfig
from polysee.models.transformer import Transformer, TransformerConfig
from polysee.objectives.language import hide_tokens, token_loss
from polysee.training.folders import start_folder
from polysee.training.parts import WHOLE, Part
from polysee.training.recipe import Language, Recipe
from polysee.training.start_vectors import start_vectors

Row = tuple[list[int], ...]


class Objective(Protocol):
    """What a model learns from rows of tokens."""

    def batch(self, step: int, part: Part) -> dict[str, Any]: ...

    def loss(self, model: Any, batch: dict[str, Any]) -> torch.Tensor: ...

    def held_out(self) -> Iterator[dict[str, Any]]: ...


class LanguageTask:
    """Texts from files, a tokenizer of their own, a fresh model; what it learns is the recipe's `objective`."""

    def __init__(self, recipe: Recipe, task: Language) -> None:
        self.recipe, self.task = recipe, task
        rows = read_texts(task.data, task.columns, task.separator)
        if task.validation:
            held_out = read_texts(task.validation, task.columns, task.separator)
        else:
            if task.shuffled:
                rows = [rows[i] for i in np.random.default_rng(recipe.seed).permutation(len(rows))]
            rows, held_out = split_rows(rows, task.held_out)
        self.tokenizer = _tokenizer(task, rows, held_out)
        self.model: nn.Module = _fresh(task, self.tokenizer)
        if task.start_vectors:
            folder, backend = start_folder(task.start_vectors), self.tokenizer.backend
            with torch.no_grad():
                given = start_vectors(folder, backend, task.hidden_size)
                self.model.token.weight.copy_(given)  # type: ignore[union-attr, operator]
        kinds: dict[str, Callable[..., Objective]]
        kinds = {"causal": Causal, "masked": Masked, "seq2seq": Seq2Seq}
        self.objective = kinds[task.objective](recipe, task, self.tokenizer, rows, held_out)

    def batch(self, step: int) -> dict[str, Any]:
        return self.batch_part(step, WHOLE)

    def batch_part(self, step: int, part: Part) -> dict[str, Any]:
        """The same rows whoever reads them; see `objectives.language` for the `count` in it."""
        return self.objective.batch(step, part)

    def losses(self, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        return {"language": self.objective.loss(self.model, batch)}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The mean loss of a token, in nats, over everything that was held out."""
        total, count = 0.0, 0.0
        device = next(self.model.parameters()).device
        for batch in self.objective.held_out():
            moved = {
                k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()
            }
            total += self.objective.loss(self.model, moved).item() * float(batch["count"])
            count += float(batch["count"])
        return {"validation_loss": total / count}

    def save(self, folder: Path) -> None:
        """Write the model folder."""
        given = self.task.start_vectors
        start = f"token vectors of {Path(given).name}" if given else "fresh weights"
        origin = f"{self.recipe.name}: from {start} on {', '.join(self.task.data)}"
        save_folder(folder, self.model, Card(licence=self.task.licence, origin=origin), half=False)
        self.tokenizer.backend.save(str(folder / TOKENIZER))


class Causal:
    """All texts one after the other, cut into windows, each of which is guessed token by token.

    In every epoch all windows are read once, in another order; they are cut anew, from another token on.
    """

    extra = 1  # the token after the window, which is the last one's target

    def __init__(
        self,
        recipe: Recipe,
        task: Language,
        tokenizer: Tokenizer,
        rows: Sequence[tuple[str, ...]],
        held_out: Sequence[tuple[str, ...]],
    ) -> None:
        self.recipe, self.task, self.tokenizer = recipe, task, tokenizer
        self.width = task.context_length + self.extra
        self.tokens, self.held = (_stream(tokenizer, texts) for texts in (rows, held_out))
        if len(self.tokens) < self.width or len(self.held) < self.width:
            shortest = min(len(self.tokens), len(self.held))
            raise DataError(f"{shortest} tokens of text, fewer than one window of {self.width}")
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0))

    def batch(self, step: int, part: Part) -> dict[str, Any]:
        windows = self.windows(step)[part.number :: part.of]
        return {"tokens": windows, "count": windows.shape[0] * (windows.shape[1] - 1)}

    def windows(self, step: int) -> torch.Tensor:
        """The windows of a step: (B, context_length + extra)."""
        first = step * self.recipe.batch_size
        starts = [self._start(number) for number in range(first, first + self.recipe.batch_size)]
        return self.tokens[torch.tensor(starts)[:, None] + torch.arange(self.width)]

    def _start(self, number: int) -> int:
        """Where a window begins; all windows of all epochs are numbered."""
        step, room = self.task.context_length, len(self.tokens) - self.width
        # One fewer than there is room for, so that they can begin anywhere.
        count = max(1, room // step)
        epoch, place = divmod(number, count)
        if self._order[0] != epoch:
            draw = np.random.default_rng([self.recipe.seed, epoch])
            begin = draw.integers(room - (count - 1) * step + 1)
            self._order = epoch, begin + step * draw.permutation(count)
        return int(self._order[1][place])

    def loss(self, model: Any, batch: dict[str, Any]) -> torch.Tensor:
        tokens = batch["tokens"]
        return token_loss(model(tokens[:, :-1]), tokens[:, 1:], count=batch["count"])

    def held_out(self) -> Iterator[dict[str, Any]]:
        """Windows side by side; the last tokens that fill none stand in a shorter one."""
        step = self.task.context_length
        count = (len(self.held) - 1) // step
        places = torch.arange(count)[:, None] * step + torch.arange(step + 1)
        for some in self.held[places].split(128):
            yield {"tokens": some, "count": some.shape[0] * step}
        rest = self.held[count * step :]
        if len(rest) > 1:
            yield {"tokens": rest[None], "count": len(rest) - 1}


class Masked(Causal):
    """Windows of the text, some of whose tokens are hidden."""

    extra = 0

    def batch(self, step: int, part: Part) -> dict[str, Any]:
        whole = self._hidden(self.windows(step), step)
        counted = whole["asked"].sum().clamp(min=1).item() / part.of
        return {k: v[part.number :: part.of] for k, v in whole.items()} | {"count": counted}

    def loss(self, model: Any, batch: dict[str, Any]) -> torch.Tensor:
        asked = batch["asked"]
        hidden = model.bert(batch["shown"])[asked]  # only these are compared with the vocabulary
        return token_loss(model.logits(hidden), batch["tokens"][asked], count=batch["count"])

    def held_out(self) -> Iterator[dict[str, Any]]:
        """The same tokens are asked for every time."""
        whole = self.held[: len(self.held) // self.width * self.width].view(-1, self.width)
        for number, some in enumerate(whole.split(64)):
            batch = self._hidden(some, 2**40 + number)
            yield batch | {"count": batch["asked"].sum().clamp(min=1)}

    def _hidden(self, tokens: torch.Tensor, number: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + number)
        vocab_size = self.tokenizer.backend.get_vocab_size()
        begin, end, hidden = self.tokenizer.begin, self.tokenizer.end, self.tokenizer.hidden
        assert hidden is not None
        may_hide = ~torch.isin(tokens, torch.tensor([begin, end]))
        shown, asked = hide_tokens(tokens, may_hide, hidden, vocab_size, generator)
        return {"tokens": tokens, "shown": shown, "asked": asked}


class Seq2Seq:
    """Pairs of texts, read in one language and written in the other.

    With `both_ways` each is also the other's source; the text that is written begins with a token of its column, and
    so the model knows which language is wanted.
    """

    def __init__(
        self,
        recipe: Recipe,
        task: Language,
        tokenizer: Tokenizer,
        rows: Sequence[tuple[str, ...]],
        held_out: Sequence[tuple[str, ...]],
    ) -> None:
        self.recipe, self.task, self.tokenizer = recipe, task, tokenizer
        if task.names:
            rows = [*rows, *name_pairs(task.columns)]
        self.pairs, self.held = (list(self._encoded(some)) for some in (rows, held_out))
        self.lengths = np.array([len(source) + len(target) for source, target in self.pairs])
        if len(self.pairs) < recipe.batch_size:
            raise DataError(f"{len(self.pairs)} pairs are fewer than one batch")

    def batch(self, step: int, part: Part) -> dict[str, Any]:
        """Pairs of like length together, in another order every epoch."""
        size = self.recipe.batch_size
        epoch, place = divmod(step, len(self.pairs) // size)
        draw = np.random.default_rng([self.recipe.seed, epoch])
        order = np.argsort(self.lengths + draw.uniform(0, 4, len(self.lengths)), kind="stable")
        place = int(draw.permutation(len(self.pairs) // size)[place])
        chosen = [self.pairs[i] for i in order[place * size : (place + 1) * size]]
        count = sum(len(target) - 1 for _, target in chosen) / part.of
        return self._padded(part.rows(chosen)) | {"count": count}

    def loss(self, model: Transformer, batch: dict[str, Any]) -> torch.Tensor:
        target, mask = batch["target"], batch["target_mask"]
        memory = model.encode(batch["source"], batch["source_mask"])
        hidden = model.decode(target[:, :-1], memory, mask[:, :-1], batch["source_mask"])
        smoothing = self.task.smoothing if model.training else 0.0
        kept = mask[:, 1:]
        logits = model.logits(hidden[kept])
        return token_loss(logits, target[:, 1:][kept], count=batch["count"], smoothing=smoothing)

    def held_out(self) -> Iterator[dict[str, Any]]:
        ordered = sorted(self.held, key=lambda pair: len(pair[1]))
        for start in range(0, len(ordered), 64):
            some = ordered[start : start + 64]
            yield self._padded(some) | {"count": sum(len(target) - 1 for _, target in some)}

    def _encoded(self, rows: Sequence[tuple[str, ...]]) -> Iterator[Row]:
        longest, end = self.task.context_length, self.tokenizer.end
        backend = self.tokenizer.backend
        begins = [backend.token_to_id(language_token(c)) or 0 for c in self.task.columns]
        assert end is not None
        ways = ((0, 1), (1, 0)) if self.task.both_ways else ((0, 1),)
        for row in rows:
            for read, written in ways:
                source = [*self.tokenizer.encode(row[read], begin=False), end]
                target = [begins[written], *self.tokenizer.encode(row[written], begin=False), end]
                if max(len(source), len(target)) <= longest:
                    yield source, target

    def _padded(self, pairs: Sequence[Row]) -> dict[str, torch.Tensor]:
        batch = {}
        for name, texts in zip(("source", "target"), zip(*pairs, strict=True), strict=True):
            width = max(map(len, texts))
            rows = [
                F.pad(torch.tensor(t), (0, width - len(t)), value=self.tokenizer.pad) for t in texts
            ]
            batch[name] = torch.stack(rows)
            lengths = torch.tensor([len(text) for text in texts])
            batch[f"{name}_mask"] = torch.arange(width) < lengths[:, None]
        return batch


def split_rows(
    rows: Sequence[tuple[str, ...]], share: float
) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Hold the last share of the rows out; of a single text its last characters.

    Example:
        >>> split_rows([("abcdefghij",)], 0.1)
        ([('abcdefghi',)], [('j',)])
    """
    if len(rows) == 1:
        (row,) = rows
        cuts = [int(len(text) * (1 - share)) for text in row]
        parts = list(zip(row, cuts, strict=True))
        return [tuple(t[:c] for t, c in parts)], [tuple(t[c:] for t, c in parts)]
    cut = int(len(rows) * (1 - share))
    return list(rows[:cut]), list(rows[cut:])


def language_token(column: str) -> str:
    """What a written text begins with, for a column such as `zh`."""
    return f"<{column}>"


def _stream(tokenizer: Tokenizer, rows: Sequence[tuple[str, ...]]) -> torch.Tensor:
    """The tokens of all texts, (N,), each between its begin and end token where there are such."""
    tokens: list[int] = []
    for (text,) in rows:
        tokens.extend(tokenizer.encode(text))
        if tokenizer.end is not None:
            tokens.append(tokenizer.end)
    return torch.tensor(tokens)


def _tokenizer(
    task: Language, rows: Sequence[tuple[str, ...]], held_out: Sequence[tuple[str, ...]]
) -> Tokenizer:
    """Byte pairs are learnt from what is trained on; an alphabet has to hold what is held out, too."""
    texts = [text for row in rows for text in row]
    if task.tokenizer == "characters":
        if task.objective != "causal":
            raise ConfigError(
                "a tokenizer of characters has no special tokens: only for causal models"
            )
        held = [text for row in held_out for text in row]
        return Tokenizer(characters([*texts, *held]), task.context_length)
    special = [language_token(c) for c in task.columns] if task.objective == "seq2seq" else []
    return Tokenizer(train_language_bpe(texts, task.vocab_size, special), task.context_length)


def _fresh(task: Language, tokenizer: Tokenizer) -> nn.Module:
    sizes: dict[str, Any] = {
        "vocab_size": tokenizer.backend.get_vocab_size(),
        "hidden_size": task.hidden_size,
        "num_layers": task.num_layers,
        "num_heads": task.num_heads,
        "mlp_size": task.mlp_size or 4 * task.hidden_size,
        "context_length": task.context_length,
        "dropout": task.dropout,
    }
    if task.activation:
        sizes["activation"] = task.activation
    if task.objective == "causal":
        return Gpt(GptConfig(**sizes))
    if task.objective == "masked":
        return BertMaskedLM(BertMaskedLMConfig(**sizes))
    return Transformer(TransformerConfig(**sizes))
