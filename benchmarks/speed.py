"""How fast a library is indexed and searched, each part by itself and beside others, in one run.

    python -m benchmarks.speed photos [--count 5000] [--size 640x480]     # and --size 4000x3000 --count 200
    python -m benchmarks.speed search [--count 20000] [--count 500000]
    python -m benchmarks.speed large  [--count 100000]
    python -m benchmarks.speed help

Each prints JSON.

- `photos`: JPEG files made from the project's samples are indexed with align-nano; beside it decoding alone
  and encoding alone on all cores (`of_both` is indexing's time over the two together), a plain loop over
  `transformers` CLIP ViT-B/32 in float32 (random weights of that shape: the work is the same), in batches
  of 32, and `rclip` if it is installed and has its weights.
- `search`: a library of vectors made from those that align-nano gives the samples, asked for the samples' titles
  in both languages: alone, in a folder, with something excluded, with a picture. The time of `Library.search` less
  the model's: `p50_ms` as people search, `all_p50_ms` where what hardly fits is wanted, too (`--all`), which ranks
  everything; of that, recall@10 against the same ranking over a plain scan in float32, and by how much a relevance
  differs.
- `large`: made vectors and thumbnails as files: size of the folder, memory, and how long it takes to put it together.
- `help`: user time of `polysee --help`, the least of five.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from benchmarks.made_vectors import SAMPLES, Prepared, make_vectors, sample_vectors, titles, unit
from PIL import Image

QUERIES = 50
UNNAMED = SimpleNamespace(id="benchmark/made", hash="0" * 16)
FOLDERS = 2
KINDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "words": lambda _: {},
    "in_folder": lambda _: {"folder": "/photos/0"},
    "without": lambda other: {"exclude": [other]},
    "picture_and_words": lambda _: {"image": "a sample", "text_weight": 1, "image_weight": 1},
}
THUMBNAIL = 10_000  # bytes, about what an index writes


def make_photos(folder: Path, count: int, size: tuple[int, int], seed: int = 0) -> None:
    """JPEG files of this size, cut from the samples, each a little different."""
    dice = random.Random(seed)
    folder.mkdir(parents=True)
    sources = [Image.open(file).convert("RGB") for file in sorted(SAMPLES.glob("*.jpg"))]
    for number in range(count):
        image = dice.choice(sources)
        left, top = (dice.uniform(0, 0.2) * side for side in image.size)
        box = (left, top, image.width - left / 2, image.height - top / 2)
        made = image.resize(size, Image.Resampling.BILINEAR, box=box)
        made.putpixel((0, 0), tuple(dice.randrange(256) for _ in range(3)))
        made.save(folder / f"{number:06}.jpg", quality=88)


def photos(count: int, size: tuple[int, int]) -> dict[str, Any]:
    """Indexing, its parts, and its peers, in pictures a second."""
    from polysee.inference import load
    from polysee.library import Library

    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "photos"
        make_photos(folder, count, size)
        files = sorted(folder.iterdir())
        clip = load("polysee/align-nano")
        library = Library(Path(top) / "library", clip)
        Library(Path(top) / "warm", clip).index(files[:32])
        seconds = {"index": timed(lambda: library.index(folder))}
        pictures: list[np.ndarray] = []
        seconds["decode"] = timed(lambda: pictures.extend(decode_all(files, clip.recipe)))
        seconds["encode"] = timed(lambda: encode_all(clip, pictures))
        some = files[: min(count, 320)]
        peers = {"transformers_clip": len(some) / timed(lambda: plain_loop(some))}
        if (rclip := rclip_seconds(folder)) is not None:
            peers["rclip"] = count / rclip
    rates = {name: count / taken for name, taken in seconds.items()}
    return {
        "count": count,
        "size": size,
        "pictures_a_second": rates | peers,
        "of_both": seconds["index"] / (seconds["decode"] + seconds["encode"]),
        "over_clip": rates["index"] / peers["transformers_clip"],
        "dtype": getattr(clip, "dtype", None) and str(clip.dtype),
        "cores": os.cpu_count(),
    }


def timed(work: Callable[[], object]) -> float:
    """Seconds that some work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def decode_all(files: Sequence[Path], recipe: Any) -> list[np.ndarray]:
    """What an index decodes, in its worker processes, on all cores."""
    from polysee.library.reading import Read, read
    from polysee.media.scan import Found

    def one(file: Path) -> np.ndarray:
        status = file.stat()
        found = read(Found(str(file), status.st_size, status.st_mtime_ns), recipe, set())
        assert isinstance(found, Read)
        assert found.content is not None
        return found.content.picture

    with ThreadPoolExecutor(max(2, min(8, os.cpu_count() or 2))) as pool:
        return list(pool.map(one, files))


