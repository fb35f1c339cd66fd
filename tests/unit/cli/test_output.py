from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.cli import output
from polysee.media.files import Remark


def test_json_is_one_document_of_plain_values(capsys):
    output.print_json(
        {"a": np.float32(0.5), "path": Path("猫.jpg"), "failed": [Remark("x", "damaged")]}
    )
    assert json.loads(capsys.readouterr().out) == {
        "a": 0.5,
        "path": "猫.jpg",
        "failed": [{"path": "x", "reason": "damaged"}],
    }


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_json_survives_narrow_consoles_and_odd_names(monkeypatch, encoding):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    path = "猫\udcff\n.jpg"  # a name that is not valid UTF-8, as Python holds it
    output.print_json({"path": path})
    assert json.loads(raw.getvalue().decode(encoding)) == {"path": path}


def test_json_refuses_what_is_no_number():
    with pytest.raises(ValueError, match="not JSON compliant"):
        output.print_json({"score": float("nan")})


def test_failures_are_named_and_the_rest_counted(capsys):
    output.name_failures([Remark(f"{n}.jpg", "cut short") for n in range(25)], "Failed:", most=20)
    written = capsys.readouterr()
    assert written.out == ""
    lines = written.err.splitlines()
    assert lines[0] == "Failed:"
    assert lines[1] == "  0.jpg: cut short"
    assert "5 more" in lines[-1]
    assert len(lines) == 22


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_a_bar_is_for_people_who_look(monkeypatch, stream):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream())
    with output.progress_bar("Reading pictures") as advance:
        advance(1, 3)
        advance(3, 3)
    shown = sys.stderr.getvalue()
    assert ("Reading pictures" in shown) == ("3/3" in shown) == (stream is Terminal)


@given(st.floats(-1, 2), st.integers(1, 30))
def test_a_bar_is_as_wide_as_it_says(relevance, width):
    assert len(output.relevance_bar(relevance, width)) == width


def test_a_fuller_bar_is_never_shorter():
    filled = [len(output.relevance_bar(step / 100).rstrip()) for step in range(101)]
    assert filled == sorted(filled)
    assert filled[0] == 0
    assert filled[-1] == 10


def test_paths_are_shortened_below_the_current_folder_only(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert output.shorten(str(tmp_path / "a" / "b.jpg")) == str(Path("a/b.jpg"))
    assert output.shorten(str(tmp_path.parent / "b.jpg")) == str(tmp_path.parent / "b.jpg")
