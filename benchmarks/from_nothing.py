"""What align-nano's pretrained parts are worth: the same two towers from fresh weights, on the same pictures.

    python -m benchmarks.from_nothing [--epochs 4] [--side 128]

EfficientNet-Lite2 and the small BERT get fresh weights; the tokenizer stays. They learn from the pictures that
`recipes/align-nano/2-see.yaml` learns from (Flickr8k, the COCO subset, VOC, part of Tiny ImageNet), with the same
sentences in both languages, by `polysee finetune clip --method full` as anyone would run it. Then Flickr8k's and
Caltech-101's validation parts, as in align-nano's card. No ImageNet weights, no text teacher. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from polysee.checkpoints.bundled import bundled_folder
from polysee.checkpoints.folder import TOKENIZER, load_folder, save_folder
from polysee.datasets.pictures import captioned_pictures
from polysee.models.align import Align
from polysee.training.recipe import See, read_recipe

RECIPE = Path(__file__).parents[1] / "recipes" / "align-nano" / "2-see.yaml"
RETRIEVAL = ("eval", "retrieval", "--data", "captions/flickr8k/validation.parquet", "--captions")
ZERO_SHOT = ("eval", "zero-shot", "--data", "photos/caltech-101/validation.parquet", "--labels")
EVALUATIONS = {
    "flickr8k_en": (*RETRIEVAL, "captions_en"),
    "flickr8k_zh": (*RETRIEVAL, "captions_zh"),
    "caltech_en": (*ZERO_SHOT, "label_en"),
    "caltech_zh": (*ZERO_SHOT, "label_zh"),
}


def write_fresh(folder: Path, side: int) -> None:
    """The bundled model's shape with fresh weights, for pictures of `side` pixels."""
    bundled = bundled_folder("polysee/align-nano")
    known, card = load_folder(bundled)
    assert isinstance(known, Align)
    torch.manual_seed(0)
    # Statistics move ten times as fast as where hundreds of thousands of steps follow.
    image = replace(known.config.image, norm_momentum=0.1)
    model = Align(replace(known.config, image=image, classes=0, class_rank=0))
    pixels = replace(card.pixels, image_size=side, side=None)
    save_folder(folder, model, replace(card, pixels=pixels, origin="fresh weights"), half=False)
    shutil.copy(bundled / TOKENIZER, folder)


def write_pictures(path: Path) -> int:
    """A parquet of pictures, each with all of its sentences; returns how many pictures."""
    recipe = read_recipe(RECIPE)
    assert isinstance(recipe.task, See)
    pictures = captioned_pictures(recipe.seed, recipe.task.tiny_pictures)
    columns = {
        "image": [picture.image for picture in pictures],
        "captions": [[*picture.english, *picture.chinese] for picture in pictures],
    }
    pq.write_table(pa.table(columns), path)
    return len(pictures)


def run(*arguments: str) -> dict[str, Any]:
    """One command; what it prints."""
    command = [sys.executable, "-c", "from polysee.cli.main import main; main()", *arguments]
    done = subprocess.run(
        [*command, "--json"], stdout=subprocess.PIPE, encoding="utf-8", check=True
    )
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--rate", type=float, default=1e-3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        fresh, data, out = (Path(home) / name for name in ("fresh", "pictures.parquet", "model"))
        write_fresh(fresh, given.side)
        found: dict[str, Any] = {"pictures": write_pictures(data), "side": given.side}
        started = time.perf_counter()
        trained = run(
            "finetune", "clip", "--model", str(fresh), "--data", str(data), "--captions", "captions",
            "--method", "full", "--batch-size", "96", "--epochs", str(given.epochs), "--rate", str(given.rate),
            "--held-out", "0.02", "--out", str(out),
        )  # fmt: skip
        found |= {"steps": trained["steps"], "seconds": round(time.perf_counter() - started)}
        for name, arguments in EVALUATIONS.items():
            found[name] = run(*arguments, "--model", str(out))
            print(name, found[name], file=sys.stderr, flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
