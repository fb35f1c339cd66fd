"""Several processes, one batch: which rows of it are whose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

from polysee.errors import ConfigError

Rows = TypeVar("Rows", np.ndarray, Sequence[Any])


class Part(NamedTuple):
    """One of several equal parts of every batch.

    Example:
        >>> Part(1, of=2).rows([10, 11, 12, 13])
        [11, 13]
    """

    number: int = 0
    of: int = 1

    def rows(self, rows: Rows) -> Rows:
        """This part of the joined batch's rows.

        Raises:
            ConfigError: they cannot be divided equally.
        """
        if len(rows) % self.of:
            raise ConfigError(f"a batch of {len(rows)} cannot be divided among {self.of} processes")
        return rows[self.number :: self.of]


WHOLE = Part()


@runtime_checkable
class DividedTask(Protocol):
    """A task that several processes can train together.

    `batch_part(step, part)` makes that part of `batch(step)`, and the mean of the parts' losses is the loss of the
    whole.
    """

    def batch_part(self, step: int, part: Part) -> Any: ...
