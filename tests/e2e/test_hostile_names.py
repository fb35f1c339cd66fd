"""What the command line does with names, places and files that strangers chose."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polysee.cli.main import run
from polysee.inference import bundled_models

SAMPLES = Path(__file__).parents[2] / "samples"
NAMES = [
    "照片.jpg", "صورة.jpg", "תמונה.jpg", "🐱.jpg", "two\nlines.jpg", "tab\t.jpg", "red\x1b[31m.jpg", "\x9b31m.jpg",
    "turned\u202egpj.exe", "'; DROP TABLE files; --.jpg", '"q" %s {}{0}.jpg', "-rf.jpg", "--json.jpg", " .jpg",
    "[bold]x.jpg", "<script>alert(1)<b>.jpg", "a" * 251 + ".jpg", "图" * 83 + ".jpg",
]  # fmt: skip
BYTES = [b"\xff\xfe.jpg", "海".encode("gb18030") + b".jpg", b"\xed\xa0\x80.jpg"]  # no UTF-8
SEARCH_KEYS = {
    "hits", "excluded", "dates", "excluded_dates", "places", "excluded_places", "seconds", "model_seconds",
}  # fmt: skip

pytestmark = [
    pytest.mark.skipif("polysee/align-nano" not in bundled_models(), reason="no bundled weights"),
    pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse some of the names"),
]


@pytest.fixture
def polysee(polysee: Callable[..., Any]) -> Callable[..., Any]:
    """The same, and nothing may surprise it."""

    def call(*arguments: object) -> Any:
        outcome = polysee(*arguments)
        assert "Traceback" not in outcome.err
        return outcome

    return call


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures with such names, each another content, and one damaged under such a name."""
    top = tmp_path_factory.mktemp("hostile")
    picture = (SAMPLES / "owl.jpg").read_bytes()
    for number, name in enumerate([*map(os.fsencode, NAMES), *BYTES]):
        with open(os.fsencode(top) + b"/" + name, "wb") as file:  # noqa: PTH123 (a Path takes no bytes)
            file.write(picture + b"%d" % number)
    (top / "bad\x1b]0;title\x07\n.jpg").write_bytes(b"no picture")
    return top


@pytest.fixture(scope="module")
def library(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("library") / "polysee"
    assert run(["index", str(folder), "--library", str(made), "--json"]) == 1
    return made


def steers(text: str) -> bool:
    """Whether a terminal would do more with it than write it, line by line."""
    return bool(re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", text))


def test_every_name_is_kept(polysee, folder, library):
    again = polysee("index", folder, "--library", library, "--json")
    assert again.document["unchanged"] == len(NAMES) + len(BYTES)
    found = polysee("search", "owl", "--all", "--top", 99, "--library", library, "--json").document
    names = {os.fsencode(Path(hit["path"]).name) for hit in found["hits"]}
    assert names == {*map(os.fsencode, NAMES), *BYTES}
    at = folder / NAMES[9]
    one = polysee("classify", at, "--labels", "owl,car", "--json").document["results"]
    assert one[0]["path"] == str(at)


def test_no_name_steers_the_terminal(polysee, folder, library):
    found = polysee("search", "owl", "--all", "--top", 99, "--library", library)
    assert not steers(found.out)
    assert len(found.out.splitlines()) == len(NAMES) + len(BYTES)  # a line each
    failed = polysee("index", folder, "--library", library)
    assert not steers(failed.err)
    assert r"bad\x1b]0;title\x07\n.jpg: not a picture of a known format" in failed.err
    wrong = polysee("search", "owl", "--library", "/no\x1b[2Jwhere")
    assert wrong.code == 2
    assert not steers(wrong.err)


def test_a_page_of_such_names(polysee, library, tmp_path):
    page = tmp_path / "found.html"
    arguments = ("search", "owl<script>", "--all", "--top", 99, "--library", library)
    assert polysee(*arguments, "--html", page).code == 0
    text = page.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "owl<script>" not in text
    assert "&lt;script&gt;alert" in text
    assert "照片.jpg" in text


@pytest.mark.parametrize(
    "place", ["{tmp}", "{tmp}/" + "n" * 300, "/dev/full", "/proc/nowhere/page"]
)
def test_a_page_that_cannot_be_written_is_the_one_answer(polysee, library, tmp_path, place):
    page = place.format(tmp=tmp_path)
    done = polysee("search", "owl", "--all", "--library", library, "--json", "--html", page)
    assert done.code == 2
    assert set(done.document) == {"error"}
    assert "cannot be written" in done.document["error"]


def test_codes_of_an_index_without_success(polysee, folder, tmp_path):
    bad = folder / "bad\x1b]0;title\x07\n.jpg"
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "bad.jpg").write_bytes(b"")
    for paths, code in (
        ([bad], 2),
        ([tmp_path / "nowhere"], 2),
        ([bad, tmp_path / "some"], 1),
        ([tmp_path / "some"], 1),
    ):
        done = polysee("index", *paths, "--library", tmp_path / "library", "--json")
        assert done.code == code, paths
        assert done.document["failed"]


@pytest.mark.parametrize(
    "query",
    ["\x00", "\ud800", "\x1b[31m", "</s>", "<pad>", "' OR 1=1 --", "%s {} {0.__class__}", "a" * 100_000, "没有" * 9_000,
     "no " * 30_000, "(" * 50_000, "!!!", "no dogs"],
    ids=lambda query: repr(query[:8]),
)  # fmt: skip
def test_any_query_has_an_answer(polysee, library, query):
    done = polysee("search", "--library", library, "--json", "--", query)
    assert done.code in (0, 3)
    assert set(done.document) == SEARCH_KEYS
