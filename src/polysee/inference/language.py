"""Language models ready for use: texts in, texts and probabilities out.

Shapes: N texts, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from polysee.checkpoints.folder import export_folder, read_card
from polysee.errors import ConfigError, NotSupportedError
from polysee.generation import (
    Decoding,
    GptWriter,
    TransformerWriter,
    Trie,
    Writer,
    choice_scores,
    generate,
    stream,
)
from polysee.inference.openvino_gpt import OpenvinoGpt
from polysee.inputs.tokenizer import Tokenizer
from polysee.models.bert import Bert, BertClassifier, BertMaskedLM
from polysee.models.gpt import Gpt
from polysee.models.transformer import Transformer

_WORTH_COMPILING = 5_000_000  # parameters: a smaller GPT is done before it is compiled
# What an `Embedder` has, so that an index is told in words why this model cannot make it.
_OF_PICTURES = (
    "embed_image",
    "embed_labels",
    "embed_pictures",
    "embed_text",
    "embedding_size",
    "recipe",
)


class TextModel:
    """A language model with its tokenizer; what `polysee.load` returns for a bare BERT.

    Attributes:
        id: the name it was loaded by; `hash`: 16 hexadecimal digits over weights and tokenizer.
        model: the bare module, float32, in eval mode; called with `tokens` and a `mask`.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Tokenizer | None,
        *,
        id: str,
        hash: str,
        folder: Path,
        device: torch.device,
        dtype: str = "float32",
    ) -> None:
        self.model = model.to(device)
        self._tokenizer, self.dtype = tokenizer, dtype
        self.id, self.hash, self.folder, self.device = id, hash, folder, device

    def __getattr__(self, name: str) -> Any:
        if name in _OF_PICTURES:
            raise NotSupportedError(f"{self.id}: not a model of pictures and text")
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    @property
    def tokenizer(self) -> Tokenizer:
        """Raises: NotSupportedError: the model folder has none."""
        if self._tokenizer is None:
            raise NotSupportedError(f"{self.id} has no tokenizer: it cannot read text")
        return self._tokenizer

    def export(self, folder: Path) -> None:
        """Write a folder that `transformers` loads, with its tokenizer.

        Raises:
            NotSupportedError: `transformers` has no such architecture.
        """
        found = self._tokenizer
        special: dict[str, Any] = {}
        if found:
            special = {"bos_token_id": found.begin, "eos_token_id": found.end}
        export_folder(folder, self.model, tokenizer=found, **special)


