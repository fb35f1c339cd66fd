from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from polysee.cli.gallery import Section, write_gallery
from polysee.library.hits import Hit


class Page(HTMLParser):
    """The links and sources of a page, and whether its tags close."""

    VOID = frozenset({"meta", "img", "link", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if "src" in given:
            self.sources.append(given["src"])
        if "href" in given:
            self.links.append(given["href"])
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in {"style", "script"}:
            self.words += data


def written(folder: Path, *sections: Section) -> tuple[str, Page]:
    file = write_gallery(folder / "out" / "page.html", sections, facts_en="2 pictures")
    assert file.is_absolute()
    text = file.read_text(encoding="utf-8")
    return text, Page(text)


def test_the_page_needs_nothing_but_itself(tmp_path, draw):
    cat = draw(tmp_path / "猫 1#.jpg", (255, 0, 0))
    text, page = written(tmp_path, Section("一只猫", [Hit(str(cat), 0.3, 0.87)]))
    assert page.open == []
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert len(page.sources) == 1
    assert [link for link in page.links if not link.startswith("#")] == [cat.as_uri()]
    assert not re.search(r"""(src|href|url\()\s*=?\s*["']?(https?:)?//""", text)
    assert "87%" in page.words
    assert "一只猫" in page.words
    assert "猫 1#.jpg" in page.words


def test_both_languages_are_there_and_one_is_shown(tmp_path):
    text, page = written(tmp_path, Section("a submarine", [], remark_en="none", remark_zh="没有"))
    assert '<html lang="en">' in text
    for words in ("Nothing in the library matches", "图库里没有符合的图片", "none", "没有"):
        assert words in page.words


def test_what_a_person_typed_is_not_run(tmp_path):
    attack = "<script>alert(1)</script>"
    text, page = written(tmp_path, Section(attack, [], excluded=(attack,), remark_en=attack))
    assert attack not in text
    assert attack in page.words


def test_a_file_that_has_gone_does_not_cost_the_page(tmp_path):
    _, page = written(tmp_path, Section("cat", [Hit(str(tmp_path / "gone.jpg"), 0.3, 0.5)]))
    assert "no longer there" in page.words
    assert page.sources == []


def test_a_name_that_is_not_unicode_does_not_cost_the_page(tmp_path):
    _, page = written(tmp_path, Section("cat", [Hit(str(tmp_path / "\udcff.jpg"), 0.3, 0.5)]))
    assert "50%" in page.words


def test_several_queries_can_be_jumped_to_and_a_picture_asked_with_is_shown(tmp_path, draw):
    red = draw(tmp_path / "red.jpg", (255, 0, 0))
    sections = [
        Section("red", [Hit(str(red), 0.9, 1.0, also=("/b", "/c"))]),
        Section("", [], image=red),
    ]
    _, page = written(tmp_path, *sections)
    assert [link for link in page.links if link.startswith("#")] == ["#q1", "#q2"]
    assert len(page.sources) == 2
    assert "+2" in page.words
    assert "Pictures like this one" in page.words
