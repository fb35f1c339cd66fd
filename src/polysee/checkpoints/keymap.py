"""Key maps: how one program's names of weights become another's. Data, read in both directions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

from polysee.errors import CheckpointError

State = dict[str, torch.Tensor]
Rules = tuple[tuple[str, str], ...]
Direction = Literal["to_ours", "to_theirs"]


@dataclass(frozen=True)
class Fix:
    """One tensor, by our name, that both hold in another form; `{}` stands for a number."""

    key: str
    to_ours: Callable[[torch.Tensor], torch.Tensor]
    to_theirs: Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Join:
    """Tensors of ours that are one tensor of theirs, one below the other, such as query, key and value.

    Args:
        key: the beginning of the one tensor's name, in our style; `{}` stands for a number.
        parts: the beginnings of the names that its equal parts have here.
    """

    key: str
    parts: tuple[str, ...]


@dataclass(frozen=True)
class KeyMap:
    """Names, and the few tensors that change form.

    Args:
        rules: pairs (ours, theirs) of beginnings of keys; `{}` stands for a number.
        fixes: tensors in another form; of a joined one, the whole.
        unused: beginnings of their keys that we have no use for.
        joins: tensors that are in one piece there.
        tied: pairs (ours, theirs) of keys: theirs, where a file has it, is a second copy of ours.
        old_endings: pairs (ending, ending in old files).
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
    joins: tuple[Join, ...] = ()
    tied: Rules = ()
    old_endings: Rules = ()

    def to_ours(self, state: State) -> State:
        """Turn their state dict into ours.

        Raises:
            CheckpointError: a key is in no rule, a second copy is another tensor, or a tensor cannot be brought into
                our form; it is named.
        """
        copies = {theirs for _, theirs in self.tied}
        unused = [_regex(beginning) for beginning in self.unused]
        used = {
            self._with_new_ending(key): value
            for key, value in state.items()
            if key not in copies and not any(re.match(pattern, key) for pattern in unused)
        }
        renamed = rename(used, self.rules, "to_ours")
        for fix in self.fixes:
            for key, _ in _matching(renamed, fix.key, rest=False):
                with self._named(key, renamed[key]):
                    renamed[key] = fix.to_ours(renamed[key])
        for join in self.joins:
            for key, (*numbers, rest) in _matching(renamed, join.key, rest=True):
                with self._named(key, renamed[key]):
                    pieces = renamed[key].chunk(len(join.parts))
                    names = [part.format(*numbers) + rest for part in join.parts]
                    renamed |= dict(zip(names, pieces, strict=True))
                del renamed[key]
        for ours, theirs in self.tied:
            if theirs in state and ours in renamed and not state[theirs].equal(renamed[ours]):
                raise CheckpointError(f"{theirs} is not tied to the input as this model's must be")
        return renamed

    def to_theirs(self, state: State) -> State:
        """Turn our state dict into theirs, without what we have no use for.

        Raises:
            CheckpointError: a key is in no rule; it is named.
        """
        state = dict(state)
        for join in self.joins:
            _join(state, join)
        for fix in self.fixes:
            for key, _ in _matching(state, fix.key, rest=False):
                state[key] = fix.to_theirs(state[key]).contiguous()
        return rename(state, self.rules, "to_theirs")

    def their_name(self, key: str) -> str:
        """What a tensor of ours, or the one that it is a part of, is called there."""
        for join in self.joins:
            for part in join.parts:
                if match := re.fullmatch(_regex(part) + r"(\..+)", key):
                    *numbers, rest = match.groups()
                    key = join.key.format(*numbers) + rest
        return next(iter(rename({key: torch.empty(0)}, self.rules, "to_theirs")))

    @contextmanager
    def _named(self, key: str, tensor: torch.Tensor) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, ValueError, IndexError) as error:
            shape = tuple(tensor.shape)
            raise CheckpointError(f"{self.their_name(key)} is misshapen: {shape}") from error

    def _with_new_ending(self, key: str) -> str:
        for new, old in self.old_endings:
            if key.endswith(old):
                return key.removesuffix(old) + new
        return key


def _matching(state: State, pattern: str, *, rest: bool) -> list[tuple[str, tuple[str, ...]]]:
    """The keys that a pattern stands for, and what its `{}` and, with `rest`, the end of the key are."""
    compiled = re.compile(_regex(pattern) + (r"(\..+)" if rest else ""))
    found = ((key, compiled.fullmatch(key)) for key in state)
    return [(key, match.groups()) for key, match in found if match]


def _join(state: State, join: Join) -> None:
    for _, (*numbers, rest) in _matching(state, join.parts[0], rest=True):
        pieces = [state.pop(part.format(*numbers) + rest) for part in join.parts]
        state[join.key.format(*numbers) + rest] = torch.cat(pieces)


def _regex(pattern: str) -> str:
    return re.escape(pattern).replace(r"\{\}", r"(\d+)")


def rename(state: State, rules: Rules, direction: Direction) -> State:
    """Rename every key by the first rule whose side it begins with; what follows the beginning stays.

    Counters of batches, which no model reads, are dropped.

    Raises:
        CheckpointError: a key is in no rule, or two keys become one; they are named.
    """
    pairs = rules if direction == "to_theirs" else tuple((theirs, ours) for ours, theirs in rules)
    patterns = [(re.compile(_regex(source) + r"((?:\..+)?)"), target) for source, target in pairs]
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
