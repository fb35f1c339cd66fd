"""`polysee train`: train a model as a recipe says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from polysee.cli import output
from polysee.cli.language import t
from polysee.cli.options import Common, command
from polysee.errors import NotSupportedError

if TYPE_CHECKING:
    from polysee.training.run import Machines


def register(app: typer.Typer) -> None:
    """Add the command, with help in the language that was chosen."""
    command(
        app,
        "train",
        help=t(
            "Train a model as a recipe says; a run that was cut off goes on where it was.\n\n"
            "Example: polysee train recipes/from-nothing/clip.yaml --strategy ddp --devices 2",
            "按配方训练模型；中断的训练会从断点继续。\n\n"
            "例子：polysee train recipes/from-nothing/clip.yaml --strategy ddp --devices 2",
        ),
    )(train)


Strategy = Literal["auto", "ddp", "fsdp"]


def strategy_option() -> Any:
    """`--strategy`."""
    return typer.Option(
        "--strategy",
        help=t(
            "How several processes share the work: ddp keeps the whole model in each, fsdp a part.",
            "多个进程怎样分工：ddp 每个进程保留完整模型，fsdp 只保留一部分。",
        ),
    )


def devices_option() -> Any:
    """`--devices N`."""
    return typer.Option(
        "--devices",
        metavar="N",
        min=1,
        help=t("Processes on this machine, one a GPU.", "本机的进程数，每块显卡一个。"),
    )


def nodes_option() -> Any:
    """`--nodes N`."""
    return typer.Option(
        "--nodes",
        metavar="N",
        min=1,
        help=t("Machines; start the same command on each.", "机器数；在每台上运行同样的命令。"),
    )


def made_machines(common: Common, strategy: Strategy, devices: int, nodes: int) -> Machines:
    """The options above, and `--device`, as the trainer takes them."""
    from polysee.training.run import Machines

    accelerator = "gpu" if common.device == "cuda" else common.device
    return Machines(strategy, devices, nodes, accelerator)


def is_first_process() -> bool:
    """Whether this process speaks for all that train together."""
    from polysee.objectives.gather import processes

    return processes()[0] == 0


@contextmanager
def needs_training() -> Iterator[None]:
    """Within: imports of what the extra `train` brings; its absence is told in words."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "lightning":
            raise
        raise NotSupportedError(
            t(
                "training needs the extra `train`: pip install 'polysee[train]'",
                "训练需要安装附加组件：pip install 'polysee[train]'",
            )
        ) from error


def train(
    common: Common,
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE", help=t("A YAML file.", "YAML 文件。"))
    ],
    anew: Annotated[
        bool,
        typer.Option("--anew", help=t("Begin from the first step.", "从头开始，不接着上次训练。")),
    ] = False,
    strategy: Annotated[Strategy, strategy_option()] = "auto",
    devices: Annotated[int, devices_option()] = 1,
    nodes: Annotated[int, nodes_option()] = 1,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            metavar="N",
            min=0,
            help=t("Processes that prepare batches for a GPU.", "为显卡准备数据的进程数。"),
        ),
    ] = 0,
) -> int:
    with needs_training():
        from polysee.training.recipe import read_recipe
        from polysee.training.run import train as run_recipe
    asked = read_recipe(recipe.expanduser())
    machines = replace(made_machines(common, strategy, devices, nodes), workers=workers)
    model = run_recipe(asked, machines=machines, resume=not anew, progress=sys.stderr.isatty())
    if not is_first_process():
        return output.DONE
    if common.json:
        output.print_json({"model": model.absolute()})
    else:
        print(t(f"Model: {model}", f"模型：{model}"))
    return output.DONE