class TextClassifier(TextModel):
    """What `polysee.load` returns for a BERT with classes.

    Example:
        polysee.load("FOLDER").classify(["房间很干净"])
    """

    @property
    def labels(self) -> tuple[str, ...]:
        assert isinstance(self.model, BertClassifier)
        return self.model.config.labels

    @cached_property
    def unsure_below(self) -> float:
        """A label that is less likely than this is better not given; see `checkpoints.folder.Card`."""
        return read_card(self.folder).unsure_below

    def classify(self, texts: Sequence[str], batch_size: int = 32) -> np.ndarray:
        """How likely each label is for each text.

        Shapes:
            returns: (N, labels) float32, each row summing to 1
        """
        return self.logits(texts, batch_size).softmax(-1).numpy()

    def logits(self, texts: Sequence[str], batch_size: int = 32) -> torch.Tensor:
        """What the probabilities are made of.

        A text longer than the model reads at once is read part by part; what is said of it is the mean over its parts,
        each as heavy as it is long.

        Shapes:
            returns: (N, labels) float32
        Raises:
            ConfigError: `texts` is one string.
        """
        if isinstance(texts, str):
            raise ConfigError("texts must be a list of strings, not one string")
        whole = [self.tokenizer.encode(text, begin=False) for text in texts]
        size = self.tokenizer.context_length - 2
        parts = [
            (row, tokens[start : start + size])
            for row, tokens in enumerate(whole)
            for start in range(0, max(1, len(tokens)), size)
        ]
        parts.sort(key=lambda part: len(part[1]))  # so that little is filled up
        total = torch.zeros(len(texts), len(self.labels))
        weight = torch.zeros(len(texts), 1)
        for start in range(0, len(parts), batch_size):
            rows, some = zip(*parts[start : start + batch_size], strict=True)
            lengths = torch.tensor([[float(len(tokens) or 1)] for tokens in some])
            found = self._read(some) * lengths
            total.index_add_(0, torch.tensor(rows), found)
            weight.index_add_(0, torch.tensor(rows), lengths)
        return total / weight.clamp(min=1)

    def _read(self, parts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Shapes: returns (parts, labels)."""
        begin, end, pad = self.tokenizer.begin, self.tokenizer.end, self.tokenizer.pad
        rows = [[t for t in (begin, *part, end) if t is not None] for part in parts]
        width = max(map(len, rows))
        tokens = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
        mask = torch.arange(width) < torch.tensor([[len(row)] for row in rows])
        with torch.inference_mode():
            return self.model(tokens.to(self.device), mask.to(self.device)).float().cpu()


class LanguageModel(TextModel):
    """What `polysee.load` returns for a GPT, which goes on from a text, and for a Transformer, which answers one.

    With dtype "auto", a GPT of some size on a CPU writes by OpenVINO with weights in 8 bits where that is installed.
    `choose` is always exact.

    Example:
        model = polysee.load("openai-community/gpt2")
        model.write(["The cat"], max_tokens=20)
    """

    def write(
        self,
        texts: Sequence[str],
        *,
        to: str | None = None,
        choices: Sequence[str] | None = None,
        stop: Sequence[str] = (),
        **settings: Any,
    ) -> list[str]:
        """Go on from texts, or answer them.

        Args:
            to: of a Transformer, the language to write, such as "zh".
            choices: what is written is one of these.
            stop: what is written ends before any of these.
            settings: of `generation.Decoding`: `max_tokens`, `temperature`, `top_k`, `top_p`, `repetition_penalty`,
                `beams`, `length_penalty`, `seed`.
        Raises:
            ConfigError: a setting is unknown or out of range, a text is empty or too long.
        """
        if isinstance(texts, str):
            raise ConfigError("texts must be a list of strings, not one string")
        if not texts:
            return []
        decoding = self._decoding(settings)
        if stop and decoding.beams > 1:
            raise ConfigError("stop strings end one text, not beams: leave beams at 1")
        with torch.inference_mode():
            writer = self._writer(texts, to, fast=True)
            trie = None if choices is None else Trie(self._encoded(choices), decoding.end)
            found = generate(writer, decoding, trie=trie, stop=self._stop(stop))
        return [_cut(self.tokenizer.decode(tokens), stop)[0] for tokens in found]

    def stream(
        self, text: str, *, to: str | None = None, stop: Sequence[str] = (), **settings: Any
    ) -> Iterator[str]:
        """As `write`, for one text, piece by piece as it is written; the pieces together are what `write` gives."""
        decoding = self._decoding(settings)
        if decoding.beams > 1:
            raise ConfigError("beams are known only at the end: leave beams at 1 to stream")
        with torch.inference_mode():
            writer = self._writer([text], to, fast=True)
        written: list[int] = []
        shown = ""
        held = max(
            (len(s) - 1 for s in stop), default=0
        )  # the beginning of a stop string may stand there
        for (token,) in stream(writer, decoding, stop=self._stop(stop)):
            assert token is not None
            written.append(token)
            whole, stopped = _cut(self.tokenizer.decode(written), stop)
            safe = whole if stopped else whole[: len(whole) - held]
            if safe.endswith("\ufffd"):  # the bytes of a character are not all there yet
                continue
            if len(safe) > len(shown):
                yield safe[len(shown) :]
                shown = safe
        whole, _ = _cut(self.tokenizer.decode(written), stop)
        if len(whole) > len(shown):
            yield whole[len(shown) :]

    def choose(self, text: str, choices: Sequence[str], *, to: str | None = None) -> np.ndarray:
        """How likely each choice is after a text, if exactly one of them follows.

        Shapes:
            returns: (N,) float32, summing to 1, in the order of `choices`
        """
        with torch.inference_mode():
            end = self.tokenizer.end
            scores = choice_scores(self._writer([text], to), self._encoded(choices), end)
        return scores.softmax(0).cpu().numpy()

    def _decoding(self, settings: dict[str, Any]) -> Decoding:
        try:
            return Decoding(end=self.tokenizer.end, **settings)
        except TypeError as error:
            raise ConfigError(f"unknown setting: {error}") from error

    @cached_property
    def _fast(self) -> OpenvinoGpt | None:
        """Compiled at first use; see the class."""
        if self.dtype != "auto" or self.device.type != "cpu" or find_spec("openvino") is None:
            return None
        size = sum(parameter.numel() for parameter in self.model.parameters())
        if not isinstance(self.model, Gpt) or size < _WORTH_COMPILING:
            return None
        return OpenvinoGpt(self.model)

    def _writer(self, texts: Sequence[str], to: str | None, *, fast: bool = False) -> Writer:
        if isinstance(self.model, Gpt):
            if to is not None:
                raise ConfigError(
                    "a GPT goes on in the language of the text: `to` is for translators"
                )
            tokens, mask = self.tokenizer.prompts(texts)
            if fast and self._fast is not None:
                return self._fast.writer(tokens, mask)
            return GptWriter(self.model, tokens.to(self.device), mask.to(self.device))
        assert isinstance(self.model, Transformer)
        tokens, mask = self._sources(texts)
        start = self._start(to)
        return TransformerWriter(
            self.model, tokens.to(self.device), mask.to(self.device), start=[start]
        )

    def _sources(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Texts to be read whole, each with its end token, filled up on the right."""
        tokenizer, longest = self.tokenizer, self.model.config.context_length  # type: ignore[union-attr]
        rows = [tokenizer.encode(text, begin=False) for text in texts]
        rows = [row if tokenizer.end is None else [*row, tokenizer.end] for row in rows]
        width = max(map(len, rows))
        if width > longest:  # type: ignore[operator]
            raise ConfigError(f"a text has {width} tokens; the model reads {longest}")
        tokens = torch.full((len(rows), width), tokenizer.pad)
        mask = torch.zeros(len(rows), width, dtype=torch.bool)
        for i, row in enumerate(rows):
            tokens[i, : len(row)] = torch.tensor(row, dtype=torch.long)
            mask[i, : len(row)] = True
        return tokens, mask

    def _start(self, to: str | None) -> int:
        backend = self.tokenizer.backend
        found = self.tokenizer.begin if to is None else backend.token_to_id(f"<{to}>")
        if found is None:
            raise ConfigError(f"{self.id} does not write {to or 'without being told a language'}")
        return found

    def _encoded(self, choices: Sequence[str]) -> list[list[int]]:
        return [self.tokenizer.encode(choice, begin=False) for choice in choices]

    def _stop(self, strings: Sequence[str]) -> Callable[[Sequence[int]], bool] | None:
        if not strings:
            return None
        if not all(strings):
            raise ConfigError("an empty stop string would end every text at once")
        return lambda tokens: _cut(self.tokenizer.decode(tokens), strings)[1]


def wrapper_of(model: nn.Module) -> type[TextModel] | None:
    """Which of the classes here a module belongs to; None for one that does not read text alone."""
    kinds: dict[type[nn.Module], type[TextModel]] = {
        Bert: TextModel,
        BertMaskedLM: TextModel,
        BertClassifier: TextClassifier,
        Gpt: LanguageModel,
        Transformer: LanguageModel,
    }
    return kinds.get(type(model))


def _cut(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """A text up to the first of some strings, and whether one was there.

    Example:
        >>> _cut("one. two", [".", "w"])
        ('one', True)
    """
    places = [place for place in (text.find(string) for string in stop) if place >= 0]
    return (text[: min(places)], True) if places else (text, False)
