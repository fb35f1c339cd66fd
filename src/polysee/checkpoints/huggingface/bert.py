"""BERT, as `transformers.BertModel` keeps it. The pooler, which served next-sentence prediction, is unused."""

from __future__ import annotations

from polysee.checkpoints.keymap import KeyMap, Rules

RULES: Rules = (
    ("embeddings.token", "embeddings.word_embeddings"),
    ("embeddings.position", "embeddings.position_embeddings"),
    ("embeddings.token_type", "embeddings.token_type_embeddings"),
    ("embeddings.norm", "embeddings.LayerNorm"),
    ("blocks.{}.attention.query", "encoder.layer.{}.attention.self.query"),
    ("blocks.{}.attention.key", "encoder.layer.{}.attention.self.key"),
    ("blocks.{}.attention.value", "encoder.layer.{}.attention.self.value"),
    ("blocks.{}.attention.output", "encoder.layer.{}.attention.output.dense"),
    ("blocks.{}.attention_norm", "encoder.layer.{}.attention.output.LayerNorm"),
    ("blocks.{}.mlp.expand", "encoder.layer.{}.intermediate.dense"),
    ("blocks.{}.mlp.project", "encoder.layer.{}.output.dense"),
    ("blocks.{}.mlp_norm", "encoder.layer.{}.output.LayerNorm"),
)

BERT = KeyMap(RULES, unused=("pooler.", "embeddings.position_ids"))
