"""Sizes that no network can have, refused by name."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from polysee.errors import ConfigError

MOST_LAYERS = 1000


def check_sizes(config: Any, *, may_be_zero: tuple[str, ...] = ()) -> None:
    """Check the numbers of a config: whole ones are at least 1, others finite and not negative.

    There are at most `MOST_LAYERS` layers: a file that asks for a billion is damaged, and would be built for hours.

    Args:
        config: a dataclass.
        may_be_zero: names of whole numbers that are no sizes, such as a token.
    Raises:
        ConfigError: a number is out of range; its name and value are said.
    Example:
        >>> from polysee.models.bert import BertConfig
        >>> BertConfig(num_heads=0)
        Traceback (most recent call last):
        polysee.errors.ConfigError: num_heads must be at least 1, not 0
    """
    for field in dataclasses.fields(config):
        name, value = field.name, getattr(config, field.name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        least = 1 if field.type == "int" and name not in may_be_zero else 0
        if field.type == "int" and not isinstance(value, int):
            raise ConfigError(f"{name} must be a whole number, not {value}")
        if not math.isfinite(value) or value < least:
            raise ConfigError(f"{name} must be at least {least}, not {value}")
        if name.endswith("layers") and value > MOST_LAYERS:
            raise ConfigError(f"{name} must be at most {MOST_LAYERS}, not {value}")
