"""Chinese follows what the code says: a message that was reworded leaves a stale row, and fails."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from polysee.cli.chinese import MESSAGES, USAGE, in_chinese
from polysee.cli.language import choose_language
from polysee.cli.main import run
from polysee.errors import MediaError, PolyseeError
from polysee.inference import load
from polysee.library import Library
from polysee.media.image import read_image

SOURCES = sorted((Path(__file__).parents[3] / "src" / "polysee").rglob("*.py"))


def texts(file: Path) -> Iterator[str]:
    """Every string of a file, with `{}` for what is filled in."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(
                part.value if isinstance(part, ast.Constant) else "{}" for part in node.values
            )


@pytest.fixture(scope="module")
def said() -> set[str]:
    return {text for file in SOURCES if file.name != "chinese.py" for text in texts(file)}


@pytest.mark.parametrize("english", [english for english, _ in MESSAGES])
def test_every_row_is_still_said_somewhere(said, english):
    # `{WEIGHTS}` in the source is a name that is always the same.
    assert english in said or english.replace("model.safetensors", "{}") in said


@pytest.mark.parametrize(("english", "chinese"), [*USAGE, *MESSAGES])
def test_every_row_can_be_filled(english, chinese):
    words = [f"⟨{n}⟩" for n in range(english.count("{}"))]
    shown = in_chinese(english.format(*words))
    assert re.search(r"[\u4e00-\u9fff]", shown)
    for number, word in enumerate(words):
        assert (word in shown) == (f"{{{number}}}" in chinese)


def test_what_has_no_row_stays_as_it_is():
    assert in_chinese("an unheard-of trouble") == "an unheard-of trouble"
    assert in_chinese("a: b: an empty file") == "a: b: 空文件"


def errors(tmp_path: Path) -> Iterator[PolyseeError]:
    (tmp_path / "settled").mkdir()
    for attempt in (
        lambda: read_image(b""),
        lambda: read_image(b"words, not pixels"),
        lambda: read_image(tmp_path / "absent.jpg"),
        lambda: read_image(tmp_path),
        lambda: load("polysee/absent"),
        lambda: load(tmp_path / "settled"),
        lambda: Library(tmp_path / "absent").search("cat"),
    ):
        with pytest.raises(PolyseeError) as caught:
            attempt()
        yield caught.value


def test_errors_that_really_happen_have_a_row(tmp_path):
    for error in errors(tmp_path):
        english = error.reason if isinstance(error, MediaError) else str(error)
        assert in_chinese(english) != english, english


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["serch"],
        ["search", "--nothing"],
        ["search", "--imge", "x"],
        ["search", "--top"],
        ["search", "--top", "0"],
        ["search", "--device", "abacus", "cat"],
        ["classify", "cat.jpg"],
        ["index"],
        ["eval"],
        ["models", "extra"],
    ],
)
def test_wrong_requests_are_answered_in_chinese(arguments, capsys):
    try:
        assert run([*arguments, "--lang", "zh"]) == 2
    finally:
        choose_language([], {"LANG": "C"})
    error = capsys.readouterr().err
    if error:  # a group without a command prints its help instead
        assert not re.search(r"Invalid|No such|Missing|unexpected|requires", error), error
