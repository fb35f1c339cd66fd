"""Put a trained run's model where the package carries it, as float16.

python -m recipes.bundle align-nano-3-read align-nano
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace

from polysee.checkpoints.bundled import BUNDLED
from polysee.checkpoints.folder import TOKENIZER, WEIGHTS, load_folder, save_folder
from polysee.training.folders import start_folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="a run's name, or a model folder")
    parser.add_argument("name", help="the bundled model's name, without polysee/")
    parser.add_argument("--revision", default="1")
    arguments = parser.parse_args()
    source, target = start_folder(arguments.run), BUNDLED / arguments.name
    model, card = load_folder(source)
    save_folder(target, model, replace(card, revision=arguments.revision))
    if (source / TOKENIZER).exists():
        shutil.copy(source / TOKENIZER, target / TOKENIZER)
    size = (target / WEIGHTS).stat().st_size / 1e6
    count = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    print(f"{target}: {count:.2f} M parameters, {size:.1f} MB")


if __name__ == "__main__":
    main()
