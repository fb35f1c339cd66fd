"""Shorten a trained vocabulary, where a model would otherwise be over its size."""

from __future__ import annotations

import json
from dataclasses import replace

from tokenizers import Tokenizer as Backend
from torch import nn

from polysee.models.align import Align


def shorten_bpe(backend: Backend, vocab_size: int) -> Backend:
    """Keep the first tokens of a byte-level BPE: the later a merge was learnt, the rarer it is.

    Example:
        >>> from polysee.inputs.tokenizer import train_bpe
        >>> whole = train_bpe(["a cat and a dog", "cats and dogs"] * 9, vocab_size=290)
        >>> whole.get_vocab_size() > shorten_bpe(whole, 270).get_vocab_size()
        True
    """
    settings = json.loads(backend.to_str())
    model = settings["model"]
    kept = {token: index for token, index in model["vocab"].items() if index < vocab_size}
    model["vocab"] = kept
    model["merges"] = [pair for pair in model["merges"] if _joined(pair) in kept]
    return Backend.from_str(json.dumps(settings))


def _joined(pair: list[str] | str) -> str:
    """Merges are pairs; older files hold them as one string."""
    return "".join(pair.split(" ") if isinstance(pair, str) else pair)


def shorten_embedding(model: Align, vocab_size: int) -> None:
    """Keep the vectors of the first tokens."""
    embeddings = model.text.embeddings
    embeddings.token = nn.Embedding.from_pretrained(
        embeddings.token.weight[:vocab_size].detach().clone(), freeze=False
    )
    model.text.config = replace(model.text.config, vocab_size=vocab_size)
    model.config = replace(model.config, text=model.text.config)
