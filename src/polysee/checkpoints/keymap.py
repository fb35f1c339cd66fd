"""Key maps: how one program's names of weights become another's. Data, read in both directions."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from polysee.errors import CheckpointError

State = dict[str, torch.Tensor]
Rules = tuple[tuple[str, str], ...]
Direction = Literal["to_ours", "to_theirs"]


@dataclass(frozen=True)
class Fix:
    """One tensor, by our name, that both hold in another form."""

    key: str
    to_ours: Callable[[torch.Tensor], torch.Tensor]
    to_theirs: Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class KeyMap:
    """Names, and the few tensors that change form.

    Args:
        rules: pairs (ours, theirs) of beginnings of keys; `{}` stands for a number.
        unused: beginnings of their keys that we have no use for.
    Example:
        >>> keys = KeyMap((("blocks.{}.mlp.expand", "h.{}.fc1"), ("norm", "ln")))
        >>> state = {"h.3.fc1.weight": torch.zeros(2, 2), "ln.bias": torch.zeros(2)}
        >>> list(keys.to_ours(state))
        ['blocks.3.mlp.expand.weight', 'norm.bias']
        >>> keys.to_theirs(keys.to_ours(state)).keys() == state.keys()
        True
    """

    rules: Rules
    fixes: tuple[Fix, ...] = ()
    unused: tuple[str, ...] = ()

    def to_ours(self, state: State) -> State:
        """Turn their state dict into ours.

        Raises:
            CheckpointError: a key is in no rule; it is named.
        """
        used = {key: value for key, value in state.items() if not key.startswith(self.unused)}
        renamed = rename(used, self.rules, "to_ours")
        for fix in self.fixes:
            if fix.key in renamed:
                renamed[fix.key] = fix.to_ours(renamed[fix.key])
        return renamed

    def to_theirs(self, state: State) -> State:
        """Turn our state dict into theirs, without what we have no use for.

        Raises:
            CheckpointError: a key is in no rule; it is named.
        """
        state = dict(state)
        for fix in self.fixes:
            if fix.key in state:
                state[fix.key] = fix.to_theirs(state[fix.key])
        return rename(state, self.rules, "to_theirs")


def rename(state: State, rules: Rules, direction: Direction) -> State:
    """Rename every key by the first rule whose side it begins with; what follows the beginning stays.

    Counters of batches, which no model reads, are dropped.

    Raises:
        CheckpointError: a key is in no rule, or two keys become one; they are named.
    """
    pairs = rules if direction == "to_theirs" else tuple((theirs, ours) for ours, theirs in rules)
    patterns = [
        (re.compile(re.escape(source).replace(r"\{\}", r"(\d+)") + r"((?:\..+)?)"), target)
        for source, target in pairs
    ]
    renamed: State = {}
    left_over = []
    for key, value in state.items():
        if key.endswith("num_batches_tracked"):
            continue
        for pattern, target in patterns:
            if match := pattern.fullmatch(key):
                *numbers, rest = match.groups()
                new = target.format(*numbers) + rest
                if new in renamed:
                    raise CheckpointError(f"two tensors become {new}, one of them {key}")
                renamed[new] = value
                break
        else:
            left_over.append(key)
    if left_over:
        raise CheckpointError(f"tensors left over: {', '.join(sorted(left_over)[:5])}")
    return renamed


def within(ours: str, theirs: str, rules: Rules) -> Rules:
    """The rules of a part, below a prefix on either side."""
    return tuple((f"{ours}.{a}", f"{theirs}.{b}") for a, b in rules)
