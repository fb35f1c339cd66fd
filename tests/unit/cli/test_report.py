"""The report page: whole in itself, and true to what was measured."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polysee.apps.finetune import FinetuneReport, Mistake
from polysee.cli.language import choose_language
from polysee.cli.report import write_report
from polysee.datasets.labelled import Example
from polysee.evaluation.before_after import compare_captions, compare_classes, confusion
from polysee.evaluation.metrics import Ranking
from polysee.media.files import Remark

spec = importlib.util.spec_from_file_location(
    "gallery_page", Path(__file__).with_name("test_gallery.py")
)
gallery = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gallery)

TRUTH = np.array([0, 0, 0, 0, 1, 1])
BEFORE = np.eye(2)[[0, 0, 1, 1, 1, 0]]
AFTER = np.eye(2)[[0, 0, 0, 1, 1, 1]]


@pytest.fixture
def report(tmp_path, draw):
    shown = Example(str(draw(tmp_path / "一.jpg", (255, 0, 0))), "一.jpg", 0)
    like = Example(draw(tmp_path / "b.jpg", (0, 255, 0)).read_bytes(), "data.parquet#3", 1)
    return FinetuneReport(
        model=tmp_path / "my-model", start="polysee/align-nano", method="lora", classes=["猫", "<dog>"],
        learnt=40, stopping=6, judged=6, tested=True, compared=compare_classes(BEFORE, AFTER, TRUTH),
        mistakes=[Mistake(shown, "猫", "<dog>", "猫", 0.61, like)], mistaken=1,
        failed=[Remark("/x/damaged.jpg", "an empty file")], steps=70, seconds=12.3,
        confusion=(confusion(BEFORE, TRUTH), confusion(AFTER, TRUTH)),
        history=[(5, 0.5), (10, 0.8), (15, 0.7)],
    )  # fmt: skip


def page_of(report, tmp_path):
    file = write_report(tmp_path / "out" / "report.html", report)
    text = file.read_text(encoding="utf-8")
    return text, gallery.Page(text)


def test_the_page_says_what_was_measured(report, tmp_path):
    text, page = page_of(report, tmp_path)
    assert page.open == []
    for words in ("50.0 %", "83.3 %", "+33.3", "61.0 %", "damaged.jpg", "an empty file", "一.jpg"):
        assert words in page.words
    assert "<dog>" in page.words
    assert "<dog>" not in text
    assert "had no part in training" in page.words
    cells = re.findall(r'class="cell([^"]*)"[^>]*>(\d+)<', text)
    assert [int(count) for _, count in cells] == [2, 2, 1, 1, 3, 1, 0, 2]
    assert ["right" in kind for kind, _ in cells] == [True, False, False, True] * 2


def test_it_needs_nothing_but_itself(report, tmp_path):
    text, page = page_of(report, tmp_path)
    assert len(page.sources) == 2
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert not re.search(r"""(src|href|url\()\s*=?\s*["']?(https?:)?//""", text)


def test_in_chinese(report, tmp_path):
    choose_language(["--lang", "zh"])
    try:
        text, page = page_of(report, tmp_path)
    finally:
        choose_language([], {"LANG": "C"})
    assert '<html lang="zh">' in text
    assert "空文件" in page.words
    assert "混淆矩阵" in page.words


def test_a_report_on_captions_without_mistakes(report, tmp_path):
    owners = np.array([0, 0, 1])
    ranks = [Ranking(np.array(better), np.zeros(3)) for better in ([0, 9, 0], [0, 0, 0])]
    other = replace(
        report, compared=compare_captions(*ranks, owners), confusion=None, mistakes=[], mistaken=0,
        history=[(5, 0.5)], tested=False, failed=[],
    )  # fmt: skip
    text, page = page_of(other, tmp_path)
    assert "66.7 %" in page.words
    assert "100.0 %" in page.words
    assert "There is none." in page.words
    assert "said when to stop, so the figure" in page.words
    assert 'class="matrix"' not in text
    assert "<svg class=" not in text
