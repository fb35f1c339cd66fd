"""Put a trained run's model where the package carries it, as float16.

python -m recipes.bundle align-nano-3-read align-nano
python -m recipes.bundle dalle-nano-on dalle-nano --dvae dalle-nano-dvae-on
python -m recipes.bundle polysee/scene-matcher scene-matcher --towers align-nano
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import torch

from polysee.checkpoints.bundled import BUNDLED
from polysee.checkpoints.folder import TOKENIZER, WEIGHTS, folder_hash, load_folder, save_folder
from polysee.models.dalle import Dalle
from polysee.models.dvae import Dvae
from polysee.models.matcher import Matcher
from polysee.training.folders import start_folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="a run's name, or a model folder")
    parser.add_argument("name", help="the bundled model's name, without polysee/")
    parser.add_argument("--revision", default="1")
    parser.add_argument(
        "--dvae", help="a run of its VAE's decoder, which takes the place of its own"
    )
    parser.add_argument(
        "--towers",
        help="the bundled model that a matcher reads from here on: its picture tower has to be the same, and what its"
        " text tower says of made scenes held fast in its training (`scenes` in its recipe)",
    )
    arguments = parser.parse_args()
    source, target = start_folder(arguments.run), BUNDLED / arguments.name
    model, card = load_folder(source)
    if arguments.dvae:
        model = with_dvae(model, load_folder(start_folder(arguments.dvae))[0])
    if arguments.towers:
        model = reading(model, BUNDLED / arguments.towers)
    save_folder(target, model, replace(card, revision=arguments.revision))
    if (source / TOKENIZER).exists():
        shutil.copy(source / TOKENIZER, target / TOKENIZER)
    size = (target / WEIGHTS).stat().st_size / 1e6
    count = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    print(f"{target}: {count:.2f} M parameters, {size:.1f} MB")


def with_dvae(model: Dalle, dvae: Dvae) -> Dalle:
    """The DALL-E with this VAE, whose codes have to be those of its own."""
    own = model.config.dvae
    before, after = model.dvae.encoder.state_dict(), dvae.encoder.state_dict()
    if replace(dvae.config, more_layers=own.more_layers) != own or any(
        not torch.equal(before[name].half(), after[name].half()) for name in before
    ):
        raise SystemExit("the VAE has codes of its own: its encoder is another")
    grown = Dalle(replace(model.config, dvae=dvae.config))
    grown.load_state_dict(
        {name: x for name, x in model.state_dict().items() if not name.startswith("dvae.")}
        | {f"dvae.{name}": x for name, x in dvae.state_dict().items()}
    )
    return grown


def reading(matcher: Matcher, towers: Path) -> Matcher:
    """The matcher, reading other towers than it was trained over."""
    other = Matcher(replace(matcher.config, towers=folder_hash(towers)))
    other.load_state_dict(matcher.state_dict())
    return other


if __name__ == "__main__":
    main()
