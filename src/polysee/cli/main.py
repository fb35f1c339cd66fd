"""Where `polysee` starts: choose the language, run the command, turn errors into exit codes."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import Annotated

import typer

from polysee.cli.help import Group
from polysee.cli.language import choose_language, localised, t
from polysee.cli.output import WRONG_REQUEST, note, print_json
from polysee.errors import PolyseeError

INTERRUPTED = 130  # what shells give for Ctrl-C


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    choose_language(arguments)
    _write_utf8()
    # Pillow's, on odd files: those are named with a reason of our own, or are harmless
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        code = typer.main.get_command(build_app()).main(
            list(arguments), prog_name="polysee", standalone_mode=False
        )
        if code == INTERRUPTED:  # Typer has caught it
            raise KeyboardInterrupt
        return int(code or 0)
    except typer.TyperException as error:
        if not error.format_message():
            return WRONG_REQUEST  # no command: the help has been printed
        return _refuse(arguments, _usage(error))
    except PolyseeError as error:
        if "--debug" in arguments:
            traceback.print_exc()
        return _refuse(arguments, localised(str(error)))
    except (KeyboardInterrupt, typer.Abort):
        note(t("Stopped.", "已停止。"))
        return INTERRUPTED
    except SystemExit:
        # Typer's answer when `polysee search … | head` has closed our output: nobody is left to tell.
        return 0
    except Exception as error:
        if "--debug" in arguments:
            traceback.print_exc()
        message = f"{type(error).__name__}: {error}"
        hint = t("(--debug shows where it happened)", "（加上 --debug 可以看到出错的位置）")
        return _refuse(arguments, f"{message} {hint}")


def build_app() -> typer.Typer:
    """The commands, with help in the language that was chosen."""
    app = typer.Typer(
        name="polysee",
        cls=Group,
        help=t(
            "Find pictures by a sentence, in Chinese or English, on your own machine.",
            "用一句中文或英文找到你的图片，一切都在自己的电脑上完成。",
        ),
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for group in _groups():
        group.register(app)
    return app


def _groups() -> tuple[ModuleType, ...]:
    """The groups of commands, in the order of the help."""
    from polysee.cli import (
        classify,
        demo,
        draw,
        duplicates,
        evaluate,
        finetune,
        index,
        models,
        provenance,
        search,
        sentiment,
        texts,
        train,
    )

    return (
        index,
        search,
        duplicates,
        classify,
        sentiment,
        texts,
        draw,
        evaluate,
        models,
        provenance,
        train,
        finetune,
        demo,
    )


def _print_version(wanted: bool) -> None:
    if wanted:
        from polysee import __version__

        print(f"polysee {__version__}")
        raise typer.Exit(0)


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help=t("Print the version.", "显示版本号。"),
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
    lang: Annotated[str | None, typer.Option("--lang", metavar="zh|en", hidden=True)] = None,
) -> None:
    """Options that stand before the command; the language has been read by then."""


def _usage(error: typer.TyperException) -> str:
    hint = t("See polysee --help.", "请看 polysee --help。")
    context = getattr(error, "ctx", None)
    if context is not None:
        path = context.command_path
        hint = t(f"See {path} --help.", f"请看 {path} --help。")
    message = error.format_message().replace("Value error, ", "")  # pydantic's prefix
    message = localised(message)
    return t(f"{message} {hint}", f"{message.removesuffix('。')}。{hint}")


def _refuse(arguments: Sequence[str], message: str) -> int:
    note(t("Error: ", "错误：") + message)
    first = os.environ.get("LOCAL_RANK", "0") == "0"  # of the processes that train together
    if "--json" in arguments and first:
        print_json({"error": message})
    return WRONG_REQUEST


def _write_utf8() -> None:
    """Chinese and bars must not fail on a console with a narrow code page."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure") and not stream.isatty():
            stream.reconfigure(encoding="utf-8", errors="replace")
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
