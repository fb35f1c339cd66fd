"""Damaged and hostile files: every good one indexed, every bad one named, in bounded time and memory.

    python -m benchmarks.hostile [--good 200] [--fuzz 5000] [--seed 0]

prints JSON. `folder`: as many bad files as good ones, of every kind in `BAD` in turn, in one folder, indexed
with align-nano; it must take under a minute, name each bad file and no other, and its memory (the process
and its workers) must not grow with the number of bad files: `memory_good` is that of the good files alone.
`fuzz`: pictures of every format, each with some bytes changed, cut out, repeated or swapped, are read as an
index reads them; whatever is in them, each gives a picture or a reason (`read`, `named`), and `others` is
what must not happen.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SAMPLES = Path(__file__).parents[1] / "samples"
FORMATS = ("JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF", "AVIF")

CHILD = """
import json, resource, sys
from polysee.library import Library
from polysee.media import workers

library = Library(sys.argv[1])
library.embedder()  # so that its loading is not counted
report = library.index([sys.argv[2]])
workers.close()
own, below = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps({
    "added": report.added, "failed": [item.path for item in report.failed],
    "warned": [item.path for item in report.warned], "seconds": report.seconds, "memory": own + below,
}))
"""


def sample(dice: random.Random, form: str = "JPEG") -> bytes:
    """A picture of the project's own, small, and a little different each time."""
    image = Image.open(dice.choice(sorted(SAMPLES.glob("*.jpg")))).convert("RGB")
    image.thumbnail((320, 320))
    image.putpixel((0, 0), tuple(dice.randrange(256) for _ in range(3)))
    file = BytesIO()
    image.save(file, form, quality=95 - dice.randrange(30))
    return file.getvalue()


