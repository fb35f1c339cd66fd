"""Options that many commands share, and the decorator that gives them to each."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_type_hints

import typer

from polysee.cli.download import bring_model
from polysee.cli.help import Command
from polysee.cli.language import t

DEFAULT_MODEL = "polysee/align-nano"


Device = Literal["auto", "cpu", "cuda", "mps"]
Dtype = Literal["auto", "float32", "int8"]
Language = Literal["zh", "en"]


@dataclass(frozen=True)
class Common:
    """What commands get of the shared options; the others are for the whole process.

    Args:
        json: print one JSON document on standard output, and nothing else there.
    """

    device: Device = "auto"
    dtype: Dtype = "auto"
    json: bool = False


def shared_parameters() -> list[inspect.Parameter]:
    """The options of `Common`, as Typer reads them from a signature."""
    panel = t("Options of every command", "所有命令通用的选项")

    def option(name: str, kind: Any, default: Any, text: str) -> inspect.Parameter:
        flag = f"--{name}"
        note = typer.Option(flag, help=text, rich_help_panel=panel)
        return inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, note]
        )

    return [
        option(
            "json", bool, False, t("One JSON document on standard output.", "以 JSON 输出结果。")
        ),
        option("lang", Language | None, None, t("Language of messages.", "提示信息的语言。")),
        option("device", Device, "auto", t("Where the model runs.", "模型在哪里运行。")),
        option(
            "dtype",
            Dtype,
            "auto",
            t(
                "auto is fastest, float32 exact, int8 small and rougher.",
                "auto 最快，float32 最精确，int8 最省但较粗略。",
            ),
        ),
        option("offline", bool, False, t("Open no network connection.", "不连接网络。")),
        option("debug", bool, False, t("Show tracebacks of errors.", "出错时显示完整的调用栈。")),
    ]


def command(app: typer.Typer, name: str, *, help: str, hidden: bool = False) -> Callable[..., Any]:
    """Register a command whose first parameter is a `Common`, filled from the shared options.

    The command returns its exit code, or None for 0. A model that its `model` parameter names is downloaded first.
    """

    def register(function: Callable[..., int | None]) -> Callable[..., int | None]:
        app.command(name, cls=Command, help=help, hidden=hidden)(with_shared_options(function))
        return function

    return register


def with_shared_options(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """Turn a function whose first parameter is a `Common` into one that Typer can call."""
    own = list(inspect.signature(function).parameters.values())[1:]
    hints = get_type_hints(function, include_extras=True)
    shared = shared_parameters()

    @functools.wraps(function)
    def wrapper(**values: Any) -> int | None:
        given = {parameter.name: values.pop(parameter.name) for parameter in shared}
        common = _common(given)
        bring_model(values.get("model"))
        return function(common, **values)

    parameters = [
        parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in own
    ]
    wrapper.__signature__ = inspect.Signature(parameters + shared)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters + shared}
    return wrapper


def _common(given: dict[str, Any]) -> Common:
    if given["offline"]:
        # Set for the whole process, so that no layer has to hand the wish down.
        os.environ["POLYSEE_OFFLINE"] = "1"
    return Common(device=given["device"], dtype=given["dtype"], json=given["json"])


def library_option() -> Any:
    """`--library DIR`."""
    return typer.Option(
        "--library",
        metavar="DIR",
        readable=False,
        help=t("The library's folder.", "图库所在的文件夹。"),
        show_default=t("the platform's data folder", "系统的数据文件夹"),
    )


def template_option() -> Any:
    """`--template TEXT`, as often as wanted."""
    return typer.Option(
        "--template",
        metavar="TEXT",
        help=t("A sentence with {} for the name.", "句子，名称的位置写作 {}。"),
        show_default=t("the model's own", "模型自带"),
    )


def model_option(default: str) -> Any:
    """`--model ID|FOLDER`."""
    return typer.Option(
        "--model",
        metavar="ID|FOLDER",
        help=t(
            "A bundled model, a folder, or owner/name[@revision] on Hugging Face.",
            "内置模型、模型文件夹，或 Hugging Face 上的 所有者/名称[@版本]。",
        ),
        show_default=default,
    )
