"""Shorten a trained vocabulary, where a model would otherwise be over its size."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend
from torch import nn

from polysee.errors import ConfigError
from polysee.models.align import Align

UNIGRAM_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
OFTEN = 3
"""Characters that stand so often in the texts are pieces of their own."""


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


def shorten_unigram(backend: Backend, texts: Sequence[str], vocab_size: int) -> Backend:
    """Keep of a unigram vocabulary (Kudo 2018, https://arxiv.org/abs/1804.10959) what some texts need most.

    The pieces keep their scores, so that where all of a text's are kept it is cut as before; where not, into shorter
    ones, and at last into bytes: no text is unknown. Lower-cased. Special tokens that a text spells out are words.

    Args:
        backend: with the special tokens `<s>`, `<pad>`, `</s>` and `<unk>`.
    Raises:
        ConfigError: `vocab_size` leaves no room beside special tokens, bytes and single characters.
    """
    model = json.loads(backend.to_str())["model"]
    scores = dict(map(tuple, model["vocab"]))
    reserved = [*UNIGRAM_SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))]
    whole = Backend(models.Unigram(list(scores.items()), unk_id=model["unk_id"]))
    spaces = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    whole.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), *spaces])
    # Brackets stand alone: so no text spells out what is reserved.
    brackets = pre_tokenizers.Split(Regex("[<>]"), "isolated")
    whole.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), brackets])
    counts: Counter[str] = Counter()
    for encoding in whole.encode_batch(list(texts), add_special_tokens=False):
        counts.update(token for token in encoding.tokens if token in scores)
    characters: Counter[str] = Counter()
    for piece, count in counts.items():
        characters.update({character: count for character in piece if character in scores})
    single = {character for character, count in characters.items() if count >= OFTEN}
    room = vocab_size - len(reserved) - len(single)
    if room < 0:
        raise ConfigError(f"vocab_size {vocab_size} is too small: {-room} more are needed")
    longer = [piece for piece, _ in counts.most_common() if piece not in single]
    kept = [*sorted(single), *longer[:room]]
    short = Backend(
        models.Unigram(
            [(piece, 0.0) for piece in reserved] + [(piece, scores[piece]) for piece in kept],
            unk_id=reserved.index("<unk>"),
            byte_fallback=True,
        )
    )
    short.normalizer, short.pre_tokenizer = whole.normalizer, whole.pre_tokenizer
    short.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    short.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        special_tokens=[(token, reserved.index(token)) for token in ("<s>", "</s>")],
    )
    return short


def shorten_embedding(model: Align, vocab_size: int) -> None:
    """Keep the vectors of the first tokens."""
    embeddings = model.text.embeddings
    embeddings.token = nn.Embedding.from_pretrained(
        embeddings.token.weight[:vocab_size].detach().clone(), freeze=False
    )
    model.text.config = replace(model.text.config, vocab_size=vocab_size)
    model.config = replace(model.config, text=model.text.config)
