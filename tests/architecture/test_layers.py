"""The rules that keep the code a line that a reader can walk."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "polysee").rglob("*.py"))
MOST_LINES_A_FILE = 450
MOST_LINES_A_FUNCTION = 45  # of its body: signature and docstring are read another way


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_imports_go_one_way():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", [file for file in SOURCES if "cli" not in file.parts], ids=name)
def test_only_the_command_line_prints_or_exits(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"print", "exit", "quit", "sys.exit", "os._exit"}, (
                f"{name(file)}:{node.lineno} calls {called}"
            )


@pytest.mark.parametrize("file", SOURCES, ids=name)
def test_files_and_functions_are_short(file):
    text = file.read_text(encoding="utf-8")
    assert text.count("\n") <= MOST_LINES_A_FILE
    for function in functions(ast.parse(text)):
        body = function.body[1:] if ast.get_docstring(function) else function.body
        length = (function.end_lineno or 0) - body[0].lineno + 1 if body else 0
        assert length <= MOST_LINES_A_FUNCTION, (
            f"{name(file)}: {function.name} is {length} lines long"
        )


@pytest.mark.parametrize("file", SOURCES, ids=name)
def test_modules_say_what_they_are(file):
    text = file.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), f"{name(file)} has no docstring"
