"""BERT, as `transformers.BertModel` and its heads keep it; Chinese BERT and RoBERTa-wwm are the same network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polysee.checkpoints.huggingface import tokenizer
from polysee.checkpoints.huggingface.architecture import Architecture, Settings
from polysee.checkpoints.keymap import KeyMap, Rules, State, within
from polysee.models.bert import BertClassifierConfig, BertConfig, BertMaskedLMConfig

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

_OLD = ((".weight", ".gamma"), (".bias", ".beta"))
_POSITIONS = "embeddings.position_ids"

# As a part of another model the pooler, which served next-sentence prediction, is unused.
BERT = KeyMap(RULES, unused=("pooler.", _POSITIONS))

_POOLER: Rules = (("pooler", "pooler.dense"),)
_POOLED: Rules = (*RULES, *_POOLER)
_HEADS = ("cls.", "classifier.")

_BARE = KeyMap(
    (*_POOLED, *((ours, f"bert.{theirs}") for ours, theirs in _POOLED)),
    unused=(_POSITIONS, f"bert.{_POSITIONS}", *_HEADS),
    old_endings=_OLD,
)
MASKED_LM = KeyMap(
    (
        *within("bert", "bert", RULES),
        ("transform", "cls.predictions.transform.dense"),
        ("norm", "cls.predictions.transform.LayerNorm"),
        ("bias", "cls.predictions.bias"),
    ),
    unused=(f"bert.{_POSITIONS}", "bert.pooler.", "cls.seq_relationship."),
    tied=(
        ("bert.embeddings.token.weight", "cls.predictions.decoder.weight"),
        ("bias", "cls.predictions.decoder.bias"),
    ),
    old_endings=_OLD,
)
CLASSIFIER = KeyMap(
    (*within("bert", "bert", _POOLED), ("classifier", "classifier")),
    unused=(f"bert.{_POSITIONS}",),
    old_endings=_OLD,
)

SETTINGS = Settings(
    (
        ("vocab_size", "vocab_size"),
        ("hidden_size", "hidden_size"),
        ("num_layers", "num_hidden_layers"),
        ("num_heads", "num_attention_heads"),
        ("mlp_size", "intermediate_size"),
        ("context_length", "max_position_embeddings"),
        ("token_types", "type_vocab_size"),
        ("activation", "hidden_act"),
        ("norm_epsilon", "layer_norm_eps"),
        ("dropout", "hidden_dropout_prob"),
    ),
    expected={
        "is_decoder": False,
        "add_cross_attention": False,
        "position_embedding_type": "absolute",
        "tie_word_embeddings": True,
    },
)


def _read_bare(values: Mapping[str, Any], state: State) -> BertConfig:
    pooler = any(key.removeprefix("bert.").startswith("pooler.") for key in state)
    return BertConfig(**SETTINGS.read(values), pooler=pooler)


def _read_masked_lm(values: Mapping[str, Any], state: State) -> BertMaskedLMConfig:
    return BertMaskedLMConfig(**SETTINGS.read(values))


def _read_classifier(values: Mapping[str, Any], state: State) -> BertClassifierConfig:
    names = values.get("id2label") or {}
    count = len(names) or int(values.get("num_labels", 2))
    labels = tuple(str(names.get(str(i), f"LABEL_{i}")) for i in range(count))
    return BertClassifierConfig(**SETTINGS.read(values), labels=labels)


def _write_classifier(config: Any) -> dict[str, Any]:
    labels = config.labels
    names = {"id2label": {str(i): name for i, name in enumerate(labels)}}
    return {**SETTINGS.write(config), **names, "label2id": {n: i for i, n in enumerate(labels)}}


_CUTS = tokenizer.BERT
BERTS = (
    Architecture(("BertModel",), "bert", BertConfig, _BARE, _read_bare, SETTINGS.write, tokenizer=_CUTS),
    Architecture(
        ("BertForMaskedLM", "BertForPreTraining"), "bert", BertMaskedLMConfig, MASKED_LM,
        _read_masked_lm, SETTINGS.write, tokenizer=_CUTS,
    ),
    Architecture(
        ("BertForSequenceClassification",), "bert", BertClassifierConfig, CLASSIFIER,
        _read_classifier, _write_classifier, tokenizer=_CUTS,
    ),
)  # fmt: skip