def encode_all(clip: Any, pictures: Sequence[np.ndarray]) -> None:
    """Decoded pictures to vectors."""
    for start in range(0, len(pictures), 32):
        clip.embed_pictures(np.stack(pictures[start : start + 32]))


def plain_loop(files: Sequence[Path]) -> None:
    """What a person writes with `transformers`: open, process, encode, in batches."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    model = CLIPModel(CLIPConfig()).eval()  # its defaults are ViT-B/32
    process = CLIPImageProcessor()
    with torch.inference_mode():
        for start in range(0, len(files), 32):
            images = [Image.open(file).convert("RGB") for file in files[start : start + 32]]
            model.get_image_features(**process(images=images, return_tensors="pt"))


def rclip_seconds(folder: Path) -> float | None:
    """How long rclip takes to index a folder; None where it is not installed, or has no weights."""
    program = shutil.which("rclip")
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as data:
        began = time.perf_counter()
        environment = {**os.environ, "RCLIP_DATADIR": data}
        done = subprocess.run(
            [program, "-t", "1", "cat"], cwd=folder, env=environment, capture_output=True
        )
        return time.perf_counter() - began if done.returncode == 0 else None


def fill(
    folder: Path, vectors: np.ndarray, batch: int, model: Any = UNNAMED, thumbnail: int = 0
) -> None:
    """A library of made vectors, and thumbnails of so many random bytes, written in batches."""
    from polysee.library.catalogue import (
        FILES,
        MEDIA,
        Catalogue,
        vector_array,
        vectors_name,
        vectors_schema,
    )

    folder.mkdir(parents=True)
    catalogue = Catalogue(folder)
    schema = vectors_schema(model.id, model.hash, vectors.shape[1])
    hashes = [f"{row:064x}" for row in range(len(vectors))]
    dice = np.random.default_rng(0)
    for start in range(0, len(vectors), batch):
        part = hashes[start : start + batch]
        rows = len(part)
        catalogue.append(
            vectors_name(model.hash),
            schema,
            {"hash": part, "vector": vector_array(vectors[start : start + batch])},
        )
        media: dict[str, list[Any]] = {name: [None] * rows for name in MEDIA.names}
        media |= {"hash": part, "kind": ["image"] * rows, "format": ["JPEG"] * rows}
        media |= {
            "width": [640] * rows,
            "height": [480] * rows,
            "thumbnail": [dice.bytes(thumbnail) for _ in part],
        }
        catalogue.append("media", MEDIA, media)
        paths = [f"/photos/{int(key, 16) % FOLDERS}/{key[-9:]}.jpg".encode() for key in part]
        numbers = {"size": [1] * rows, "mtime_ns": [10**18] * rows}
        catalogue.append("files", FILES, {"path": paths, "hash": part, **numbers})


def search(count: int) -> dict[str, Any]:
    """Warm searches without the model's time, and what they miss of an exact scan."""
    from polysee.inference import load
    from polysee.library import Library

    embedder = load("polysee/align-nano")
    samples = sample_vectors(embedder)
    texts = plain_titles()[: QUERIES + 1]
    prepared = Prepared(embedder, texts, samples[0])
    vectors = make_vectors(samples, count)
    with tempfile.TemporaryDirectory() as top:
        fill(Path(top) / "library", vectors, 50_000, prepared)
        library = Library(Path(top) / "library", prepared)  # type: ignore[arg-type]
        opened = timed(lambda: library.search(texts[0], top=10))
        kinds = {
            name: [run(library, texts, kind, everything) for everything in (False, True)]
            for name, kind in KINDS.items()
        }
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    stored = vectors.astype(np.float16)
    return {
        "vectors": count,
        "size": vectors.shape[1],
        "open_seconds": opened,
        **{name: figures(name, *found, prepared, stored) for name, found in kinds.items()},
        "memory_mib": memory,
    }


