"""A text that is one of a list.

Shapes: B texts, N choices, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from polysee.errors import ConfigError
from polysee.generation.writers import Writer


class Trie:
    """All choices as one tree of tokens: what may come next after what was written.

    De Cao et al. 2021, section 3.2 (https://arxiv.org/abs/2010.00904).

    Args:
        choices: the token sequences that may be written.
        end: the token that ends a text. Without one, a choice that begins another cannot be told from it.
    Raises:
        ConfigError: there is no choice, one is empty, or one begins another and there is no end token.
    Example:
        >>> trie = Trie([[3, 4], [3, 5, 6]], end=0)
        >>> trie.allowed([]), trie.allowed([3]), trie.allowed([3, 4])
        ([3], [4, 5], [0])
    """

    def __init__(self, choices: Iterable[Sequence[int]], end: int | None = None) -> None:
        self.end = end
        self._next: dict[tuple[int, ...], set[int]] = {}
        whole = {tuple(choice) for choice in choices}
        if not whole or () in whole:
            raise ConfigError("a list of choices needs at least one, and none may be empty")
        for choice in whole:
            for place, token in enumerate(choice):
                self._next.setdefault(choice[:place], set()).add(token)
        for choice in whole:
            if choice in self._next and end is None:
                raise ConfigError("one choice begins another, and the model has no end token")
            self._next.setdefault(choice, set())
            if end is not None:
                self._next[choice].add(end)

    def allowed(self, written: Sequence[int]) -> list[int]:
        """The tokens that may come next; none when a choice is complete, or was left."""
        return sorted(self._next.get(tuple(written), ()))

    def limit(self, logits: torch.Tensor, written: Sequence[Sequence[int]]) -> torch.Tensor:
        """Rule out what may not come next: (B, V) to (B, V). A text that is complete may go on as it likes."""
        limited = torch.full_like(logits, -torch.inf)
        for row, text in enumerate(written):
            tokens = self.allowed(text)
            if tokens:
                limited[row, tokens] = logits[row, tokens]
            else:
                limited[row] = logits[row]
        return limited


@torch.inference_mode()
def choice_scores(
    writer: Writer, choices: Sequence[Sequence[int]], end: int | None = None
) -> torch.Tensor:
    """The log-probability of every choice after a prompt, exactly, its end token with it.

    The prompt is read once; then the choices are read side by side.

    Args:
        writer: a fresh one of one text.
    Shapes:
        returns: (N,)
    Raises:
        ConfigError: there is no choice, one is empty, or one is longer than the model reads.
    """
    rows = [[*choice, *([] if end is None else [end])] for choice in choices]
    if not rows or not all(choices):
        raise ConfigError("a list of choices needs at least one, and none may be empty")
    longest = max(map(len, rows))
    if longest - 1 > writer.room:
        raise ConfigError(f"a choice has {longest} tokens; there is room for {writer.room}")
    first = writer.begin().log_softmax(-1)  # (1, V)
    tokens = torch.zeros(len(rows), longest, dtype=torch.long, device=first.device)
    for i, row in enumerate(rows):
        tokens[i, : len(row)] = torch.tensor(row)
    lengths = torch.tensor([len(row) for row in rows], device=first.device)
    writer.select(torch.zeros(len(rows), dtype=torch.long, device=first.device))
    scores = first[0, tokens[:, 0]]  # (N,)
    for place in range(1, longest):
        guess = writer.step(tokens[:, place - 1]).log_softmax(-1)
        said = guess.gather(1, tokens[:, place, None])[:, 0]
        scores = scores + said.where(place < lengths, 0.0)
    return scores
