"""Typer's own words in the help, in the user's language; and Chinese lines that are broken, not cut off."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup, TyperOption

from polysee.cli.language import current_language, t

_USAGE = (("Usage:", "用法："), ("[OPTIONS]", "[选项]"), ("COMMAND [ARGS]", "命令 [参数]"))


class _Localised:
    """What a command and a group share: the usage line, and the note on `--help`."""

    def get_usage(self, ctx: Any) -> str:
        usage: str = super().get_usage(ctx)  # type: ignore[misc]
        for english, chinese in _USAGE:
            usage = usage.replace(english, t(english, chinese))
        return usage

    def get_help_option(self, ctx: Any) -> TyperOption | None:
        option: TyperOption | None = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.help = t("Show this message and exit.", "显示这段说明。")
        return option

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _localise_panels()
        super().format_help(ctx, formatter)  # type: ignore[misc]


class Command(_Localised, TyperCommand):
    """A command of `polysee`."""


class Group(_Localised, TyperGroup):
    """Commands under one name."""


def _localise_panels() -> None:
    """The titles and notes that Typer prints around options.

    Chinese has no blanks between words: a table that breaks lines at blanks alone would cut a sentence off.
    """
    from rich.columns import Columns
    from rich.table import Table
    from typer import rich_utils

    class FoldingTable(Table):
        def add_row(self, *cells: Any, **options: Any) -> None:
            super().add_row(*cells, **options)
            _fold(self)

    class FoldingColumns(Columns):
        def __rich_console__(self, console: Any, options: Any) -> Any:
            for part in super().__rich_console__(console, options):
                _fold(part)
                yield part

    chinese = current_language() == "zh"
    own = {
        "ARGUMENTS_PANEL_TITLE": t("Arguments", "参数"),
        "OPTIONS_PANEL_TITLE": t("Options", "选项"),
        "COMMANDS_PANEL_TITLE": t("Commands", "命令"),
        "REQUIRED_LONG_STRING": t("[required]", "[必填]"),
        "DEFAULT_STRING": t("[default: {}]", "[默认：{}]"),
        "Table": FoldingTable if chinese else Table,
        "Columns": FoldingColumns if chinese else Columns,
    }
    for name, value in own.items():
        setattr(rich_utils, name, value)


def _fold(part: Any) -> None:
    """Let every column of a table break anywhere rather than lose its end."""
    for column in getattr(part, "columns", ()):
        column.overflow = "fold"
