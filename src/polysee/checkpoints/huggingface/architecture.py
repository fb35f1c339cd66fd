"""What is to be known of one of their classes: its settings, its weights, and which of our models it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from polysee.checkpoints.huggingface.tokenizer import TokenizerKind
from polysee.checkpoints.keymap import KeyMap, Rules, State
from polysee.errors import CheckpointError, ConfigError
from polysee.inputs.pixels import PixelRecipe

ACTIVATIONS = {  # theirs to ours; of two that mean the same, the first is the one written
    "gelu": "gelu",
    "gelu_new": "tanh_gelu",
    "gelu_pytorch_tanh": "tanh_gelu",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
}


@dataclass(frozen=True)
class Settings:
    """Names of settings, read in both directions.

    Args:
        names: pairs (ours, theirs).
        expected: settings of theirs for which ours has one value, their default; another is refused.
    """

    names: Rules
    expected: Mapping[str, Any] = field(default_factory=dict)

    def read(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Their `config.json` as our settings; what is absent or null there is absent.

        Raises:
            CheckpointError: a setting has a value that our model does not know.
        """
        for name, value in self.expected.items():
            if values.get(name, value) != value:
                raise CheckpointError(f"{name} is {values[name]!r}; only {value!r} is known here")
        made = {o: values[t] for o, t in self.names if values.get(t) is not None}
        if "activation" in made:
            if made["activation"] not in ACTIVATIONS:
                raise CheckpointError(
                    f"unknown activation {made['activation']!r}; one of {', '.join(ACTIVATIONS)}"
                )
            made["activation"] = ACTIVATIONS[made["activation"]]
        return made

    def write(self, config: Any) -> dict[str, Any]:
        """Our config as their settings."""
        ours = dataclasses.asdict(config)
        values = {theirs: ours[name] for name, theirs in self.names}
        for name, theirs in self.names:
            if name == "activation":
                values[theirs] = next(t for t, o in ACTIVATIONS.items() if o == ours[name])
        return values


@dataclass(frozen=True)
class Inputs:
    """What stands around a model of pictures and text.

    Args:
        pixels: the family's picture recipe, where a folder does not say its own.
        image_processor: their class that prepares pictures.
        tokenizer: how the family cuts texts.
    """

    pixels: PixelRecipe
    image_processor: str
    tokenizer: TokenizerKind


@dataclass(frozen=True)
class Architecture:
    """One model in both worlds.

    Args:
        names: of their classes, as `architectures` in `config.json` has them; the first is what an export says.
        model_type: theirs.
        config: our config's class.
        keys: their weights.
        read: their `config.json`, and the weights where it leaves something open, to our config.
        write: the other way.
        inputs: how pictures and texts are prepared, for a model that reads both.
        tokenizer: how texts are cut, for a model that reads nothing else.
    """

    names: tuple[str, ...]
    model_type: str
    config: type
    keys: KeyMap
    read: Callable[[Mapping[str, Any], State], Any]
    write: Callable[[Any], dict[str, Any]]
    inputs: Inputs | None = None
    tokenizer: TokenizerKind | None = None

    @property
    def cuts_texts(self) -> TokenizerKind | None:
        """How texts are cut, whatever else the model reads."""
        return self.inputs.tokenizer if self.inputs else self.tokenizer

    def to_config(self, values: Mapping[str, Any], state: State) -> Any:
        """Their `config.json` as our config.

        Raises:
            CheckpointError: a setting is not known here or out of range.
        """
        try:
            return self.read(values, state)
        except (AttributeError, ConfigError, TypeError, ValueError) as error:
            raise CheckpointError(f"config of {self.model_type}: {error}") from error

    def to_values(self, config: Any) -> dict[str, Any]:
        """Our config as their `config.json`."""
        kind = {"architectures": [self.names[0]], "model_type": self.model_type}
        return {**kind, "dtype": "float32", **self.write(config)}
