"""Write on from a text, and say it in the other language."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from polysee.errors import ConfigError, NotSupportedError
from polysee.inference import load
from polysee.inference.language import LanguageModel
from polysee.inputs.prompts import is_chinese
from polysee.models.gpt import Gpt
from polysee.models.transformer import Transformer

if TYPE_CHECKING:
    from polysee.inference.loading import Device, Dtype

Written = Literal["zh", "en"]
BEAMS = 4


@dataclass
class Draft:
    """A text that is being written.

    Args:
        prompt: what it goes on from.
        seed: the same seed writes the same text.
        pieces: what is written, piece by piece as it comes.
    """

    prompt: str
    seed: int
    pieces: Iterator[str]


def write_text(
    prompt: str,
    *,
    model: str | Path = "polysee/gpt-nano",
    device: Device = "auto",
    dtype: Dtype = "auto",
    seed: int | None = None,
    **settings: Any,
) -> Draft:
    """Go on from a text.

    Args:
        seed: one by lot when None.
        settings: of `LanguageModel.stream`.
    Raises:
        ConfigError: the text is empty, holds what is no text, or is longer than the model reads; a setting is out of
            range.
        NotSupportedError: the model is no GPT.
    """
    check_text(prompt)
    writer = load(model, dtype=dtype, device=device)
    if not isinstance(writer, LanguageModel) or not isinstance(writer.model, Gpt):
        raise NotSupportedError(f"{model} cannot write on from a text")
    chosen = random.randrange(2**31) if seed is None else seed
    # The end of a prompt is where writing begins: a space there would be an odd token by itself.
    pieces = writer.stream(prompt.rstrip(" "), seed=chosen, **settings)
    return Draft(prompt.rstrip(" "), chosen, pieces)


def translate_text(
    text: str,
    to: Written | None = None,
    *,
    model: str | Path = "polysee/translator-nano",
    device: Device = "auto",
    dtype: Dtype = "auto",
    beams: int = BEAMS,
) -> str:
    """Say a text in the other language, line by line.

    Args:
        to: the language to write; when None, the one that the text is not in.
    Raises:
        ConfigError: the text is empty, holds what is no text, is in that language already, or a line is longer than
            the model reads.
        NotSupportedError: the model is no translator.
    """
    check_text(text)
    to = to or ("en" if is_chinese(text) else "zh")
    if to == "en" and not is_chinese(text):
        raise ConfigError("the text holds no Chinese: there is nothing to put into English")
    if to == "zh" and not any(_is_latin(character) for character in text):
        raise ConfigError("the text holds no English: there is nothing to put into Chinese")
    translator = load_translator(model, device, dtype)
    lines = [line.strip() for line in text.splitlines()]
    said = iter(translator.write([line for line in lines if line], to=to, beams=beams))
    return "\n".join(next(said) if line else "" for line in lines)


def load_translator(
    model: str | Path, device: Device = "auto", dtype: Dtype = "auto"
) -> LanguageModel:
    """A model that reads a text and writes another.

    Raises:
        NotSupportedError: the model is of another kind.
    """
    found = load(model, dtype=dtype, device=device)
    if not isinstance(found, LanguageModel) or not isinstance(found.model, Transformer):
        raise NotSupportedError(f"{model} cannot translate")
    return found


def check_text(text: str) -> None:
    r"""Refuse what a language model cannot be asked to read.

    Raises:
        ConfigError: it is empty, or holds control characters or halves of characters.
    Example:
        >>> check_text("two\nlines")
    """
    if not text.strip():
        raise ConfigError("the text is empty: give some words")
    for place, character in enumerate(text, start=1):
        kind = unicodedata.category(character)
        code = f"U+{ord(character):04X}"
        if kind == "Cs":
            raise ConfigError(f"character {place} of the text ({code}) is half a character")
        if kind == "Cc" and character not in "\n\r\t":
            raise ConfigError(f"character {place} of the text ({code}) is a control character")


def _is_latin(character: str) -> bool:
    return "LATIN" in unicodedata.name(character, "")
