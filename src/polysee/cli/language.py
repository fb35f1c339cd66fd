"""The language of messages: `--lang`, else `POLYSEE_LANG`, else what the system says."""

from __future__ import annotations

import locale
import os
from collections.abc import Mapping, Sequence

LANGUAGES = ("en", "zh")

_chosen = "en"


def choose_language(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Settle the language before any help text is made.

    Args:
        arguments: the command line, without the program's name. Only `--lang` is looked at; what
            is wrong with it is reported later, where all options are checked.
        environment: the process's own if None.
    """
    global _chosen
    _chosen = _asked_for(arguments) or _from_system(
        os.environ if environment is None else environment
    )
    return _chosen


def current_language() -> str:
    """What `choose_language` settled on."""
    return _chosen


def t(english: str, chinese: str) -> str:
    """The text of the user's language.

    Example:
        >>> t("Nothing found.", "没有找到。")
        'Nothing found.'
    """
    return chinese if _chosen == "zh" else english


def localised(message: str) -> str:
    """A message from the layers below, which speak English, in the user's language."""
    if _chosen == "en":
        return message
    from polysee.cli.chinese import in_chinese

    return in_chinese(message)


def _asked_for(arguments: Sequence[str]) -> str | None:
    for position, argument in enumerate(arguments):
        if argument == "--":
            return None
        value = ""
        if argument == "--lang" and position + 1 < len(arguments):
            value = arguments[position + 1]
        elif argument.startswith("--lang="):
            value = argument.removeprefix("--lang=")
        if value in LANGUAGES:
            return value
    return None


def _from_system(environment: Mapping[str, str]) -> str:
    for name in ("POLYSEE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = environment.get(name, "")
        if value:
            return "zh" if value.lower().startswith(("zh", "中", "chinese")) else "en"
    # Windows, and programs started from a desktop, have none of these.
    named = locale.getlocale()[0] or ""
    return "zh" if named.lower().startswith(("zh", "chinese")) else "en"
