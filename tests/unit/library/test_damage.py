"""Libraries that are damaged, closed, full or from elsewhere: each is named, and nothing that is good is lost."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import lancedb
import numpy as np
import pyarrow as pa
import pytest

from polysee.errors import CheckpointError, LibraryError, QueryError
from polysee.library import Library
from polysee.library.calibration import BANKS, EVIDENCE, KINDS, Calibration, Judge
from polysee.library.catalogue import Catalogue, vectors_name

if TYPE_CHECKING:
    from polysee.inference import Embedder

Draw = Callable[..., Path]


@pytest.fixture
def library(tmp_path: Path, draw: Draw, colour_embedder: Embedder) -> Library:
    for seed in range(3):
        draw(tmp_path / "pictures" / f"{seed}.png", (250, 10, 10), seed)
    made = Library(tmp_path / "library", colour_embedder)
    made.index(tmp_path / "pictures")
    return made


def again(library: Library) -> Library:
    """The same library, opened anew."""
    return Library(library.path, library.embedder())


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"3", b"{}", b'{"format": null, "model": null}', b'{"format": "x"}',
     b'{"format": 1, "model": 7}', b'{"format": 1, "model": ["a"]}', b"\xff\xfe", b"[" * 100_000],
    ids=lambda content: repr(content[:20]),
)  # fmt: skip
def test_damaged_settings_are_named(library: Library, content: bytes) -> None:
    (library.path / "library.json").write_bytes(content)
    for attempt in (again(library).search, again(library).index):
        with pytest.raises(LibraryError, match=r"cannot be read \(library\.json"):
            attempt("red")
    (library.path / "library.json").unlink()
    assert len(again(library).search("red", everything=True)) == 3  # the rest of it is whole


def test_a_newer_library_may_hold_other_settings(library: Library) -> None:
    (library.path / "library.json").write_text('{"format": 2, "models": {}}', encoding="utf-8")
    with pytest.raises(LibraryError, match="newer Polysee"):
        again(library).search("red")


@pytest.mark.parametrize(
    ("name", "part", "damage"),
    [("files", "data", "noise"), ("media", "data", "short"), ("vectors", "data", "gone"),
     ("vectors", "data", "noise"), ("files", "_versions", "noise"), ("media", "_versions", "empty"),
     ("vectors", "", "other columns")],
)  # fmt: skip
def test_damaged_tables_are_named(library: Library, name: str, part: str, damage: str) -> None:
    (folder,) = library.path.glob(f"{name}*.lance")
    for file in list((folder / part).glob("*")) if part else [folder]:
        if damage in ("gone", "other columns"):
            shutil.rmtree(file) if file.is_dir() else file.unlink()
        else:
            size = file.stat().st_size
            made = {"noise": random.Random(1).randbytes(size), "short": file.read_bytes()[:100]}
            file.write_bytes(made.get(damage, b""))
    if damage == "other columns":
        lancedb.connect(library.path).create_table(folder.stem, pa.table({"x": [1]}))
    for attempt in (again(library).search, again(library).index):
        with pytest.raises(LibraryError) as caught:
            attempt("red")
        assert str(library.path) in str(caught.value)
        assert "rustc" not in str(caught.value)
        assert ".cargo" not in str(caught.value)
        assert "run `polysee index` again" in str(caught.value)


@pytest.mark.parametrize("changes", [False, True])
def test_a_table_is_read_again_only_where_it_has_changed(
    library: Library, monkeypatch: pytest.MonkeyPatch, changes: bool
) -> None:
    whole, opened = Catalogue._open, []

    def damaged_at_first(self: Catalogue, name: str) -> object:
        opened.append(name)
        if len(opened) == 1:
            if changes:
                self._db.open_table(name).delete("hash = ''")
            raise RuntimeError("lance error: no such object")
        return whole(self, name)

    monkeypatch.setattr(Catalogue, "_open", damaged_at_first)
    if changes:
        assert Catalogue(library.path).read("files", ["hash"]).num_rows == 3
        assert len(opened) == 2
    else:
        with pytest.raises(LibraryError, match="no such object"):
            Catalogue(library.path).read("files", ["hash"])
        assert len(opened) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
@pytest.mark.parametrize("closed", [".", "library.json", "files.lance", "files.lance/data"])
def test_what_is_closed_is_not_damaged(library: Library, closed: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        copy = Path(shutil.copytree(library.path, Path(place) / "library"))
        copy.chmod(0o755)
        (copy / closed).chmod(0)
        try:
            with as_someone(), pytest.raises(LibraryError) as caught:
                Library(copy, library.embedder()).search("red")
        finally:
            (copy / closed).chmod(0o755)
    assert str(caught.value) == f"the library {copy} cannot be read: permission denied"


@contextmanager
def as_someone() -> Iterator[None]:
    """Not as root, not even where the tests run as root."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def test_vectors_of_another_size(library: Library) -> None:
    name = vectors_name(library.embedder().hash)
    hashes = Catalogue(library.path).read(name, ["hash"])
    assert hashes is not None
    shutil.rmtree(library.path / f"{name}.lance")
    vectors = pa.array([[0.5] * 8] * 3, pa.list_(pa.float16(), 8))
    table = pa.table({"hash": hashes["hash"], "vector": vectors})
    lancedb.connect(library.path).create_table(name, table)
    with pytest.raises(LibraryError, match="vectors of another size"):
        again(library).search("red")


