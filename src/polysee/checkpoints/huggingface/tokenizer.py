"""The tokenizer of a folder of `transformers`, from whichever of its files there are, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polysee.checkpoints.json_files import read_json, write_json
from polysee.inputs.tokenizer import Tokenizer
from polysee.inputs.vocabularies import END_OF_TEXT, Bpe, clip_bpe, read_backend

FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
)
_SETTINGS = ("special_tokens_map.json", "tokenizer_config.json")
# Without a limit of its own, a tokenizer says 10^30.
_NO_LIMIT = 10**9


@dataclass(frozen=True)
class TokenizerKind:
    """How a family cuts its texts and fills them up.

    Args:
        pad_token: where a folder names none.
        bpe: makes its tokenizer of a vocabulary and merges, where a folder has no `tokenizer.json`.
        fill, left: as in `Tokenizer`; a folder may have it the other way round.
    """

    pad_token: str
    bpe: Bpe | None = None
    fill: bool = False
    left: bool = False


CLIP = TokenizerKind(END_OF_TEXT, clip_bpe)
BERT = TokenizerKind("[PAD]")
GPT2 = TokenizerKind(END_OF_TEXT)
GEMMA = TokenizerKind("<pad>", fill=True, left=True)  # as SigLIP 2 reads it: the filling too


def load_tokenizer(folder: Path, kind: TokenizerKind, context_length: int) -> Tokenizer | None:
    """The tokenizer of a folder; None if it has none.

    Raises:
        CheckpointError: a file is damaged.
    """
    backend = read_backend(folder, kind.bpe)
    if backend is None:
        return None
    settings = _settings(folder)
    side = settings.get("padding_side") or (backend.padding or {}).get("direction")
    longest = settings.get("model_max_length")
    if isinstance(longest, int | float) and 1 < longest < _NO_LIMIT:
        context_length = min(context_length, int(longest))
    return Tokenizer(
        backend,
        context_length,
        pad_token=settings.get("pad_token", kind.pad_token),
        fill=kind.fill,
        left=side == "left" if side else kind.left,
    )


def write_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """Write `tokenizer.json`, and beside it what `transformers` wants said again."""
    tokenizer.save(folder / "tokenizer.json")
    backend = tokenizer.backend
    names = ["input_ids"] if tokenizer.fill else ["input_ids", "attention_mask"]
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",  # all is in tokenizer.json
        "model_max_length": tokenizer.context_length,
        "model_input_names": names,
        "padding_side": (backend.padding or {}).get("direction", "right"),
        "pad_token": backend.id_to_token(tokenizer.pad),
    }
    write_json(folder / "tokenizer_config.json", settings)


def _settings(folder: Path) -> dict[str, Any]:
    """What both files of settings say; a token may be an object with its text inside."""
    values: dict[str, Any] = {}
    for name in _SETTINGS:
        if (folder / name).exists():
            values |= read_json(folder / name)
    texts = {k: v.get("content") if isinstance(v, dict) else v for k, v in values.items()}
    return {k: v for k, v in texts.items() if v is not None}
