"""Token vectors that know what a token means before training begins.

Shapes: V vocabulary, D hidden size, E projection size.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer as Backend
from torch.nn import functional as F

from polysee.checkpoints.folder import load_folder, load_folder_tokenizer
from polysee.errors import ConfigError
from polysee.inputs.prompts import is_chinese

_OWN = 0.5  # how much of a vector is its language's and its own by lot, beside what the token means


@torch.no_grad()
def start_vectors(folder: Path, backend: Backend, hidden_size: int) -> torch.Tensor:
    """Vectors in which words of one meaning are near each other, in both languages.

    A bilingual model of sentences reads every token as a text of its own. Its vectors, less the mean of their language,
    are turned to their principal directions, of which the first D stay. A direction for each language and a little
    chance are added, so that no two tokens are the same. Pieces of characters, and tokens that are no text, get chance
    alone.

    Args:
        folder: of a model that has `encode_text` and a tokenizer.
        backend: whose tokens get vectors.
    Shapes:
        returns: (V, D), each of length about 1
    Raises:
        ConfigError: the model's vectors are shorter than D, or it reads no text.
    """
    model: Any = load_folder(folder)[0]
    tokenizer = load_folder_tokenizer(folder, 16)
    if tokenizer is None or not hasattr(model, "encode_text"):
        raise ConfigError(f"{folder}: not a model whose text vectors others can start from")
    texts = [backend.decode([i]).strip() for i in range(backend.get_vocab_size())]
    known = [i for i, text in enumerate(texts) if text and "\ufffd" not in text]
    read = torch.cat(
        [
            F.normalize(
                model.encode_text(*tokenizer([texts[i] for i in known[s : s + 256]])), dim=1
            )
            for s in range(0, len(known), 256)
        ]
    )  # (known, E)
    if read.shape[1] < hidden_size:
        raise ConfigError(f"{folder}: vectors of {read.shape[1]} numbers, fewer than {hidden_size}")
    chinese = torch.tensor([is_chinese(texts[i]) for i in known])
    for some in (chinese, ~chinese):
        if some.any():
            read[some] -= read[some].mean(0)
    directions = torch.linalg.svd(read, full_matrices=False).Vh[:hidden_size]
    generator = torch.Generator().manual_seed(0)
    vectors = _by_lot(len(texts), hidden_size, generator)
    languages = _by_lot(2, hidden_size, generator)[chinese.long()]
    meant = F.normalize(read @ directions.T, dim=1)
    vectors[known] = F.normalize(meant + _OWN * (languages + vectors[known]), dim=1)
    return vectors


def _by_lot(count: int, size: int, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(count, size, generator=generator) * size**-0.5
