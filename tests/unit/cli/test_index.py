"""`polysee index`: what it answers where there is nothing to do, and where something is wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polysee.inference import bundled_models

SAMPLES = Path(__file__).parents[3] / "samples"
Polysee = Callable[..., Any]

pytestmark = pytest.mark.skipif(
    "polysee/align-nano" not in bundled_models(), reason="no bundled weights"
)


@pytest.mark.parametrize(
    ("lang", "said"),
    [("en", "No pictures were found there."), ("zh", "那里没有找到图片。")],
)
def test_a_folder_without_pictures(polysee: Polysee, tmp_path: Path, lang: str, said: str) -> None:
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    done = polysee("index", tmp_path, "--library", tmp_path / "library", "--lang", lang)
    assert done.code == 0
    assert said in done.err
    shutil.copy(SAMPLES / "owl.jpg", tmp_path / "owl.jpg")
    done = polysee("index", tmp_path, "--library", tmp_path / "library", "--lang", lang)
    assert done.err == ""


def test_an_empty_path_is_refused(
    polysee: Polysee, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = polysee("index", "", "--library", tmp_path / "library", "--json")
    assert done.code == 2
    assert done.document == {"error": "an empty path: name a folder or a picture"}
    assert not (tmp_path / "library").exists()


def test_reasons_speak_the_users_language(polysee: Polysee, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    shutil.copy(SAMPLES / "owl.jpg", tmp_path / "owl.png")
    done = polysee("index", tmp_path, "--library", tmp_path / "library", "--json", "--lang", "zh")
    assert done.code == 1
    assert [one["reason"] for one in done.document["failed"]] == ["空文件"]
    (warned,) = done.document["warned"]
    assert warned == {
        "path": str(tmp_path / "owl.png"),
        "reason": "文件名以 .png 结尾，内容却是 JPEG；已按内容读取",
    }
    assert "空文件" in done.err


def test_an_absent_disk_is_named(polysee: Polysee, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    shutil.copy(SAMPLES / "owl.jpg", tmp_path / "disk" / "owl.jpg")
    library = ("--library", tmp_path / "library", "--json")
    assert polysee("index", tmp_path / "disk", *library).document["added"] == 1
    (tmp_path / "disk").rename(tmp_path / "elsewhere")
    done = polysee("index", tmp_path / "disk", "--prune", *library, "--lang", "zh")
    assert (done.code, done.document["removed"]) == (2, 0)
    assert "磁盘接上了吗" in done.document["failed"][0]["reason"]
    assert polysee("search", "owl", "--all", *library).code == 0
    (tmp_path / "disk").mkdir()
    done = polysee("index", tmp_path / "disk", "--prune", *library)
    assert (done.code, done.document["removed"]) == (0, 1)
    assert "disk was absent" in done.document["warned"][0]["reason"]


@pytest.mark.skipif(not shutil.which("setpriv"), reason="Linux's own tool")
def test_one_closed_path_costs_that_path(tmp_path: Path) -> None:
    for name in ("closed.jpg", "open.jpg"):
        shutil.copy(SAMPLES / "owl.jpg", tmp_path / name)
    (tmp_path / "closed.jpg").chmod(0)
    barred = "-dac_override,-dac_read_search"  # root may read everything
    command = [
        "setpriv", f"--bounding-set={barred}", f"--inh-caps={barred}",
        Path(sys.executable).with_name("polysee"), "index", tmp_path / "closed.jpg",
        tmp_path / "open.jpg", "--library", tmp_path / "library", "--lang", "en",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 1
    assert done.stdout.startswith("1 added")
    assert "closed.jpg: permission denied" in done.stderr


@pytest.mark.parametrize("model", ["polysee/scene-judge", "polysee/dalle-nano"])
def test_another_kind_of_model(polysee: Polysee, tmp_path: Path, model: str) -> None:
    if model not in bundled_models():
        pytest.skip("its weights are absent")
    done = polysee("index", tmp_path, "--model", model, "--library", tmp_path / "library", "--json")
    assert done.code == 2
    assert done.document == {"error": f"{model}: not a model of pictures and text"}
    assert not (tmp_path / "library").exists()
