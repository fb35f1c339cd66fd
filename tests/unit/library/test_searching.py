"""Searching: what is asked for and not more, within folders and dates, one hit a content."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from polysee.errors import ConfigError, LibraryError, MediaError, QueryError
from polysee.library import Library
from polysee.library.searching import read_date

if TYPE_CHECKING:
    from polysee.inference import Embedder

Draw = Callable[..., Path]
RED, GREEN, BLUE = (250, 10, 10), (10, 250, 10), (10, 10, 250)


def exif(when: str) -> Image.Exif:
    made = Image.Exif()
    made.get_ifd(0x8769)[0x9003] = when
    return made


@pytest.fixture
def folder(tmp_path: Path, draw: Draw) -> Path:
    """Two red, two green and two blue pictures; one of each carries a date, a red one a copy."""
    top = tmp_path / "图片"
    for name, colour, year in (("red", RED, 2021), ("green", GREEN, 2022), ("blue", BLUE, 2023)):
        draw(top / name / "dated.jpg", colour, 0, exif=exif(f"{year}:06:15 12:00:00"))
        os.utime(draw(top / name / "plain.png", colour, 1), (1577836800, 1577836800))  # 2020
    (top / "z copy.jpg").write_bytes((top / "red" / "dated.jpg").read_bytes())
    return top


@pytest.fixture
def library(tmp_path: Path, folder: Path, colour_embedder: Embedder) -> Library:
    made = Library(tmp_path / "library", colour_embedder)
    made.index(folder)
    return made


def names(library: Library, *arguments: object, **options: object) -> set[str]:
    found = library.search(*arguments, everything=True, **options)  # type: ignore[arg-type]
    return {f"{Path(hit.path).parent.name}/{Path(hit.path).name}" for hit in found}


def test_words_in_both_languages(library: Library) -> None:
    for word in ("red", "红色"):
        found = library.search(word, top=2, everything=True)
        assert {Path(hit.path).parent.name for hit in found} == {"red"}
        assert found[0].score == pytest.approx(1, abs=0.1)
        assert 0 <= found[1].relevance <= found[0].relevance <= 1
        assert found.seconds > found.model_seconds > 0


def test_one_hit_a_content(library: Library, folder: Path) -> None:
    found = library.search("red", everything=True)
    assert len(found) == 6
    (hit,) = [hit for hit in found if hit.also]
    assert (hit.path, hit.also) == (
        str(folder / "red" / "dated.jpg"),
        (str(folder / "z copy.jpg"),),
    )
    assert hit.kind == "image"


def test_by_picture_and_by_both(library: Library, folder: Path) -> None:
    example = folder / "blue" / "plain.png"
    for given in (example, str(example), Image.open(example)):
        found = library.search(image=given, everything=True)
        assert Path(found[0].path).parent.name == "blue"
        (itself,) = [hit for hit in found if hit.path == str(example)]
        assert itself.score == pytest.approx(1, abs=1e-3)
    words_only = library.search("red", image=example, image_weight=0, top=1, everything=True)
    assert Path(words_only[0].path).parent.name == "red"


def test_exclusion_from_the_sentence_and_beside_it(library: Library) -> None:
    found = library.search("red without blue", exclude=["green"], everything=True)
    assert found.excluded == ("blue", "green")
    assert library.search("没有人的海滩").excluded == ("人",)


def test_folder(library: Library, folder: Path) -> None:
    assert names(library, "red", folder=folder / "blue") == {"blue/dated.jpg", "blue/plain.png"}
    assert names(library, "red", folder=folder / "blu") == set()
    (copy,) = [h for h in library.search("red", folder=folder, everything=True) if h.also]
    assert copy.path == str(folder / "red" / "dated.jpg")


def test_dates(library: Library) -> None:
    assert names(library, "red", after="2022", before=date(2023, 1, 1)) == {"green/dated.jpg"}
    assert names(library, "red", after="2023-06-15") == {"blue/dated.jpg"}
    assert names(library, "red", before="2021") == {  # these have only their files' time
        "red/plain.png",
        "green/plain.png",
        "blue/plain.png",
    }


def test_read_date() -> None:
    for text in ("2023-10-05", "2023/10/05", "2023年10月5日", " 2023-10-05T00:00:00+08:00 "):
        assert read_date(text) == datetime(2023, 10, 5)  # noqa: DTZ001
    assert read_date("2023年") == datetime(2023, 1, 1)  # noqa: DTZ001
    with pytest.raises(QueryError, match="not a date"):
        read_date("someday")


def test_dates_in_the_sentence(library: Library) -> None:
    today = date(2023, 1, 10)
    assert names(library, "last summer", today=today) == {"green/dated.jpg"}
    assert names(library, "去年夏天 绿色的照片", today=today) == {"green/dated.jpg"}
    assert names(library, "2020年", today=today) == {
        f"{c}/plain.png" for c in ("red", "green", "blue")
    }
    found = library.search("red photos from 2021", everything=True, today=today)
    assert [Path(hit.path).name for hit in found] == ["dated.jpg"]
    assert found.dates[0].start == datetime(2021, 1, 1)  # noqa: DTZ001
    alone = library.search("since 2021", top=3, today=today)
    assert [Path(hit.path).parent.name for hit in alone] == ["blue", "green", "red"]  # newest first
    assert names(library, "not from 2020", today=today) == {
        f"{c}/dated.jpg" for c in ("red", "green", "blue")
    }
    assert names(library, "red", after="last summer", today=today) == {
        "green/dated.jpg",
        "blue/dated.jpg",
    }
    assert len(names(library, "五月天", today=today)) == 6


def test_places_in_the_sentence(tmp_path: Path, draw: Draw, colour_embedder: Embedder) -> None:
    for name, where in (("beijing", (39.9, 116.4)), ("paris", (48.86, 2.35)), ("none", None)):
        made = exif("2022:06:15 12:00:00")
        if where is not None:
            place = made.get_ifd(0x8825)
            place[1], place[2], place[3], place[4] = "N", (where[0], 0, 0), "E", (where[1], 0, 0)
        draw(
            tmp_path / "pictures" / name / "red.jpg",
            RED,
            0 if where is None else int(where[0]),
            exif=made,
        )
    library = Library(tmp_path / "library", colour_embedder)
    library.index(tmp_path / "pictures")
    assert names(library, "in 北京") == {"beijing/red.jpg"}
    assert names(library, "red, Paris") == {"paris/red.jpg"}
    assert names(library, "2022年在巴黎拍的照片") == {"paris/red.jpg"}
    assert names(library, "red in Tokyo") == {"none/red.jpg"}
    assert names(library, "red turkey") == {"beijing/red.jpg", "paris/red.jpg", "none/red.jpg"}
    assert library.search("北京和巴黎 2022").places == ("北京", "巴黎")


def test_what_an_index_run_adds_is_found_at_once(
    library: Library, folder: Path, draw: Draw
) -> None:
    assert len(library.search("red", everything=True)) == 6
    draw(folder / "red" / "new.png", RED, 9)
    Library(library.path, library.embedder()).index(folder)
    assert len(library.search("red", everything=True)) == 7


def test_thumbnails(library: Library) -> None:
    hit = library.search("red", everything=True)[0]
    assert library.thumbnails([hit.hash])[hit.hash].startswith(b"\xff\xd8\xff")
    assert library.thumbnails(["' OR 1=1 --"]) == {}


def test_wrong_requests(library: Library, tmp_path: Path, colour_embedder: Embedder) -> None:
    with pytest.raises(QueryError, match="nothing was asked"):
        library.search("  ")
    with pytest.raises(ConfigError, match="top"):
        library.search("red", top=0)
    for weight in (-1, 0, float("nan"), float("inf")):
        with pytest.raises(QueryError, match="weights"):
            library.search("red", text_weight=weight)  # and no picture, whose weight could count
    with pytest.raises(MediaError, match="no such file"):
        library.search(image=tmp_path / "nowhere.jpg")
    with pytest.raises(LibraryError, match="no library"):
        Library(tmp_path / "none", colour_embedder).search("red")


def test_another_model_than_the_librarys(library: Library, colour_embedder: Embedder) -> None:
    embedder = type(colour_embedder)()  # type: ignore[call-arg]
    embedder.id, embedder.hash = "test/other", "00000000000007e4"
    with pytest.raises(LibraryError, match=r"indexed with test/colour, not with test/other"):
        Library(library.path, embedder).search("red")
    embedder.id = "test/colour"
    with pytest.raises(LibraryError, match="other weights"):
        Library(library.path, embedder).search("red")
