"""Teach a matcher's own eyes what cells of made scenes show: without the tower, which is most of the work.

Shapes: P pictures, G cells, A concepts, D hidden size of the matcher, S text tower's width.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from polysee.datasets.scenes import scene_of
from polysee.datasets.scenes_drawing import draw_scene
from polysee.errors import ConfigError
from polysee.inputs.pixels import PixelRecipe
from polysee.models.matcher import Matcher
from polysee.objectives.matcher import cells_answer
from polysee.training.matcher_data import Group, owners_of_cells, pixels_of, told_of
from polysee.training.matcher_truth import cells_of
from polysee.training.module import make_optimiser, rate_factor
from polysee.training.recipe import Recipe
from polysee.training.recipe_matcher import TrainMatcher
from polysee.training.through_codes import ThroughCodes

if TYPE_CHECKING:
    from polysee.training.matcher import Taught

log = logging.getLogger(__name__)
_FIRST_SEED = 750 * 10**9  # behind those of the matcher's groups
_PICTURES = 32  # a step
_STRAYED, _TIMES = 5, 4  # so many scenes are drawn anew, each so many times, if any are to be
_CODED = 6  # so many more pictures went through codes


def with_eyes(model: Matcher, layers: int) -> Matcher:
    """The matcher, as it is, with eyes that see nothing yet, where it has none.

    Raises:
        ConfigError: it has others.
    """
    if model.config.num_pixel_layers:
        if model.config.num_pixel_layers != layers:
            raise ConfigError(
                f"num_pixel_layers is {model.config.num_pixel_layers} there, not {layers}"
            )
        return model
    new = Matcher(replace(model.config, num_pixel_layers=layers))
    left_out = new.load_state_dict(model.state_dict(), strict=False)
    assert not left_out.unexpected_keys
    return new


def learn_to_see(
    taught: Taught,
    names: torch.Tensor,
    recipe: Recipe,
    task: TrainMatcher,
    pixels: PixelRecipe,
    codes: ThroughCodes | None,
) -> None:
    """Train the eyes alone, `task.eyes_steps` long, to say what the rest of the matcher understands.

    Tower and eyes are halved at the end, so that together they say as much as either did. Eyes that had learnt to see
    before were halved then, and the tower with them.

    Args:
        names: (languages, A, S), of all concepts.
    """
    matcher = taught.matcher
    eyes = matcher.eyes
    if not task.eyes_steps:
        return
    if eyes is None:
        raise ConfigError("eyes_steps without num_pixel_layers: there are no eyes that could learn")
    before = any(bool(p.any()) for p in eyes[-1].parameters())
    if before:
        _scale(eyes[-1], 2.0)
    learning = nn.ModuleDict({"eyes": eyes, "colour": taught.colour, "count": taught.count})
    learning.register_parameter("nothing", taught.nothing)
    optimiser = make_optimiser(learning, recipe.optimiser)
    rates = [group["lr"] for group in optimiser.param_groups]
    strayed = _STRAYED if codes is not None and task.strayed else 0
    matcher.eval()
    eyes.train()
    for step in range(task.eyes_steps):
        factor = rate_factor(step, recipe.optimiser, task.eyes_steps)
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = factor * rate
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16-mixed"):
            shown, answers = _batch(
                recipe.seed, step, pixels, codes, matcher.config.grid_size, strayed
            )
            with torch.no_grad():
                asked = matcher.named(names[step % len(names)])  # (A, D)
            asked = torch.cat([asked, taught.nothing[None]]).expand(len(shown), -1, -1)
            cells = matcher.among(eyes(shown).flatten(2).mT)
            said = {
                "concept": matcher.sought(cells, asked).mT,
                "colour": taught.colour(cells),
                "count": taught.count(cells),
            }
        loss = torch.stack([cells_answer(v.float(), answers[k]) for k, v in said.items()]).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 50 == 0:
            log.info("eyes: step %d of %d, loss %.3f", step, task.eyes_steps, loss.item())
    matcher.zero_grad()
    _scale(eyes[-1], 0.5)
    if not before:
        _scale(matcher.map[-1], 0.5)
    matcher.train()


@torch.no_grad()
def _scale(layer: nn.Module, factor: float) -> None:
    for parameter in layer.parameters():
        parameter.mul_(factor)


def _batch(
    seed: int,
    step: int,
    recipe: PixelRecipe,
    codes: ThroughCodes | None,
    grid_size: int,
    strayed: int,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Pictures of new scenes of training, as the eyes see them, and what is true of their cells.

    Args:
        strayed: of how many scenes some codes are drawn anew, each `_TIMES` times.
    """
    first = _FIRST_SEED + seed * 10**9 + step * _PICTURES
    count = _PICTURES - strayed * (_TIMES - 1)
    seeds = range(first, first + count)
    scenes = [scene_of("training", one) for one in seeds]
    drawn = [draw_scene(scene, one) for scene, one in zip(scenes, seeds, strict=True)]
    pictures = np.stack([one.image for one in drawn])
    owners = np.stack([owners_of_cells(one.owners, grid_size) for one in drawn])
    if codes is not None:
        coded = slice(strayed, strayed + _CODED)
        pictures[coded] = codes(pictures[coded])
    if codes is not None and strayed:
        told = [told_of(scene, one) for scene, one in zip(scenes[:strayed], seeds, strict=False)]
        astray = codes.astray(scenes[:strayed], drawn[:strayed], told, first, _TIMES)
        pictures = np.concatenate([astray, pictures[strayed:]])
        times = [_TIMES] * strayed + [1] * (count - strayed)
        scenes = [scene for scene, n in zip(scenes, times, strict=True) for _ in range(n)]
        owners = owners.repeat(times, 0)
    shown = F.avg_pool2d(pixels_of(pictures, recipe), 2)
    return shown, cells_of([Group(first, tuple(scenes), ())], owners[None])
