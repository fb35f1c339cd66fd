"""GPT-2, as `transformers.GPT2LMHeadModel` keeps it; files of the bare `GPT2Model` lack the prefix.

There query, key and value are one matrix, and every matrix is kept as (in, out), since GPT-2's maps once were
convolutions of width one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from polysee.checkpoints.huggingface import tokenizer
from polysee.checkpoints.huggingface.architecture import Architecture, Settings
from polysee.checkpoints.keymap import Fix, Join, KeyMap, Rules, State
from polysee.models.gpt import GptConfig

_RULES: Rules = (
    ("token", "wte"),
    ("position", "wpe"),
    ("norm", "ln_f"),
    ("blocks.{}.attention_norm", "h.{}.ln_1"),
    ("blocks.{}.attention.qkv", "h.{}.attn.c_attn"),
    ("blocks.{}.attention.output", "h.{}.attn.c_proj"),
    ("blocks.{}.mlp_norm", "h.{}.ln_2"),
    ("blocks.{}.mlp.expand", "h.{}.mlp.c_fc"),
    ("blocks.{}.mlp.project", "h.{}.mlp.c_proj"),
)
_MATRICES = ("attention.qkv", "attention.output", "mlp.expand", "mlp.project")
_QUERY_KEY_VALUE = tuple(f"blocks.{{}}.attention.{part}" for part in ("query", "key", "value"))


GPT2 = KeyMap(
    (*((ours, f"transformer.{theirs}") for ours, theirs in _RULES), *_RULES),
    fixes=tuple(Fix(f"blocks.{{}}.{name}.weight", torch.t, torch.t) for name in _MATRICES),
    joins=(Join("blocks.{}.attention.qkv", _QUERY_KEY_VALUE),),
    tied=(("token.weight", "lm_head.weight"),),
    # Old files hold the causal mask of every layer.
    unused=tuple(
        f"{a}h.{{}}.attn.{b}" for a in ("", "transformer.") for b in ("bias", "masked_bias")
    ),
)

_SETTINGS = Settings(
    (
        ("vocab_size", "vocab_size"),
        ("hidden_size", "n_embd"),
        ("num_layers", "n_layer"),
        ("num_heads", "n_head"),
        ("mlp_size", "n_inner"),
        ("context_length", "n_positions"),
        ("activation", "activation_function"),
        ("norm_epsilon", "layer_norm_epsilon"),
        ("dropout", "resid_pdrop"),
    ),
    expected={
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "add_cross_attention": False,
        "tie_word_embeddings": True,
    },
)


def _read(values: Mapping[str, Any], state: State) -> GptConfig:
    made = _SETTINGS.read(values)
    made.setdefault("mlp_size", 4 * made.get("hidden_size", GptConfig.hidden_size))
    return GptConfig(**made)


def _write(config: GptConfig) -> dict[str, Any]:
    values = _SETTINGS.write(config)
    usual = config.mlp_size == 4 * config.hidden_size
    return {**values, "n_inner": None if usual else config.mlp_size}


GPT = Architecture(
    ("GPT2LMHeadModel", "GPT2Model"),
    "gpt2",
    GptConfig,
    GPT2,
    _read,
    _write,
    tokenizer=tokenizer.GPT2,
)