def plain_titles() -> list[str]:
    """Titles of the samples, in both languages in turn, that are words for the model and no more."""
    from polysee.library.searching import Query

    rows = titles()
    texts = [row[f"title_{('en', 'zh')[at % 2]}"] for at, row in enumerate(rows)]
    read = [Query.read(text, None, (), None, None, None, 1, 1) for text in texts]
    return [one for one, q in zip(texts, read, strict=True) if (q.wanted, q.dates) == (one, ())]


def run(
    library: Any,
    texts: Sequence[str],
    options: Callable[[str], dict[str, Any]],
    everything: bool,
) -> list[Any]:
    """One search a text; the last text is what is excluded."""
    return [
        (text, library.search(text, top=10, everything=everything, **options(texts[-1])))
        for text in texts[:-1]
    ]


def figures(
    name: str, asked: Sequence[Any], found: Sequence[Any], prepared: Prepared, stored: np.ndarray
) -> dict[str, float]:
    """Times in milliseconds, and recall@10 against the same ranking over a plain scan in float32."""
    from polysee.library.calibration import Sought, load_calibration
    from polysee.library.ranking import keep_out, rank, seek

    calibration = load_calibration(prepared.folder)
    taken, taken_all = (
        1000 * np.array([result.seconds - result.model_seconds for _, result in some])
        for some in (asked, found)
    )
    vectors = stored.astype(np.float32)
    allowed = np.arange(len(stored)) % FOLDERS == 0 if name == "in_folder" else None
    recall, gap = [], []
    for text, result in found:
        wanted = [(1.0, seek(prepared, [text])[0])]
        if name == "picture_and_words":
            wanted.append((1.0, Sought(prepared.image)))
        excluded = keep_out(prepared, result.excluded, text)
        ranking = rank(calibration, vectors, wanted, excluded, allowed=allowed, everything=True)
        rows = [int(hit.hash, 16) for hit in result]
        recall.append(len(set(rows) & set(ranking.best(10).tolist())) / 10)
        gap.append(np.abs([hit.relevance for hit in result] - ranking.relevance[rows]).max())
    return {
        "p50_ms": float(np.median(taken)),
        "p95_ms": float(np.quantile(taken, 0.95)),
        "all_p50_ms": float(np.median(taken_all)),
        "recall_at_10": float(np.mean(recall)),
        "relevance_off_by": float(np.max(gap)),
    }


def large(count: int, size: int) -> dict[str, Any]:
    """The folder of a large library before and after it is put together."""
    from polysee.library.catalogue import Catalogue

    directions = unit(np.random.default_rng(0).normal(size=(200, size)))
    vectors = make_vectors(directions, count)
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "library"
        written = timed(lambda: fill(folder, vectors, batch=512, thumbnail=THUMBNAIL))
        before = bytes_of(folder)
        tidied = timed(Catalogue(folder).sweep)
        after = bytes_of(folder)
    return {
        "pictures": count,
        "write_seconds": written,
        "compaction_seconds": tidied,
        "mib_before": before >> 20,
        "mib": after >> 20,
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def bytes_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def help_seconds() -> dict[str, float]:
    """User time of `polysee --help`."""
    least = float("inf")
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        code = "from polysee.cli.main import main; main()"
        subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, check=True)
        least = min(least, resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)
    return {"help_user_seconds": least}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["photos", "search", "large", "help"])
    parser.add_argument("--count", type=int, action="append")
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--dimensions", type=int, default=384)
    asked = parser.parse_args()
    width, height = map(int, asked.size.split("x"))
    defaults = {"photos": [5000], "search": [20_000, 500_000], "large": [100_000], "help": [1]}
    work: dict[str, Callable[[int], dict[str, Any]]] = {
        "photos": lambda count: photos(count, (width, height)),
        "search": search,
        "large": lambda count: large(count, asked.dimensions),
        "help": lambda _: dict(help_seconds()),
    }
    for count in asked.count or defaults[asked.what]:
        print(json.dumps(work[asked.what](count), indent=2), flush=True)


if __name__ == "__main__":
    main()
