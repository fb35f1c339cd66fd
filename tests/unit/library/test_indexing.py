"""Indexing: each file once, what is unchanged skipped, what is moved kept, what is gone erased."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from polysee.errors import CheckpointError, ConfigError, LibraryError, NotSupportedError
from polysee.library import Library, indexing
from polysee.library.catalogue import MEDIA, Catalogue, matrix, vectors_name
from polysee.library.lock import write_lock

if TYPE_CHECKING:
    from polysee.inference import Embedder

Draw = Callable[..., Path]
RED, GREEN, BLUE = (250, 10, 10), (10, 250, 10), (10, 10, 250)


@pytest.fixture
def folder(tmp_path: Path, draw: Draw) -> Path:
    """Nine pictures in three colours."""
    top = tmp_path / "pictures"
    for name, colour in (("red", RED), ("green", GREEN), ("blue", BLUE)):
        for seed in range(3):
            draw(top / name / f"{seed}.png", colour, seed)
    return top


@pytest.fixture
def library(tmp_path: Path, colour_embedder: Embedder) -> Library:
    return Library(tmp_path / "library", colour_embedder)


def counts(library: Library, *paths: Path, prune: bool = False) -> tuple[int, int, int, int]:
    report = library.index(paths, prune=prune)
    return report.added, report.unchanged, report.moved, report.removed


def paths_of(library: Library) -> list[str]:
    table = Catalogue(library.path).read("files", ["path"])
    assert table is not None
    return sorted(os.fsdecode(path) for path in table["path"].to_pylist())


def rows(library: Library, name: str) -> int:
    table = Catalogue(library.path).table(name)
    return table.count_rows() if table is not None else 0


def on_disk(library: Library, needle: bytes) -> list[str]:
    """The library's files that hold these bytes."""
    files = (file for file in library.path.rglob("*") if file.is_file())
    return [file.name for file in files if needle in file.read_bytes()]


