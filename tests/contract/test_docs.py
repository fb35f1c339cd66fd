"""What the documents tell people to type can be typed, and what they point at is there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from polysee.cli.main import build_app

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def commands(file: Path) -> Iterator[str]:
    """The command lines of indented and fenced blocks, without their remarks."""
    for line in file.read_text(encoding="utf-8").splitlines():
        found = re.match(r"(?: {4}|\$ )(?:\.venv/bin/)?polysee (?P<rest>.+)", line)
        if found:
            yield re.sub(r"\s{2,}#.*", "", found["rest"])


def links(file: Path) -> Iterator[str]:
    text = re.sub(r"```.*?```|`[^`]*`", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:|#", target):
            yield target.split("#")[0]


@pytest.mark.parametrize("file", DOCUMENTS, ids=name)
def test_links_lead_somewhere(file):
    for target in links(file):
        assert (file.parent / target).exists(), f"{name(file)} points at {target}"


@pytest.mark.parametrize("file", DOCUMENTS, ids=name)
def test_commands_can_be_typed(file):
    program = typer.main.get_command(build_app())
    for line in commands(file):
        words = shlex.split(line)
        command, context = program, typer.Context(program)
        while hasattr(command, "commands"):
            if command.invoke_without_command and (not words or words[0].startswith("-")):
                break  # a group that does something by itself
            assert words[0] in command.commands, f"{name(file)}: polysee {line}"
            command = command.commands[words.pop(0)]
        # Parses and checks every option, and runs nothing.
        command.make_context(command.name, words, parent=context)


@pytest.mark.parametrize("file", ["guide.md", "guide.zh.md"])
def test_the_guide_names_every_command(file):
    guide = (ROOT / "docs" / file).read_text(encoding="utf-8")
    program = typer.main.get_command(build_app())
    for verb, command in program.commands.items():
        if not command.hidden:
            assert f"polysee {verb}" in guide