def bomb(dice: random.Random) -> bytes:
    """A small PNG that announces more pixels than any memory holds."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", 60_000 + dice.randrange(99), 60_000, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 20), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def mutated(data: bytes, dice: random.Random) -> bytes:
    """Some bytes changed, cut out, repeated or swapped."""
    broken = bytearray(data)
    for _ in range(dice.choice([1, 1, 2, 4, 16, 64])):
        at, length = dice.randrange(len(broken)), dice.choice([1, 1, 2, 4, 64])
        how = dice.randrange(4)
        if how == 0:
            broken[at : at + length] = dice.randbytes(length)
        elif how == 1 and len(broken) > 2 * length:
            del broken[at : at + length]
        elif how == 2:
            broken[at:at] = broken[at : at + length]
        else:
            value = dice.choice([b"\x00", b"\xff", b"\x7f\xff\xff\xff", b"\x80"])
            broken[at : at + len(value)] = value
    return bytes(broken)


# Each writes one file that cannot be read; `path` has no ending yet.
def _bytes(
    make: Callable[[random.Random], bytes], ending: str = ".jpg"
) -> Callable[[Path, random.Random], Path]:
    def write(path: Path, dice: random.Random) -> Path:
        path = path.with_name(path.name + ending)
        path.write_bytes(make(dice))
        return path

    return write


def _cut(form: str) -> Callable[[random.Random], bytes]:
    def make(dice: random.Random) -> bytes:
        data = sample(dice, form)
        return data[: int(len(data) * dice.uniform(0.1, 0.8))]

    return make


def _pipe(path: Path, dice: random.Random) -> Path:
    path = path.with_name(path.name + ".jpg")
    os.mkfifo(path)
    return path


def _link(target: str) -> Callable[[Path, random.Random], Path]:
    def write(path: Path, dice: random.Random) -> Path:
        path = path.with_name(path.name + ".jpg")
        path.symlink_to(target.format(own=path.name))
        return path

    return write


BAD: dict[str, Callable[[Path, random.Random], Path]] = {
    "empty": _bytes(lambda dice: b""),
    "no picture": _bytes(lambda dice: dice.randbytes(3000)),
    "text": _bytes(lambda dice: b"not a picture " * 40, ".png"),
    **{f"cut {form}": _bytes(_cut(form), "." + form.lower()) for form in FORMATS if form != "BMP"},
    "zeros after the header": _bytes(lambda dice: sample(dice)[:30] + bytes(5000)),
    "bomb": _bytes(bomb, ".png"),
    "header alone": _bytes(lambda dice: b"\x89PNG\r\n\x1a\n" + dice.randbytes(40), ".png"),
    **({"pipe": _pipe} if hasattr(os, "mkfifo") else {}),
    "dangling link": _link("nowhere"),
    "link to itself": _link("{own}"),
    "with a newline": _bytes(lambda dice: dice.randbytes(100), "\n.jpg"),
}


def index_folder(
    top: Path, good: int, bad: int, seed: int
) -> tuple[dict[str, Any], set[str], set[str]]:
    """A folder of good and bad files, indexed by a process of its own; its report, and their paths."""
    dice = random.Random(seed)
    folder = top / "pictures"
    folder.mkdir(parents=True)
    fine = set()
    for number in range(good):
        file = folder / f"good {number}.jpg"
        file.write_bytes(sample(dice))
        fine.add(str(file))
    kinds = list(BAD.values())
    broken = {str(kinds[n % len(kinds)](folder / f"bad {n}", dice)) for n in range(bad)}
    (folder / "a folder.jpg").mkdir()
    command = [sys.executable, "-c", CHILD, str(top / "library"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1]), fine, broken


def measure_folder(top: Path, good: int, seed: int) -> dict[str, Any]:
    """Good files alone, then as many bad ones among them."""
    alone, _, _ = index_folder(top / "alone", good, 0, seed)
    mixed, fine, broken = index_folder(top / "mixed", good, good, seed)
    return {
        "good": good,
        "bad": len(broken),
        "kinds": len(BAD),
        "indexed": mixed["added"],
        "not_named": sorted(broken - set(mixed["failed"])),
        "wrongly_named": sorted(set(mixed["failed"]) & fine),
        "seconds": mixed["seconds"],
        "seconds_good": alone["seconds"],
        "memory_mib": mixed["memory"] // 1024,
        "memory_good_mib": alone["memory"] // 1024,
    }


def fuzz(count: int, seed: int, folder: Path) -> dict[str, Any]:
    """Read mutated pictures as an index does, in workers."""
    from polysee.inference import load
    from polysee.library.reading import Read, Unread, read
    from polysee.media.scan import Found

    recipe = load("polysee/align-nano").recipe

    def one(data: bytes, number: int) -> tuple[str, str, float]:
        file = folder / f"{number}.jpg"
        file.write_bytes(data)
        began = time.perf_counter()
        try:
            found = read(Found(str(file), len(data), 0), recipe, set())
        except Exception as error:
            return "others", f"{type(error).__name__}: {error}", 0.0
        finally:
            file.unlink()
        seconds = time.perf_counter() - began
        reason = found.reason.split("(")[0] if isinstance(found, Unread) else ""
        return ("read" if isinstance(found, Read) else "named"), reason, seconds

    began = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        results = list(pool.map(one, _mutations(count, seed), range(count)))
    outcomes = Counter(outcome for outcome, _, _ in results)
    return {
        "pictures": count,
        "read": outcomes["read"],
        "named": outcomes["named"],
        "others": [reason for outcome, reason, _ in results if outcome == "others"],
        "reasons": dict(Counter(reason for _, reason, _ in results if reason).most_common(12)),
        "longest_seconds": max(seconds for _, _, seconds in results),
        "seconds": time.perf_counter() - began,
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _mutations(count: int, seed: int) -> Iterator[bytes]:
    dice = random.Random(seed)
    originals = {form: [sample(dice, form) for _ in range(4)] for form in FORMATS}
    originals["16 bit"] = [_deep(dice)]
    for number in range(count):
        kind = sorted(originals)[number % len(originals)]
        yield mutated(dice.choice(originals[kind]), dice)


def _deep(dice: random.Random) -> bytes:
    file = BytesIO()
    values = (
        np.random.default_rng(dice.randrange(99)).integers(0, 65536, (60, 80)).astype(np.uint16)
    )
    Image.fromarray(values).save(file, "TIFF")
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--good", type=int, default=200)
    parser.add_argument("--fuzz", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        result: dict[str, Any] = {"seed": asked.seed}
        if asked.good:
            result["folder"] = measure_folder(top, asked.good, asked.seed)
        if asked.fuzz:
            result["fuzz"] = fuzz(asked.fuzz, asked.seed, top)
    print(json.dumps(result, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
