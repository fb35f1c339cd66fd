"""Walking folders: all that is a picture, silence about the rest, a word about what is broken."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from polysee.errors import MediaError
from polysee.media.files import read_file
from polysee.media.scan import Found, scan

posix = pytest.mark.skipif(sys.platform == "win32", reason="made with POSIX calls")
Draw = Callable[..., Path]
KERNEL_FILE = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def look(*paths: Path | str) -> tuple[list[str], dict[str, str]]:
    """The names found, in order, and the reasons of those refused."""
    items = list(scan(paths))
    found = [Path(item.path).name for item in items if isinstance(item, Found)]
    refused = {Path(i.path).name: i.reason for i in items if isinstance(i, MediaError)}
    return found, refused


def test_pictures_by_name_or_content(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "b.JPG", (9, 9, 9), format="JPEG")
    draw(tmp_path / "a" / "海边\n日落.png", (9, 9, 9))
    draw(tmp_path / "no ending", (9, 9, 9), format="PNG")
    draw(tmp_path / "wrong.dat", (9, 9, 9), format="WEBP")
    draw(tmp_path / "raw.nef", (9, 9, 9), format="TIFF")  # cameras' raw files look like this
    draw(tmp_path / "._b.JPG", (9, 9, 9), format="JPEG")
    draw(tmp_path / ".cache" / "thumbnail.png", (9, 9, 9))
    (tmp_path / "notes.txt").write_text("BM is how this text begins", encoding="utf-8")
    (tmp_path / "bad.jpg").write_bytes(b"not a picture, but named like one")
    found, refused = look(tmp_path)
    assert found == ["b.JPG", "bad.jpg", "no ending", "wrong.dat", "海边\n日落.png"]
    assert refused == {}


def test_what_is_named_is_taken_once(tmp_path: Path, draw: Draw) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("hello", encoding="utf-8")
    picture = draw(tmp_path / "a" / "1.png", (9, 9, 9))
    assert look(text, tmp_path, picture.parent, picture)[0] == ["notes.txt", "1.png"]


def test_a_folder_named_like_a_picture_is_walked(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "holiday.jpg" / "1.png", (9, 9, 9))
    assert look(tmp_path) == (["1.png"], {})


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    assert look(tmp_path / "nowhere") == ([], {"nowhere": "no such file or folder"})


@posix
def test_what_is_no_file_is_named_and_not_opened(draw: Draw) -> None:
    with tempfile.TemporaryDirectory() as short:  # socket names cannot be long
        folder = Path(short)
        draw(folder / "good.png", (9, 9, 9))
        os.mkfifo(folder / "pipe.jpg")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder / "socket"))
            found, refused = look(folder, "/dev/null")
    assert found == ["good.png"]
    assert refused == {
        "pipe.jpg": "a named pipe, not a file",
        "socket": "a socket, not a file",
        "null": "a device, not a file",
    }


@posix
def test_links(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "a" / "1.png", (9, 9, 9))
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "a")
    (tmp_path / "file.png").symlink_to(tmp_path / "a" / "1.png")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nothing")
    (tmp_path / "self").symlink_to("self")
    found, refused = look(tmp_path)
    assert found == ["file.png", "1.png"]  # the folder `a` once, by whichever name
    assert refused == {
        "gone.jpg": "a link to something that is not there",
        "self": "a link in a circle",
        "up": "a link in a circle: it leads to a folder above itself",
    }


@posix
def test_deep_folders(tmp_path: Path, draw: Draw) -> None:
    """Deeper than Python's own stack."""
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        for _ in range(1500):
            Path("d").mkdir()
            os.chdir("d")
        assert look(tmp_path)[0] == []
    finally:
        os.chdir(before)
        os.system(f"rm -rf '{tmp_path}/d'")  # pytest's own removal recurses


@pytest.fixture
def locked() -> Iterator[Path]:
    """A folder for someone who is not root, not even where the tests run as root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if is_root:
                os.seteuid(0)


@posix
def test_permission(locked: Path, draw: Draw) -> None:
    draw(locked / "closed" / "1.png", (9, 9, 9))
    secret = draw(locked / "2.png", (9, 9, 9))
    (locked / "closed").chmod(0)
    secret.chmod(0)
    try:
        assert look(locked) == (["2.png"], {"closed": "permission denied"})
        with pytest.raises(MediaError, match="permission denied"):
            read_file(secret)
    finally:
        (locked / "closed").chmod(0o700)


@posix
def test_folders_that_cannot_be_looked_at(locked: Path, draw: Draw) -> None:
    draw(locked / "listed" / "below" / "1.png", (9, 9, 9))
    draw(locked / "listed" / ".cache" / "2.png", (9, 9, 9))
    draw(locked / "listed" / "3.png", (9, 9, 9))
    (locked / "listed" / "notes.txt").write_text("hello", encoding="utf-8")
    (locked / "listed").chmod(0o444)
    try:
        denied = "permission denied"
        assert look(locked) == ([], {"below": denied, "3.png": denied})
    finally:
        (locked / "listed").chmod(0o700)


@posix
def test_folders_deeper_than_a_path_can_say(tmp_path: Path) -> None:
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        for _ in range(45):
            Path("d" * 100).mkdir()
            os.chdir("d" * 100)
        assert look(tmp_path) == ([], {"d" * 100: "file name too long"})
    finally:
        os.chdir(before)
        os.system(f"rm -rf '{tmp_path}/{'d' * 100}'")  # pytest's own removal fails


@posix
def test_a_pipe_in_a_files_place_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(MediaError, match="named pipe"):
        read_file(tmp_path / "pipe.jpg")


@pytest.mark.skipif(not KERNEL_FILE.is_file(), reason="no such file on this system")
def test_a_file_that_is_not_as_long_as_it_says() -> None:
    """As one that is written to meanwhile: a file of the kernel's says 4,096 bytes and holds a few."""
    with pytest.raises(MediaError, match="changed while it was read"):
        read_file(KERNEL_FILE)


def test_size_limits(tmp_path: Path) -> None:
    file = tmp_path / "x.jpg"
    file.write_bytes(b"12345")
    assert read_file(file).data == b"12345"
    with pytest.raises(MediaError, match="larger than"):
        read_file(file, max_bytes=4)
    file.write_bytes(b"")
    with pytest.raises(MediaError, match="an empty file"):
        read_file(file)
