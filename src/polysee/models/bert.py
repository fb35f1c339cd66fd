"""BERT: a stack of blocks that reads the whole text in both directions, and the heads that are put on it.

Devlin et al. 2019 (https://arxiv.org/abs/1810.04805). Chinese BERT and RoBERTa-wwm (Cui et al. 2021,
https://arxiv.org/abs/1906.08101) are this network with another vocabulary and another way of training.

Shapes: B batch, T tokens, D hidden size, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from polysee.errors import ConfigError, NotSupportedError
from polysee.layers.attention import padding_mask
from polysee.layers.block import ACTIVATIONS, PostNormBlock
from polysee.layers.initialise import initialise
from polysee.layers.sizes import check_sizes


@dataclass(frozen=True)
class BertConfig:
    """The sizes of a BERT; the defaults are BERT-base's.

    Args:
        vocab_size: V.
        context_length: the most tokens that it reads.
        token_types: kinds of segment ("sentence A", "sentence B").
        pooler: whether there is the layer that sums the text up from its first token.
    """

    vocab_size: int = 30522
    hidden_size: int = 768
    num_layers: int = 12
    num_heads: int = 12
    mlp_size: int = 3072
    context_length: int = 512
    token_types: int = 2
    activation: str = "gelu"
    norm_epsilon: float = 1e-12
    dropout: float = 0.1
    pooler: bool = False

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.hidden_size % self.num_heads:
            raise ConfigError(
                f"hidden_size {self.hidden_size} is not a multiple of num_heads {self.num_heads}"
            )


class BertEmbeddings(nn.Module):
    """Token, position and segment vectors, summed and normalised.

    Shapes:
        tokens, token_types: (B, T)
        returns: (B, T, D)
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.token = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position = nn.Embedding(config.context_length, config.hidden_size)
        self.token_type = nn.Embedding(config.token_types, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.norm_epsilon)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, tokens: torch.Tensor, token_types: torch.Tensor | None = None
    ) -> torch.Tensor:
        position = self.position.weight[: tokens.shape[1]]  # (T, D)
        kind = self.token_type.weight[0] if token_types is None else self.token_type(token_types)
        return self.dropout(self.norm(self.token(tokens) + position + kind))


class Bert(nn.Module):
    """The encoder: a vector for every token that knows of every other.

    Shapes:
        tokens: (B, T) int64, T <= `context_length`
        mask: (B, T) bool, True for a real token; all are real when absent
        token_types: (B, T) int64, segment 0 when absent
        returns: (B, T, D)
    Raises:
        ConfigError: the text is longer than `context_length`.
    Example:
        >>> small = BertConfig(vocab_size=10, hidden_size=8, num_layers=1, num_heads=2, mlp_size=16)
        >>> Bert(small)(torch.zeros(2, 5, dtype=torch.long)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = BertEmbeddings(config)
        self.blocks = nn.ModuleList(
            PostNormBlock(
                config.hidden_size,
                config.num_heads,
                config.mlp_size,
                activation=config.activation,
                norm_epsilon=config.norm_epsilon,
                dropout=config.dropout,
            )
            for _ in range(config.num_layers)
        )
        size = config.hidden_size
        self.pooler = nn.Linear(size, size) if config.pooler else None
        self.apply(initialise)

    def forward(
        self,
        tokens: torch.Tensor,
        mask: torch.Tensor | None = None,
        token_types: torch.Tensor | None = None,
    ) -> torch.Tensor:
        if tokens.shape[1] > self.config.context_length:
            raise ConfigError(
                f"{tokens.shape[1]} tokens; the model reads {self.config.context_length}"
            )
        x = self.embeddings(tokens, token_types)
        attend = padding_mask(mask)
        for block in self.blocks:
            x = block(x, attend)
        return x

    def pool(self, hidden: torch.Tensor) -> torch.Tensor:
        """Sum the text up: a layer with tanh over the first token, which BERT calls [CLS].

        Shapes:
            hidden: (B, T, D)
            returns: (B, D)
        Raises:
            NotSupportedError: the model was made without a pooler.
        """
        if self.pooler is None:
            raise NotSupportedError("this BERT has no pooler")
        return torch.tanh(self.pooler(hidden[:, 0]))


@dataclass(frozen=True)
class BertMaskedLMConfig(BertConfig):
    """The sizes of a BERT that guesses hidden words."""


class BertMaskedLM(nn.Module):
    """BERT with the head of its pre-training: which token stood at each place?

    Devlin et al. 2019, section 3.1, task 1. The last map is the table of token vectors itself.

    Shapes:
        tokens, mask, token_types: as in `Bert`
        returns: logits (B, T, V)
    Example:
        >>> small = BertMaskedLMConfig(vocab_size=10, hidden_size=8, num_layers=1, num_heads=2, mlp_size=16)
        >>> BertMaskedLM(small)(torch.zeros(2, 5, dtype=torch.long)).shape
        torch.Size([2, 5, 10])
    """

    def __init__(self, config: BertMaskedLMConfig) -> None:
        super().__init__()
        self.config = config
        self.bert = Bert(config)
        self.transform = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = ACTIVATIONS[config.activation]
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.norm_epsilon)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.apply(initialise)

    def forward(
        self,
        tokens: torch.Tensor,
        mask: torch.Tensor | None = None,
        token_types: torch.Tensor | None = None,
    ) -> torch.Tensor:
        return self.logits(self.bert(tokens, mask, token_types))

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Shapes: hidden (..., D), returns (..., V)."""
        hidden = self.norm(self.activation(self.transform(hidden)))
        return F.linear(hidden, self.bert.embeddings.token.weight, self.bias)


@dataclass(frozen=True)
class BertClassifierConfig(BertConfig):
    """The sizes of a BERT that sorts texts.

    Args:
        labels: the names of the classes.
    """

    pooler: bool = True
    labels: tuple[str, ...] = ("negative", "positive")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.pooler:
            raise ConfigError("pooler must be on: the classes are read from it")
        if len(self.labels) < 2 or len(set(self.labels)) < len(self.labels):
            raise ConfigError(f"labels must be two or more different names, not {self.labels}")


class BertClassifier(nn.Module):
    """BERT with a linear map from the pooled text to the classes.

    Devlin et al. 2019, section 4.1.

    Shapes:
        tokens, mask, token_types: as in `Bert`
        returns: logits (B, len(labels))
    Example:
        >>> small = BertClassifierConfig(vocab_size=10, hidden_size=8, num_layers=1, num_heads=2, mlp_size=16)
        >>> BertClassifier(small)(torch.zeros(2, 5, dtype=torch.long)).shape
        torch.Size([2, 2])
    """

    def __init__(self, config: BertClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.bert = Bert(config)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.hidden_size, len(config.labels))
        self.apply(initialise)

    def forward(
        self,
        tokens: torch.Tensor,
        mask: torch.Tensor | None = None,
        token_types: torch.Tensor | None = None,
    ) -> torch.Tensor:
        pooled = self.bert.pool(self.bert(tokens, mask, token_types))  # (B, D)
        return self.classifier(self.dropout(pooled))
