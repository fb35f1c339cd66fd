"""Text to token numbers, by the `tokenizers` library.

Shapes: B texts, T tokens of the longest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as Backend

from polysee.errors import CheckpointError, ConfigError

SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<mask>")
# Characters; no vocabulary for people's words has longer ones, but for rows of blanks.
LONGEST_TOKEN = 64
# Characters that join words rather than make them: without a cut there, 的猫 and 猫 were two unrelated tokens.
_PARTICLES = "的在了着和是有不没与里上"


class Tokenizer:
    """Texts to a padded batch of token numbers.

    Args:
        backend: a `tokenizers.Tokenizer` that adds the model's own begin and end tokens.
        context_length: the most tokens of a text; what is over is cut, the end token kept.
        pad_token: what short texts are filled up with; when None, the one that is known by name, else token 0.
        fill: whether every text is filled up to `context_length`, for a model that learnt to read the filling
            (SigLIP): the mask then is True everywhere.
        left: whether the filling stands before the text.
    Attributes:
        begin, end, hidden: the tokens that begin and end a text and stand for a hidden one; None where there are none.
        pad: the token that fills short texts up.
    Example:
        >>> tokenizer = Tokenizer(train_bpe(["a cat", "一只猫"], vocab_size=300), context_length=16)
        >>> tokens, mask = tokenizer(["a cat", "猫"])
        >>> tokens.shape == mask.shape
        True
    """

    def __init__(
        self,
        backend: Backend,
        context_length: int,
        *,
        pad_token: str | None = None,
        fill: bool = False,
        left: bool = False,
    ) -> None:
        self.backend = backend
        self.context_length = context_length
        self.fill = fill
        self.begin = self._first_known("<s>", "[CLS]")
        self.end = self._first_known("</s>", "[SEP]", "<|endoftext|>")
        self.hidden = self._first_known("<mask>", "[MASK]")
        pads = ("<pad>", "[PAD]") if pad_token is None else (pad_token,)
        self.pad = self._first_known(*pads) or 0
        backend.enable_truncation(context_length)
        backend.enable_padding(
            direction="left" if left else "right",
            pad_id=self.pad,
            pad_token=backend.id_to_token(self.pad) or "",
            length=context_length if fill else None,
        )

    @classmethod
    def load(cls, path: Path, context_length: int) -> Tokenizer:
        """Read a `tokenizer.json` of ours; how texts are filled up is as the file says.

        Special tokens that a text spells out, such as `</s>`, are words like any others: what people type or what
        stands in a caption does not end a text. (Vocabularies of `transformers` read them as it does.)

        Raises:
            CheckpointError: the file is absent or damaged.
        """
        try:
            backend = Backend.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise CheckpointError(f"{path}: not a readable tokenizer: {error}") from error
        backend.encode_special_tokens = True  # the library's name for "encode them as text"
        padding = backend.padding or {}
        return cls(
            backend,
            context_length,
            pad_token=padding.get("pad_token"),
            fill=padding.get("length") is not None,
            left=padding.get("direction") == "left",
        )

    def save(self, path: Path) -> None:
        """Write a `tokenizer.json` from which `load` makes the same tokenizer."""
        self.backend.save(str(path))

    def __call__(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode texts.

        Shapes:
            returns: tokens (B, T) int64, mask (B, T) bool, True for a real token
        Raises:
            ConfigError: `texts` is one string; a batch of one character each is not what was meant.
        """
        if isinstance(texts, str):
            raise ConfigError("texts must be a list of strings, not one string")
        if not texts:
            return torch.zeros(0, 0, dtype=torch.long), torch.zeros(0, 0, dtype=torch.bool)
        most = LONGEST_TOKEN * self.context_length  # what is behind it would be cut off anyway
        encodings = self.backend.encode_batch([_without_surrogates(text[:most]) for text in texts])
        tokens = torch.tensor([e.ids for e in encodings], dtype=torch.long)
        if self.fill:
            return tokens, torch.ones_like(tokens, dtype=torch.bool)
        return tokens, torch.tensor([e.attention_mask for e in encodings], dtype=torch.bool)

    def pairs(
        self, texts: Sequence[str], others: Sequence[str]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Encode pairs of texts, such as a question and its passage, as one sequence each.

        Shapes:
            returns: tokens (B, T) int64, mask (B, T) bool, token types (B, T) int64, 1 for the second text
        """
        pairs = zip(map(_without_surrogates, texts), map(_without_surrogates, others), strict=True)
        encodings = self.backend.encode_batch(list(pairs))
        columns = [
            [getattr(e, name) for e in encodings] for name in ("ids", "attention_mask", "type_ids")
        ]
        tokens, mask, types = (torch.tensor(column, dtype=torch.long) for column in columns)
        return tokens, mask.bool(), types

    def prompts(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode texts that are to be gone on with: without an end token, filled up on the left, never cut.

        Shapes:
            returns: tokens (B, T) int64, mask (B, T) bool, True for a real token
        """
        rows = [self.encode(text) for text in texts]
        longest = max(map(len, rows), default=0)
        tokens = torch.full((len(rows), longest), self.pad)
        mask = torch.zeros(len(rows), longest, dtype=torch.bool)
        for i, row in enumerate(rows):
            tokens[i, longest - len(row) :] = torch.tensor(row, dtype=torch.long)
            mask[i, longest - len(row) :] = True
        return tokens, mask

    def encode(self, text: str, *, begin: bool = True) -> list[int]:
        """One text of any length, without an end token; `begin` puts the begin token of the model, if any, first."""
        self.backend.no_truncation()
        # The "fast" one gives the same tokens, without where in the text each stands.
        ids: list[int] = self.backend.encode_batch_fast(
            [_without_surrogates(text)], add_special_tokens=False
        )[0].ids
        self.backend.enable_truncation(self.context_length)
        return [self.begin, *ids] if begin and self.begin is not None else ids

    def decode(self, tokens: Sequence[int]) -> str:
        """Back to text, without special tokens."""
        return self.backend.decode(list(tokens), skip_special_tokens=True)

    def _first_known(self, *tokens: str) -> int | None:
        found = (self.backend.token_to_id(token) for token in tokens)
        return next((number for number in found if number is not None), None)


def _without_surrogates(text: str) -> str:
    """Lone surrogates, as in names of files that are no UTF-8, cannot be encoded; they become U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def train_bpe(texts: Iterable[str], vocab_size: int) -> Backend:
    """Train a byte-level BPE for both languages, in which no text is unknown.

    Sennrich et al. 2016 (https://arxiv.org/abs/1508.07909), over bytes as in GPT-2. Lower-cased, since people do
    not type capitals into a search box; a space is put before the first word, so that it is the same token as
    inside a sentence, and dropped before Han characters, which have none; tokens hold at most 12
    bytes, four Han characters, so that whole captions do not become one token.
    """
    tokenizer = Backend(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
            normalizers.Prepend(" "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" (?=\p{Han})"), "removed"),
            pre_tokenizers.Split(Regex(f"[{_PARTICLES}]"), "isolated"),
            pre_tokenizers.Split(Regex(r"\p{Han}+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=12,
        show_progress=False,
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainer)
    begin, end = SPECIAL_TOKENS[1:3]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (begin, end)],
    )
    return tokenizer
