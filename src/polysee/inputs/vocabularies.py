"""Tokenizers of published language models, from the files that come with their weights.

`tokenizer.json` says everything by itself. Older folders hold only a vocabulary: `vocab.json` and `merges.txt` for
GPT-2's and CLIP's byte-level BPE, `vocab.txt` for BERT's WordPiece.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from tokenizers import Tokenizer as Backend

from polysee.errors import CheckpointError

TOKENIZER, VOCABULARY, MERGES, WORDS, SETTINGS = (
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "tokenizer_config.json",
)
END_OF_TEXT = "<|endoftext|>"
START_OF_TEXT = "<|startoftext|>"
# Words, digits one by one, runs of anything else; the ends of English contractions are words.
_CLIP_WORDS = "|".join(
    (
        *map(re.escape, (START_OF_TEXT, END_OF_TEXT)),
        *("'s", "'t", "'re", "'ve", "'m", "'ll", "'d"),
        *(r"\p{L}+", r"\p{N}", r"[^\s\p{L}\p{N}]+"),
    )
)
Bpe = Callable[[Mapping[str, int], Sequence[tuple[str, str]]], Backend]
_ALONE = "的地得在了着过和是有不没与里上个我你您他她它们这那吗呢吧很都就也要会"
BERT_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def read_backend(folder: Path, bpe: Bpe | None = None) -> Backend | None:
    """The tokenizer of a model folder, None where it has no file of one.

    Args:
        bpe: makes the tokenizer of a `vocab.json` and a `merges.txt`; `byte_level_bpe` when None.
    Raises:
        CheckpointError: a file is damaged.
    """
    try:
        if (folder / TOKENIZER).exists():
            return Backend.from_file(str(folder / TOKENIZER))
        if (folder / VOCABULARY).exists() and (folder / MERGES).exists():
            vocabulary = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
            lines = (folder / MERGES).read_text(encoding="utf-8").splitlines()
            return (bpe or byte_level_bpe)(vocabulary, _merges(lines))
        if (folder / WORDS).exists():
            # Of the ways to end a line, only this one: a token may be one of the others.
            words = (folder / WORDS).read_text(encoding="utf-8").rstrip("\n").split("\n")
            return wordpiece(words, **_bert_settings(folder / SETTINGS))
    except Exception as error:  # the library raises bare Exception
        raise CheckpointError(f"{folder}: not a readable tokenizer: {error}") from error
    return None


def byte_level_bpe(
    vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]], end: str = END_OF_TEXT
) -> Backend:
    """GPT-2's tokenizer: words cut by a pattern, their bytes merged pair by pair; no text is unknown to it.

    Radford et al. 2019, section 2.2.

    Args:
        end: the token that stands between texts; it is read as one where a text holds it.
    """
    backend = Backend(models.BPE(vocab=dict(vocabulary), merges=list(merges)))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    if end in vocabulary:
        backend.add_special_tokens([AddedToken(end, normalized=False)])
    return backend


def clip_bpe(vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> Backend:
    """CLIP's tokenizer: lower-cased words, their bytes merged pair by pair, the last piece of a word marked by `</w>`.

    Radford et al. 2021, section 2.4 (https://arxiv.org/abs/2103.00020).
    Differs from CLIP's own code, as `transformers` does: broken Unicode is not repaired, HTML is not unescaped.
    """
    model = models.BPE(
        vocab=dict(vocabulary),
        merges=list(merges),
        end_of_word_suffix="</w>",
        unk_token=END_OF_TEXT,
    )
    backend = Backend(model)
    backend.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_CLIP_WORDS), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(
        [AddedToken(t, normalized=False) for t in (START_OF_TEXT, END_OF_TEXT)]
    )
    end, begin = ((token, vocabulary[token]) for token in (END_OF_TEXT, START_OF_TEXT))
    backend.post_processor = processors.RobertaProcessing(end, begin, False, False)
    return backend


def wordpiece(
    words: Sequence[str],
    *,
    lowercase: bool = True,
    strip_accents: bool | None = None,
    han_alone: bool = True,
) -> Backend:
    """BERT's tokenizer: cut at spaces and punctuation, then the longest known piece from the left, again and again.

    Wu et al. 2016, section 4.1 (https://arxiv.org/abs/1609.08144); Devlin et al. 2019, section 3.

    Args:
        strip_accents: as `lowercase` when None.
        han_alone: every Chinese character is a word of its own.
    """
    vocabulary = {word: number for number, word in enumerate(words)}
    backend = Backend(models.WordPiece(vocab=vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=han_alone,
        strip_accents=strip_accents,
        lowercase=lowercase,
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    backend.add_special_tokens([AddedToken(t, normalized=False) for t in BERT_TOKENS])
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    return backend


def train_language_bpe(
    texts: Iterable[str], vocab_size: int, special: Sequence[str] = ()
) -> Backend:
    """Train a byte-level BPE that keeps a text as it is, for models that write: capitals, spaces and all.

    The commonest Chinese particles and pronouns are tokens of their own, for Chinese has no spaces to cut at: without
    that, half sentences such as 汤姆不知道 became one token.

    Args:
        special: further special tokens, beside those for padding, the beginning and end of a text, and a hidden token.
    """
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(f"[{_ALONE}]"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<pad>", "<s>", "</s>", "<mask>", *special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=16,
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> $B:1 </s>:1",
        special_tokens=[(token, backend.token_to_id(token)) for token in ("<s>", "</s>")],
    )
    return backend


def characters(texts: Iterable[str]) -> Backend:
    """Every character that stands in the texts is a token, in the order of their code points."""
    alphabet = sorted({character for text in texts for character in text})
    backend = Backend(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    backend.decoder = decoders.Fuse()
    return backend


def _merges(lines: list[str]) -> list[tuple[str, str]]:
    """The pairs of a `merges.txt`, whose first line may say its version."""
    pairs = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    return [(left, right) for left, right in pairs]


def _bert_settings(path: Path) -> dict[str, Any]:
    values = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {
        "lowercase": values.get("do_lower_case", True),
        "strip_accents": values.get("strip_accents"),
        "han_alone": values.get("tokenize_chinese_chars", True),
    }