def test_added_then_unchanged_without_reading(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    report = library.index(folder, progress=lambda done, total: seen.append((done, total)))
    assert (report.added, report.unchanged, report.failed, report.warned) == (9, 0, [], [])
    assert report.seconds > report.model_seconds > 0
    assert seen[0] == (0, 9)
    assert seen[-1] == (9, 9)
    monkeypatch.setattr("polysee.library.reading.read_file", None)  # calling it now would fail
    assert counts(library, folder) == (0, 9, 0, 0)


def test_vectors_are_the_models_own(
    library: Library, folder: Path, colour_embedder: Embedder
) -> None:
    library.index(folder)
    catalogue = Catalogue(library.path)
    vectors = catalogue.read(vectors_name(colour_embedder.hash), ["hash", "vector"])
    files = catalogue.read("files", ["path", "hash"])
    assert vectors is not None
    assert files is not None
    assert vectors.schema.field("vector").type.value_type == "halffloat"
    found = dict(zip(vectors["hash"].to_pylist(), matrix(vectors["vector"]), strict=True))
    for path, digest in zip(files["path"].to_pylist(), files["hash"].to_pylist(), strict=True):
        (expected,) = colour_embedder.embed_image([os.fsdecode(path)])
        np.testing.assert_allclose(found[digest], expected, atol=5e-4)


def test_touched_is_unchanged_and_changed_is_added(
    library: Library, folder: Path, draw: Draw
) -> None:
    library.index(folder)
    os.utime(folder / "red" / "0.png", (1, 1))
    draw(folder / "red" / "1.png", BLUE, seed=77)
    assert counts(library, folder) == (1, 8, 0, 0)
    assert counts(library, folder) == (0, 9, 0, 0)
    assert rows(library, "media") == 9  # the old content is nobody's any more, and swept away


def test_moved_files_keep_their_vectors(
    library: Library, folder: Path, colour_embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.index(folder)
    (folder / "red").rename(folder / "rot")
    monkeypatch.setattr(colour_embedder, "embed_pictures", None)  # calling it now would fail
    assert counts(library, folder) == (0, 6, 3, 0)
    assert paths_of(library) == sorted(str(path) for path in folder.rglob("*.png"))


def test_a_file_moved_out_of_a_folder_that_is_not_named(library: Library, folder: Path) -> None:
    library.index(folder)
    (folder / "red" / "0.png").rename(folder / "blue" / "3.png")
    assert counts(library, folder / "blue") == (0, 3, 1, 0)
    assert str(folder / "red" / "0.png") not in paths_of(library)


@pytest.mark.skipif(sys.platform == "win32", reason="made with POSIX calls")
@pytest.mark.parametrize("left", ["nothing", "an empty folder", "what cannot be looked at"])
def test_a_copy_of_what_cannot_be_seen_is_not_a_move(
    library: Library, folder: Path, left: str
) -> None:
    library.index(folder)
    elsewhere = (folder / "red").rename(folder.parent / "elsewhere")
    if left == "an empty folder":
        (folder / "red").mkdir()
    elif left == "what cannot be looked at":
        (folder / "red").symlink_to("red")
    assert counts(library, elsewhere) == (3, 0, 0, 0)
    assert rows(library, "files") == 12
    if left == "what cannot be looked at":  # even where it is named
        assert library.index([folder, elsewhere], prune=True).removed == 0
        (folder / "red").unlink()
    else:
        assert library.index([folder, elsewhere], prune=True).removed == 3
        return
    elsewhere.rename(folder / "red")
    assert counts(library, folder) == (0, 9, 0, 0)


def test_a_copy_is_a_second_path_of_one_content(library: Library, folder: Path) -> None:
    (folder / "copy.png").write_bytes((folder / "red" / "0.png").read_bytes())
    assert counts(library, folder) == (10, 0, 0, 0)
    (folder / "later.png").write_bytes((folder / "red" / "1.png").read_bytes())
    assert counts(library, folder) == (1, 10, 0, 0)
    assert rows(library, "files") == 11
    assert rows(library, "media") == 9


def test_deleted_files_stay_until_pruned_and_are_then_erased(
    library: Library, folder: Path, colour_embedder: Embedder
) -> None:
    library.index(folder)
    gone = folder / "red" / "0.png"
    thumbnails = Catalogue(library.path).read("media", ["hash"])
    assert thumbnails is not None
    (digest,) = _hashes(library, gone)
    gone.unlink()
    assert counts(library, folder) == (0, 8, 0, 0)
    assert rows(library, "files") == 9
    assert counts(library, folder / "blue", prune=True) == (0, 3, 0, 0)  # it stood elsewhere
    assert counts(library, folder, prune=True) == (0, 8, 0, 1)
    assert rows(library, "files") == rows(library, "media") == 8
    assert rows(library, vectors_name(colour_embedder.hash)) == 8
    assert on_disk(library, digest.encode()) == []
    assert on_disk(library, os.fsencode(gone)) == []
    assert on_disk(library, os.fsencode(folder / "red" / "1.png")) != []


def _hashes(library: Library, path: Path) -> list[str]:
    table = Catalogue(library.path).read("files", ["path", "hash"])
    assert table is not None
    pairs = zip(table["path"].to_pylist(), table["hash"].to_pylist(), strict=True)
    return [digest for key, digest in pairs if key == os.fsencode(path)]


def test_a_folder_whose_disk_is_absent_is_not_pruned(library: Library, folder: Path) -> None:
    library.index(folder)
    disk = folder / "red"
    disk.rename(folder.parent / "elsewhere")
    assert library.index(disk).failed[0].reason == "no such file or folder"
    report = library.index([disk, folder / "blue"], prune=True)
    assert (report.unchanged, report.removed, report.warned) == (3, 0, [])
    assert [item.path for item in report.failed] == [str(disk)]
    assert "is its disk there?" in report.failed[0].reason
    assert rows(library, "files") == rows(library, "media") == 9

    report = library.index([disk, folder], prune=True)  # the folder above it is there
    assert (report.removed, report.failed, report.warned) == (3, [], [])
    report = library.index(disk, prune=True)  # now it means nothing
    assert [item.reason for item in report.failed] == ["no such file or folder"]


def test_a_link_to_an_absent_disk_and_a_file_of_one_are_not_pruned(
    library: Library, folder: Path, tmp_path: Path
) -> None:
    disk, link = folder / "red", tmp_path / "usb"
    link.symlink_to(disk)
    library.index(link)
    library.index(folder / "blue" / "0.png")
    for name in ("red", "blue"):
        (folder / name).rename(tmp_path / f"away-{name}")
    report = library.index([link, folder / "blue" / "0.png"], prune=True)
    assert report.removed == 0
    assert {item.path for item in report.failed} == {str(link), str(folder / "blue" / "0.png")}
    assert rows(library, "files") == 4


def test_a_folder_that_is_empty_now_is_pruned_and_named(library: Library, folder: Path) -> None:
    library.index(folder)
    for file in (folder / "red").iterdir():
        file.unlink()
    report = library.index(folder / "red", prune=True)
    assert (report.removed, report.failed) == (3, [])
    assert [item.path for item in report.warned] == [str(folder / "red")]
    assert "if its disk was absent" in report.warned[0].reason


def test_prune_of_a_folder_that_holds_something_else(library: Library, folder: Path) -> None:
    library.index(folder)
    for file in (folder / "red").iterdir():
        file.unlink()
    (folder / "red" / "notes.txt").write_text("hello", encoding="utf-8")
    assert counts(library, folder / "red", prune=True) == (0, 0, 0, 3)


def test_prune_of_a_file_that_is_named(library: Library, folder: Path) -> None:
    library.index(folder)
    gone = folder / "red" / "0.png"
    gone.unlink()
    report = library.index(gone, prune=True)
    assert (report.removed, report.failed) == (1, [])


def test_bad_files_are_named_and_the_rest_goes_in(
    library: Library, folder: Path, draw: Draw
) -> None:
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.png").write_text("hello", encoding="utf-8")
    (folder / "cut.png").write_bytes((folder / "red" / "0.png").read_bytes()[:-30])
    (folder / "notes.txt").write_text("hello", encoding="utf-8")
    draw(folder / "mislabelled.jpg", RED, 50, format="PNG")
    report = library.index(folder)
    assert report.added == 10
    assert {Path(item.path).name: item.reason for item in report.failed} == {
        "cut.png": "a PNG file that is cut short",
        "empty.jpg": "an empty file",
        "text.png": "not a picture of a known format",
    }
    ((warned, reason),) = [(Path(item.path).name, item.reason) for item in report.warned]
    assert warned == "mislabelled.jpg"
    assert reason == "named .jpg, but its content is PNG; read by its content"


def test_a_picture_that_was_damaged_since_is_dropped(library: Library, folder: Path) -> None:
    library.index(folder)
    broken = folder / "red" / "0.png"
    broken.write_bytes(broken.read_bytes()[:-30])
    report = library.index(folder)
    assert [item.path for item in report.failed] == [str(broken)]
    assert str(broken) not in paths_of(library)
    assert rows(library, "media") == 8


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are always text")
def test_names_that_are_no_text(library: Library, folder: Path) -> None:
    original = folder / "red" / "0.png"
    odd = os.fsencode(folder) + "/海 'quoted'\n".encode("gb18030") + b".png"
    with open(odd, "wb") as file:  # noqa: PTH123 (a Path takes no bytes)
        file.write(original.read_bytes() + b"\0")
    assert counts(library, folder) == (10, 0, 0, 0)
    assert os.fsdecode(odd) in paths_of(library)
    os.unlink(odd)  # noqa: PTH108
    assert counts(library, folder, prune=True) == (0, 9, 0, 1)


def test_two_models_side_by_side(library: Library, folder: Path, colour_embedder: Embedder) -> None:
    library.index(folder)
    weights = "00000000000007e4"
    embedder = type(colour_embedder)()  # the same, but for what a library knows it by
    embedder.id, embedder.hash = "test/other", weights
    other = Library(library.path, embedder)
    assert counts(other, folder) == (9, 0, 0, 0)
    assert counts(other, folder) == (0, 9, 0, 0)
    assert counts(library, folder) == (0, 9, 0, 0)
    assert rows(library, "files") == rows(library, "media") == 9
    assert Catalogue(library.path).models() == ["test/colour", "test/other"]
    (folder / "red" / "0.png").unlink()
    library.index(folder, prune=True)
    assert rows(library, vectors_name(weights)) == 8  # erased there, too


def test_a_run_that_brings_nothing_in_leaves_the_model(
    library: Library, folder: Path, colour_embedder: Embedder
) -> None:
    assert counts(library, folder / "nowhere") == (0, 0, 0, 0)
    assert Catalogue(library.path).settings["model"] == "test/colour"  # a new library's
    library.index(folder)
    other = type(colour_embedder)()
    other.id, other.hash = "test/other", "00000000000007e4"
    Library(library.path, other).index(folder / "nowhere")
    assert Catalogue(library.path).settings["model"] == "test/colour"
    with pytest.raises(LibraryError, match="search with --model test/colour, or index with it"):
        Library(library.path, other).search("red")
    Library(library.path, other).index(folder / "red")
    assert Catalogue(library.path).settings["model"] == "test/other"
    library.index(folder)
    Library(library.path, other).index(folder / "nowhere")  # though it has vectors of its own
    assert Catalogue(library.path).settings["model"] == "test/colour"


def test_a_model_of_no_numbers(library: Library, folder: Path, colour_embedder: Embedder) -> None:
    class Broken(type(colour_embedder)):  # type: ignore[misc]
        def embed_pictures(self, pictures: np.ndarray) -> np.ndarray:
            return super().embed_pictures(pictures) * np.float32("nan")

    with pytest.raises(CheckpointError, match="test/colour: gives vectors that are not numbers"):
        Library(library.path, Broken()).index(folder)
    assert [file.name for file in library.path.iterdir()] == ["lock"]
    assert counts(library, folder) == (9, 0, 0, 0)


def test_a_model_that_is_not_of_pictures_and_text(
    folder: Path, tmp_path: Path, drawing_folder: Path
) -> None:
    drawing = Library(tmp_path / "library", drawing_folder)
    with pytest.raises(NotSupportedError, match="not a model of pictures and text"):
        drawing.index(folder)
    assert not drawing.path.exists()


def test_a_model_that_was_moved(library: Library, folder: Path, tmp_path: Path) -> None:
    library.embedder().id = str(tmp_path / "model")  # as of one that was loaded from there
    library.index(folder)
    for attempt in (Library(library.path).search, Library(library.path).index):
        with pytest.raises(LibraryError, match=r"last indexed with .*model, which is not there"):
            attempt("red")


def test_an_empty_path_is_not_the_folder_that_one_stands_in(library: Library) -> None:
    for paths in ("", ["", "red"]):
        with pytest.raises(ConfigError, match="an empty path"):
            library.index(paths)
    assert not library.path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_a_library_is_its_owners(library: Library, folder: Path) -> None:
    library.index(folder)
    assert library.path.stat().st_mode & 0o777 == 0o700
    assert (library.path / "lock").stat().st_mode & 0o777 == 0o600


def test_small_pieces_are_put_together(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "BATCH_SIZE", 1)
    monkeypatch.setattr(indexing, "WRITE_SECONDS", 0.0)
    monkeypatch.setattr("polysee.library.catalogue.MAX_FRAGMENTS", 4)
    library.index(folder)
    assert len(list((library.path / "media.lance" / "data").iterdir())) == 1
    assert len(list((library.path / "media.lance" / "_versions").glob("*.manifest"))) == 1


class Died(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("operation", ["append", "_delete", "tidy"])
@pytest.mark.parametrize("after", [False, True])
def test_dying_at_each_single_operation(
    operation: str,
    after: bool,
    folder: Path,
    draw: Draw,
    tmp_path: Path,
    colour_embedder: Embedder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before or after the first write, the second, ... of a run that adds, moves and prunes."""
    monkeypatch.setattr(indexing, "BATCH_SIZE", 2)
    monkeypatch.setattr(indexing, "WRITE_SECONDS", 0.0)
    whole = getattr(Catalogue, operation)
    left = [0]

    def dying(self: Catalogue, *arguments: object) -> None:
        left[0] -= 1
        if left[0] == 0 and not after:
            raise Died
        whole(self, *arguments)
        if left[0] == 0:
            raise Died

    library = Library(tmp_path / "library", colour_embedder)
    library.index(folder)
    for step in range(1, 100):
        draw(folder / "new" / f"{step}.png", BLUE, 100 + step)
        files = sorted(folder.rglob("*.png"))
        files[step % len(files)].rename(folder / f"moved {step}.png")
        files[(step + 5) % len(files)].unlink(missing_ok=True)
        left[0] = step
        with monkeypatch.context() as patch:
            patch.setattr(Catalogue, operation, dying)
            try:
                library.index(folder, prune=True)
            except Died:
                continue
        break
    else:
        pytest.fail("the run never came to its end")
    assert step > 2
    fresh = Library(tmp_path / "fresh", colour_embedder)
    fresh.index(folder)
    for name in ("files", "media", vectors_name(colour_embedder.hash)):
        assert _first_column(library, name) == _first_column(fresh, name)


def _first_column(library: Library, name: str) -> list[object]:
    catalogue = Catalogue(library.path)
    table = catalogue.read(name, ["path" if name == "files" else "hash"])
    assert table is not None
    return sorted(table.column(0).to_pylist())


def test_one_writer_at_a_time(library: Library, folder: Path) -> None:
    library.path.mkdir()
    with (
        write_lock(library.path),
        pytest.raises(LibraryError, match="being written by another process"),
    ):
        library.index(folder)
    assert counts(library, folder) == (9, 0, 0, 0)


def test_a_library_from_the_future(library: Library, folder: Path) -> None:
    library.path.mkdir()
    (library.path / "library.json").write_text('{"format": 99, "model": null}', encoding="utf-8")
    with pytest.raises(LibraryError, match="newer Polysee"):
        library.index(folder)


def test_a_file_stands_where_the_library_should(
    folder: Path, tmp_path: Path, colour_embedder: Embedder
) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(LibraryError, match="cannot be made"):
        Library(tmp_path / "file", colour_embedder).index(folder)


@pytest.mark.parametrize("made", ["table", "folder"])
def test_dying_while_a_table_is_made(library: Library, folder: Path, made: str) -> None:
    """A table without rows counts as false in a condition, and yet it is there."""
    library.path.mkdir()
    if made == "table":
        Catalogue(library.path).open_or_create("media", MEDIA)
    else:
        (library.path / "media.lance" / "_versions").mkdir(parents=True)
    assert counts(library, folder) == (9, 0, 0, 0)
    assert rows(library, "media") == 9