def test_vectors_of_a_model_that_nobody_noted(library: Library, tmp_path: Path) -> None:
    other = Library(tmp_path / "other", library.embedder())
    other.path.mkdir()
    table = pa.table({"hash": ["0"], "vector": pa.array([[0.5] * 8], pa.list_(pa.float16(), 8))})
    lancedb.connect(other.path).create_table(vectors_name("f" * 16), table)
    with pytest.raises(LibraryError, match=r"indexed with \?"):
        other.search("red")


@pytest.mark.parametrize("what", ["folder", "closed"])
def test_a_lock_that_cannot_be_taken(library: Library, tmp_path: Path, what: str) -> None:
    (library.path / "lock").unlink()
    if what == "folder":
        (library.path / "lock").mkdir()
    else:
        (library.path / "lock").symlink_to(tmp_path / "nowhere" / "lock")
    with pytest.raises(LibraryError, match="cannot be written: "):
        library.index(tmp_path / "pictures")
    assert len(library.search("red", everything=True)) == 3


@pytest.mark.parametrize("path", ["\0", "x" * 5000, os.devnull, os.devnull + "/x"])
def test_places_where_no_library_can_be(
    path: str, tmp_path: Path, colour_embedder: Embedder
) -> None:
    nowhere = Library(path, colour_embedder)
    with pytest.raises(LibraryError, match="no library"):
        nowhere.search("red")
    with pytest.raises(LibraryError, match="cannot be made"):
        nowhere.index(tmp_path)


def test_names_that_no_file_can_have(library: Library) -> None:
    report = library.index(["\0", "\ud800", "x" * 5000], prune=True)
    assert [item.reason for item in report.failed] == [
        "not a name that a file can have", "not a name that a file can have", "file name too long",
    ]  # fmt: skip
    with pytest.raises(QueryError, match="not a name that a folder can have"):
        library.search("red", folder="\ud800")
    assert library.search("red", folder="' OR 1=1 --").hits == []


def test_one_text_to_exclude_is_not_a_list_of_letters(library: Library) -> None:
    assert library.search("red", exclude="blue").excluded == ("blue",)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A file system of so many KiB; Linux and root can make one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = False

    def mount(size: int) -> Path:
        nonlocal mounted
        options = ("remount," if mounted else "") + f"size={size}k"
        command = ["mount", "-t", "tmpfs", "-o", options, "polysee", str(place)]
        if sys.platform != "linux" or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("no small file system can be mounted here")
        mounted = True
        return place

    yield mount
    if mounted:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("spare", [4, 16, 32, 48])
def test_a_full_disk_is_named_and_loses_nothing(
    spare: int, library: Library, tmp_path: Path, draw: Draw, small_disk: Callable[[int], Path]
) -> None:
    disk = small_disk(4096)
    small = Library(disk / "library", library.embedder())
    assert small.index(tmp_path / "pictures" / "0.png").added == 1
    small_disk(shutil.disk_usage(disk).used // 1024 + spare)
    for seed in range(3, 30):
        draw(tmp_path / "pictures" / f"{seed}.png", (10, 10, 250), seed)
    with pytest.raises(LibraryError, match="cannot be written: the disk is full"):
        small.index(tmp_path / "pictures")
    assert "0.png" in {Path(hit.path).name for hit in again(small).search("red", everything=True)}
    small_disk(8192)
    report = again(small).index(tmp_path / "pictures")
    assert report.failed == []
    assert len(again(small).search("red", everything=True, top=99)) == 30


def calibration(size: int = 64) -> Calibration:
    draw = np.random.default_rng(0)
    judges = {kind: Judge((1.0,) * len(EVIDENCE), 0.0) for kind in KINDS}
    banks = {bank: draw.normal(0, 0.05, (60, size)).astype(np.float32) for bank in BANKS}
    return Calibration(judges, banks)


def test_a_calibration_is_read_once_and_checked(
    library: Library, tmp_path: Path, colour_embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(colour_embedder), "folder", tmp_path)
    calibration().save(tmp_path)
    opened = again(library)
    opened.search("red")
    (tmp_path / "calibration.json").write_text("damaged since", encoding="utf-8")
    opened.search("green")
    with pytest.raises(CheckpointError, match=r"calibration\.json is damaged"):
        again(library).search("red")
    calibration(size=32).save(tmp_path)
    with pytest.raises(CheckpointError, match="calibration is another model's"):
        again(library).search("red")
    calibration().save(tmp_path)
    settings = json.loads((tmp_path / "calibration.json").read_text(encoding="utf-8"))
    settings["judges"]["name"]["weights"] = [float("nan")] * len(EVIDENCE)
    (tmp_path / "calibration.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(CheckpointError, match="numbers are not what they should be"):
        again(library).search("red")
