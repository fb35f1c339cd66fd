"""Twins, drawn, and what a frozen image tower says of them: computed once, and kept.

Shapes: N groups, K pictures of each, C channels, Y/X rows/columns of the map, G = Y X cells.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image

from polysee.checkpoints.openvino import compiled, openvino_is_installed
from polysee.datasets.scenes import Scene, Split, scene_of
from polysee.datasets.scenes_drawing import IMAGE_SIZE, Drawing, draw_scene
from polysee.datasets.scenes_twins import FACTS, Fact, twin
from polysee.datasets.scenes_words import LANGUAGES, describe, styled
from polysee.datasets.tables import runs_folder
from polysee.inputs.pixels import PixelRecipe
from polysee.models.efficientnet import EfficientNet
from polysee.models.matcher import tower_map
from polysee.training.through_codes import ThroughCodes

log = logging.getLogger(__name__)
Read = Callable[[torch.Tensor], torch.Tensor]
"""Pixels to a map of what is where."""

GROUP = 4
_CHUNK = 32  # groups
_TOGETHER = 12  # groups that are drawn at once
_CELL = 8  # pixels a side by which it is told whose a cell is
_PAINTED = 0.7  # the chance to pass over a scene in which nothing has a colour of ours
_RARE: dict[Fact, float] = {"relation": 2, "count": 3, "colour": 4, "thing": 4}


@dataclass(frozen=True)
class Group:
    """Scenes that are drawn from one seed, and in which facts the twins differ from the first.

    Args:
        blurred: whether all of them go through codes and back; `strayed`: whether some of those codes are drawn anew;
            `drawn`: whether all of them are, one after the other, as in drawings.
    """

    seed: int
    scenes: tuple[Scene, ...]
    facts: tuple[Fact, ...]
    blurred: bool = False
    strayed: bool = False
    drawn: bool = False


@dataclass(frozen=True)
class Shown:
    """Groups, as the tower sees them.

    Attributes:
        maps: (N, K, C, Y, X) float16.
        owners: (N, K, G) int8, the number of the thing that is most of a cell; -1 for none.
    """

    groups: list[Group]
    maps: np.ndarray
    owners: np.ndarray


def training_groups(
    first: int, count: int, blurred: float, strayed: float, drawn: float = 0.0
) -> list[Group]:
    """A scene, two twins of it, and another scene; none holds a fact that is kept for validation or test.

    Facts that few scenes have are changed more often than their share.

    Args:
        blurred: the share of groups that go through codes and back; `drawn`: of those, that are drawn; `strayed`: of
            the others, that some are drawn anew of.
    """
    made = []
    for i in range(count):
        group = _training_group(first + i, first + count + i)
        draw = random.Random(f"blurred-{group.seed}")
        goes, strays, whole = (draw.random() < share for share in (blurred, strayed, drawn))
        strays = goes and strays and not whole
        made.append(replace(group, blurred=goes, strayed=strays, drawn=goes and whole))
    return made


def _training_group(seed: int, other: int) -> Group:
    draw = random.Random(f"twins-{seed}")
    scene = scene_of("training", seed)
    while draw.random() < _PAINTED and not any(thing.colour for thing in scene.things):
        scene = scene_of("training", f"{seed}-{draw.random()}")
    scenes, facts = [scene], []
    while len(scenes) < 3:
        fact = draw.choices(FACTS, [_RARE[f] * (0.2 if f in facts else 1) for f in FACTS])[0]
        changed = twin(scene, fact, draw)
        if changed is not None and changed.split == "training" and changed not in scenes:
            scenes.append(changed)
            facts.append(fact)
        elif draw.random() < 0.02:  # none of its twins belongs to training
            scene = scene_of("training", f"{seed}-{draw.random()}")
            scenes, facts = [scene], []
    scenes.append(scene_of("training", other))
    return Group(seed, tuple(scenes), tuple(facts))


def pairs(fact: Fact, split: Split, first: int, count: int) -> list[Group]:
    """Scenes of combinations that are held out, each with a twin that differs in a fact of one kind.

    The twin may hold nothing that is held out, or what is held out for the same use.
    """
    found: list[Group] = []
    seed = first
    while len(found) < count:
        scene = scene_of(split, seed)
        other = twin(scene, fact, random.Random(f"pair-{fact}-{seed}"))
        if other is not None and other.split in (split, "training"):
            found.append(Group(seed, (scene, other), (fact,)))
        seed += 1
    return found


def pixels_of(pictures: np.ndarray, recipe: PixelRecipe) -> torch.Tensor:
    """Shapes: pictures (K, Y, X, 3) uint8 of any size, returns (K, 3, Y, X)."""
    return recipe.normalise(np.stack([recipe.resize(Image.fromarray(one)) for one in pictures]))


def reader(tower: EfficientNet, cuts: tuple[int, int], size: int, *, fast: bool = True) -> Read:
    """`models.matcher.tower_map`, through OpenVINO where it is installed: on a CPU several times as fast."""

    class Map(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tower = tower

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return tower_map(self.tower, pixels, cuts)

    @functools.cache
    def ready() -> Read:  # once something is read that was not kept
        return compiled(Map().eval(), [torch.zeros(1, 3, size, size)], [(-1, 3, size, size)])

    @torch.inference_mode()
    def read(pixels: torch.Tensor) -> torch.Tensor:
        if fast and openvino_is_installed():
            return ready()(pixels)
        return tower_map(tower, pixels, cuts)

    return read


def shown(
    groups: Sequence[Group], read: Read, recipe: PixelRecipe, codes: ThroughCodes | None
) -> Shown:
    """Draw groups and read them."""
    maps, owners = [], []
    made = [
        [draw_scene(scene, group.seed, IMAGE_SIZE) for scene in group.scenes] for group in groups
    ]
    for drawn, pictures in zip(made, _pictures(groups, made, codes), strict=True):
        found = read(pixels_of(pictures, recipe))
        maps.append(found.half().numpy())
        owners.append(np.stack([owners_of_cells(d.owners, found.shape[-1]) for d in drawn]))
    return Shown(list(groups), np.stack(maps), np.stack(owners))


def _pictures(
    groups: Sequence[Group], made: Sequence[Sequence[Drawing]], codes: ThroughCodes | None
) -> list[np.ndarray]:
    """The pictures of each group, as they are or on their way through codes."""
    found = [np.stack([one.image for one in drawn]) for drawn in made]
    if codes is None:
        return found
    told = [[told_of(scene, group.seed) for scene in group.scenes] for group in groups]
    for i, group in enumerate(groups):
        if group.strayed:
            found[i] = codes.astray(group.scenes, made[i], told[i], group.seed)
        elif group.blurred and not group.drawn:
            found[i] = codes(found[i])
    whole = [i for i, group in enumerate(groups) if group.drawn]
    for start in range(0, len(whole), _TOGETHER):
        some = whole[start : start + _TOGETHER]
        scenes = [scene for i in some for scene in groups[i].scenes]
        drawn = [one for i in some for one in made[i]]
        texts = [text for i in some for text in told[i]]
        pictures = codes.anew(scenes, drawn, texts, groups[some[0]].seed)
        for i, its in zip(some, np.split(pictures, len(some)), strict=True):
            found[i] = its
    return found


def told_of(scene: Scene, seed: int) -> str:
    """A sentence about a scene, as what draws reads it; of one seed all are in one language."""
    language = random.Random(f"drawn-{seed}").choice(LANGUAGES)
    return styled(describe(scene, language, seed, 1.0), scene.style)


def kept(
    groups: Sequence[Group], read: Read, recipe: PixelRecipe, codes: ThroughCodes | None, about: str
) -> Shown:
    """`shown`, or what was kept of it.

    Args:
        about: the hashes of the models, and whatever else the maps depend on; how scenes are drawn is seen from the
            first of them.
    """
    digest = hashlib.sha256(repr((about, recipe, list(groups))).encode())
    for group in groups[:_CHUNK]:
        digest.update(draw_scene(group.scenes[0], group.seed, IMAGE_SIZE).image.tobytes())
    folder = runs_folder() / "cache" / f"twins-{digest.hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    maps: np.ndarray | None = None
    owners: np.ndarray | None = None
    for start, some in _chunks(groups):
        path = folder / f"{start}.npz"
        if not path.exists():
            made = shown(some, read, recipe, codes)
            partial = path.with_suffix(".part.npz")
            np.savez(partial, maps=made.maps, owners=made.owners)
            partial.replace(path)
            log.info("twins: %d of %d groups", start + len(some), len(groups))
        with np.load(path) as part:
            if maps is None or owners is None:
                maps = np.empty((len(groups), *part["maps"].shape[1:]), np.float16)
                owners = np.empty((len(groups), *part["owners"].shape[1:]), np.int8)
            maps[start : start + len(some)] = part["maps"]
            owners[start : start + len(some)] = part["owners"]
    assert maps is not None
    assert owners is not None
    return Shown(list(groups), maps, owners)


def _chunks(groups: Sequence[Group]) -> Iterator[tuple[int, Sequence[Group]]]:
    for start in range(0, len(groups), _CHUNK):
        yield start, groups[start : start + _CHUNK]


def owners_of_cells(owners: np.ndarray, cells: int) -> np.ndarray:
    """Whose most of each cell is, if a quarter is anybody's.

    Shapes:
        owners: (Y, X) uint8, from 1 on; 0 for none
        returns: (G,) int8, from 0 on; -1 for none
    """
    side = _CELL * cells
    places = np.arange(side) * len(owners) // side
    sized = owners[np.ix_(places, places)].reshape(cells, _CELL, cells, _CELL)
    things = range(1, max(2, int(owners.max()) + 1))
    counts = np.stack([(sized == i).sum((1, 3)).ravel() for i in things])  # (things, G)
    seen = counts.max(0) * 4 >= _CELL**2
    return np.where(seen, counts.argmax(0), -1).astype(np.int8)
