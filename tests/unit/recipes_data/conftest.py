"""Tiny archives of the shape that the originals have, and the scripts that read them."""

from __future__ import annotations

import importlib
import io
import math
import struct
import sys
import tarfile
import wave
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pyarrow.parquet as pq
import pytest
from PIL import Image

SCRIPTS = Path(__file__).parents[3] / "recipes" / "data"


@pytest.fixture
def tiny() -> SimpleNamespace:
    """What makes tiny files, and what reads the results."""
    makers = (jpeg, png, wav, make_zip, make_tar, columns, rows, picture)
    return SimpleNamespace(**{maker.__name__: maker for maker in makers})


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import a script as Python does when it is run: its folder first on the path."""
    monkeypatch.syspath_prepend(str(SCRIPTS))

    def load(name: str) -> ModuleType:
        before = set(sys.modules)
        module = importlib.import_module(name)
        for added in set(sys.modules) - before:  # other tests must not see such plain names
            if getattr(sys.modules[added], "__file__", "") and str(SCRIPTS) in str(
                sys.modules[added].__file__
            ):
                monkeypatch.delitem(sys.modules, added)
        return module

    return load


def jpeg(colour: str = "red", size: tuple[int, int] = (40, 30)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


def png(colour: tuple[int, int, int, int], size: tuple[int, int] = (32, 32)) -> bytes:
    file = io.BytesIO()
    Image.new("RGBA", size, colour).save(file, "PNG")
    return file.getvalue()


def wav(seconds: float = 0.5, rate: int = 44100) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        values = (int(9000 * math.sin(i / 20)) for i in range(int(seconds * rate)))
        sound.writeframes(b"".join(struct.pack("<h", value) for value in values))
    return file.getvalue()


def make_zip(path: Path, members: Mapping[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def make_tar(path: Path, members: Mapping[str, bytes | str]) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, data in members.items():
            data = data.encode() if isinstance(data, str) else data
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def columns(path: Path) -> dict[str, str]:
    """A parquet file's columns and their types."""
    return {field.name: str(field.type) for field in pq.read_schema(path)}


def rows(path: Path) -> list[dict]:
    return pq.read_table(path).to_pylist()


def picture(data: bytes) -> Image.Image:
    opened = Image.open(io.BytesIO(data))
    opened.load()
    return opened
