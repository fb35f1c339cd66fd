"""One text after the other, or drawn: token after token, with a cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from polysee.generation.beams import beam_search
from polysee.generation.choosing import Trie
from polysee.generation.sampling import Decoding, Sampler
from polysee.generation.writers import Writer

Stop = Callable[[Sequence[int]], bool]


def generate(
    writer: Writer,
    decoding: Decoding,
    *,
    trie: Trie | None = None,
    stop: Stop | None = None,
) -> list[list[int]]:
    """Write every text to its end.

    Args:
        writer: a fresh one, which holds the prompts.
        trie: what may be written.
        stop: whether a text that was written so far is to end there.
    Returns:
        The new tokens of each text, without its end token.
    """
    if decoding.beams > 1:
        return beam_search(writer, decoding, trie=trie)
    texts: list[list[int]] = [[] for _ in writer.prompt]
    for tokens in stream(writer, decoding, trie=trie, stop=stop):
        for text, token in zip(texts, tokens, strict=True):
            if token is not None:
                text.append(token)
    return texts


@torch.inference_mode()
def stream(
    writer: Writer,
    decoding: Decoding,
    *,
    trie: Trie | None = None,
    stop: Stop | None = None,
) -> Iterator[list[int | None]]:
    """Give the next token of each text as soon as it is known, None for a text that has ended; see `generate`."""
    prompts = writer.prompt
    written: list[list[int]] = [[] for _ in prompts]
    going = [True] * len(prompts)
    logits = writer.begin()
    sample = Sampler(decoding, len(prompts), logits.device)
    for _ in range(min(decoding.max_tokens, writer.room + 1)):
        if trie is not None:
            logits = trie.limit(logits, written)
        whole = [p + w for p, w in zip(prompts, written, strict=True)]
        chosen = sample(logits, whole)
        tokens = chosen.tolist()
        step: list[int | None] = [None] * len(tokens)
        for i, token in enumerate(tokens):
            if not going[i] or token == decoding.end:
                going[i] = False
                continue
            step[i] = token
            written[i].append(token)
            complete = trie is not None and not trie.allowed(written[i])
            going[i] = not complete and not (stop is not None and stop(written[i]))
        if any(token is not None for token in step):
            yield step
        if not any(going) or not writer.room:
            return
        logits = writer.step(chosen)
