"""Train a DALL-E on made scenes and sentences about them.

Shapes: B batch, T tokens, P places of a layout, N codes of a picture.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer as Backend
from torch.nn import functional as F

from polysee.checkpoints.folder import TOKENIZER, Card, load_folder, save_folder, shown_name
from polysee.datasets.scenes import Scene, scene_of, scenes_of
from polysee.datasets.scenes_drawing import draw_scene
from polysee.datasets.scenes_layout import Placement
from polysee.datasets.scenes_layout_tokens import layout_tokens, scene_layouts
from polysee.datasets.scenes_words import LANGUAGES, Language, describe, styled
from polysee.errors import ConfigError
from polysee.inputs.pixels import PixelRecipe
from polysee.inputs.tokenizer import Tokenizer, train_bpe
from polysee.models.dalle import Dalle, DalleConfig
from polysee.models.dvae import Dvae, DvaeConfig
from polysee.models.layout import LayoutConfig
from polysee.objectives.dalle import LAYOUT_WEIGHT, layout_tokens_loss, text_and_picture
from polysee.training.dvae import VALIDATION_SEED
from polysee.training.folders import start_folder
from polysee.training.layouts import looks_of_things, tints_of_things
from polysee.training.parts import WHOLE, Part
from polysee.training.recipe import Recipe
from polysee.training.recipe_drawing import TrainDalle
from polysee.training.start_vectors import start_vectors

DEVIATION = 0.02  # of fresh embeddings, as everywhere in the model
_TOKENIZER_SEED = 500_000
_LAYOUT_SEEDS = 5 * 10**8  # behind those of the pictures


class DalleTask:
    """Every picture is drawn for its step, told in one of the two languages, and never seen again."""

    def __init__(self, recipe: Recipe, task: TrainDalle) -> None:
        self.recipe, self.task = recipe, task
        folder = start_folder(task.start)
        found, card = load_folder(folder)
        self.pixels = card.pixels
        if isinstance(found, Dalle):
            self.tokenizer = Tokenizer.load(folder / TOKENIZER, found.config.context_length)
            self.model = found
        elif isinstance(found, Dvae) and isinstance(found.config, DvaeConfig):
            self.tokenizer = Tokenizer(_vocabulary(task), task.context_length)
            self.model = _fresh(task, found, self.tokenizer.backend)
        else:
            raise ConfigError(f"{folder}: neither a discrete VAE with levels nor a DALL-E")
        if task.layouts:
            self.model = _with_tints(_with_layouts(self.model, card.pixels), card.pixels)
        self.model.dvae.requires_grad_(False)
        self.seeds = range(VALIDATION_SEED, VALIDATION_SEED + task.validation_pictures)
        self.held_out = scenes_of("validation", self.seeds, task.style)
        pixels, self.held_out_things, self.held_out_layouts = self._drawn(self.held_out, self.seeds)
        self.held_out_codes = torch.cat([self.codes_of(part) for part in pixels.split(32)])

    def batch(self, step: int) -> dict[str, torch.Tensor]:
        """Scenes of training; their seeds are the numbers of the pictures."""
        return self.batch_part(step, WHOLE)

    def batch_part(self, step: int, part: Part) -> dict[str, torch.Tensor]:
        """One process's part of `batch`."""
        first = self.recipe.seed * 10**9 + step * self.recipe.batch_size
        seeds = part.rows(range(first, first + self.recipe.batch_size))
        scenes = [self._scene(seed) for seed in seeds]
        texts, told, laid = [], [], []
        for scene, seed in zip(scenes, seeds, strict=True):
            draw = np.random.default_rng([self.recipe.seed, seed])
            texts.append(self._text(scene, seed, draw))
            told.append(draw.random() >= self.task.unconditional)
            laid.append(told[-1] and draw.random() >= self.task.unconditional)
        tokens, mask = self.tokenizer(texts)
        mask = mask & torch.tensor(told)[:, None]
        pixels, things, layout = self._drawn(scenes, seeds)
        weight = 1 + (self.task.things - 1) * things
        layout = layout * torch.tensor(laid)[:, None]
        return {
            "tokens": tokens,
            "mask": mask,
            "pixels": pixels,
            "weight": weight,
            "layout": layout,
            **self._layouts_alone(step, part),
        }

    def losses(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        tokens, mask = batch["tokens"], batch["mask"]
        codes = self.codes_of(batch["pixels"])
        guess = self.model(tokens, mask, codes, batch["layout"])
        losses = text_and_picture(guess.text, guess.codes, tokens, mask, codes, batch["weight"])
        if guess.layout is not None:
            logits, layout = guess.layout, batch["layout"]
            if "more_layout" in batch:
                more = batch["more_tokens"], batch["more_mask"], batch["more_layout"]
                logits = torch.cat([logits, self.model.guess_layout(*more)])
                layout = torch.cat([layout, batch["more_layout"]])
            losses["layout"] = LAYOUT_WEIGHT * layout_tokens_loss(logits, layout)
        return losses

    @torch.no_grad()
    def codes_of(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, C, Y, X) to (B, N), always in single precision: what is guessed does not depend on the run's."""
        with torch.autocast(pixels.device.type, enabled=False):
            return self.model.encode_image(pixels)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The cross-entropy of the codes of new combinations, in nats a code, told in full in each language.

        Beside it stands what it is without a text: how much the words help; and each for the codes of things alone. Of
        a model that lays pictures out first, the true layout stands before the codes, and its cross-entropy is another
        figure, in nats a token.
        """
        found = {}
        things = self.held_out_things
        for language in (*LANGUAGES, None):
            texts = [
                styled(describe(scene, language or "english", seed, 1.0), scene.style)
                for scene, seed in zip(self.held_out, self.seeds, strict=True)
            ]
            parts = [
                self._validate(texts, rows, told=language is not None)
                for rows in np.array_split(np.arange(len(texts)), -(-len(texts) // 16))
            ]
            name = f"validation_{language or 'without_text'}"
            loss = torch.cat([codes for codes, _ in parts])
            found[name] = loss.mean().item()
            found[f"{name}_things"] = ((loss * things).sum() / things.sum()).item()
            if self.model.layout is not None and language:
                found[f"{name}_layout"] = torch.stack([layout for _, layout in parts]).mean().item()
        return found

    def _validate(
        self, texts: list[str], rows: np.ndarray, *, told: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The cross-entropy of some pictures' codes (any, N), and the mean one of their layouts."""
        device = self.model.code_output.weight.device
        tokens, mask = (x.to(device) for x in self.tokenizer([texts[i] for i in rows]))
        codes, layout = (x[rows].to(device) for x in (self.held_out_codes, self.held_out_layouts))
        guess = self.model(tokens, mask & told, codes, layout * told)
        loss = F.cross_entropy(guess.codes.movedim(2, 1), codes, reduction="none").cpu()
        if guess.layout is None:
            return loss, torch.zeros(())
        return loss, layout_tokens_loss(guess.layout, layout).cpu()

    def save(self, folder: Path) -> None:
        """Write the model folder: VAE, Transformer and tokenizer."""
        origin = f"{self.recipe.name}: on made scenes, from {shown_name(self.task.start)}"
        save_folder(
            folder, self.model, Card(self.pixels, licence="Apache-2.0", origin=origin), half=False
        )
        self.tokenizer.save(folder / TOKENIZER)

    def _scene(self, seed: int) -> Scene:
        """The scene of a seed, or one of a single thing in its place, or a difficult one."""
        style, share = self.task.style, np.random.default_rng([self.recipe.seed, seed, 1]).random()
        others = (scene_of("training", f"{seed}-{i}", style) for i in itertools.count())
        if share < self.task.alone:
            return next(s for s in others if len(s.things) == 1 and s.things[0].count == 1)
        if share < self.task.alone + self.task.difficult:
            return next(s for s in others if _is_difficult(s))
        return scene_of("training", seed, style)

    def _text(self, scene: Scene, seed: int, draw: np.random.Generator) -> str:
        """A sentence about a scene in either language; now and then the style is left to the model."""
        language: Language = LANGUAGES[int(draw.integers(2))]
        style = scene.style if draw.random() < 0.9 else None
        return styled(describe(scene, language, seed, self.task.detail), style)

    def _layouts_alone(self, step: int, part: Part) -> dict[str, torch.Tensor]:
        """Sentences of which only the layout is shown, about scenes of no picture's seeds; nothing without them."""
        config, count = self.model.config.layout, self.task.more_layouts
        if config is None or not count:
            return {}
        first = self.recipe.seed * 10**9 + _LAYOUT_SEEDS + step * count
        texts, layouts = [], []
        for seed in part.rows(range(first, first + count)):
            draw = np.random.default_rng([self.recipe.seed, seed])
            crowded = draw.random() < 0.5
            scenes = (
                scene_of("training", f"{seed}-{i}", self.task.style) for i in itertools.count()
            )
            scene = next(scene for scene in scenes if len(scene.things) > 2 or not crowded)
            pieces = Placement(scene, random.Random(f"layout-{seed}")).pieces
            texts.append(self._text(scene, seed, draw))
            layouts.append(layout_tokens(scene, pieces, config))
        tokens, mask = self.tokenizer(texts)
        layout = torch.from_numpy(np.stack(layouts))
        return {"more_tokens": tokens, "more_mask": mask, "more_layout": layout}

    def _drawn(
        self, scenes: Sequence[Scene], seeds: Sequence[int]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Draw the scenes.

        Shapes:
            returns: normalised pixels (B, C, Y, X); the share of each code's patch that things cover, (B, N); the
                layouts, (B, P), which say nothing where the model reads none
        """
        size, grid = self.model.config.dvae.image_size, self.model.config.dvae.grid_size
        drawn = [draw_scene(*both, size) for both in zip(scenes, seeds, strict=True)]
        seen = torch.from_numpy(np.stack([d.seen for d in drawn])).float()
        pixels = self.pixels.normalise(np.stack([d.image for d in drawn]))
        layout = self.model.no_layout(len(scenes), torch.device("cpu"))
        if config := self.model.config.layout:
            told = [layout_tokens(s, d.pieces, config) for s, d in zip(scenes, drawn, strict=True)]
            layout = torch.from_numpy(np.stack(told))
        return pixels, F.avg_pool2d(seen, size // grid).flatten(1), layout


def _is_difficult(scene: Scene) -> bool:
    """Whether something in it is small, worn or partly hidden, or has to be painted."""
    things = scene.things
    if len(things) > 2 or any(thing.colour or thing.size == "small" for thing in things):
        return True
    if len(things) > 1 and any(thing.count > 1 for thing in things):
        return True
    return any(
        relation.kind in ("wearing", "holding", "in front of") for relation in scene.relations
    )


def _vocabulary(task: TrainDalle) -> Backend:
    seeds = range(_TOKENIZER_SEED, _TOKENIZER_SEED + task.tokenizer_scenes)
    texts = [
        text for seed in seeds for text in _texts(scene_of("training", seed, task.style), seed)
    ]
    return train_bpe(texts, task.vocab_size)


def _fresh(task: TrainDalle, dvae: Dvae, backend: Backend) -> Dalle:
    assert isinstance(dvae.config, DvaeConfig)
    config = DalleConfig(
        dvae.config, backend.get_vocab_size(), task.context_length, task.hidden_size,
        task.num_layers, task.num_heads, task.mlp_size, task.patterns, task.last_pattern, task.reach,
        task.dropout,
    )  # fmt: skip
    model = Dalle(config)
    model.dvae.load_state_dict(dvae.state_dict())
    with torch.no_grad():
        for weight in (model.code.weight, model.code_output.weight):
            weight.copy_(DEVIATION * vectors_by_level(dvae.config.levels, task.hidden_size))
        if task.start_vectors:
            meant = start_vectors(start_folder(task.start_vectors), backend, task.hidden_size)
            model.token.weight.copy_(DEVIATION * task.hidden_size**0.5 * meant)
    return model


def _with_layouts(model: Dalle, pixels: PixelRecipe) -> Dalle:
    """The model, as it is, with layouts between text and picture where it has none, of which it knows nothing yet but
    what things look like."""
    if model.layout is not None:
        return model
    grid, config = model.config.dvae.grid_size, scene_layouts()
    sizes = tuple(size for size in config.sizes if size <= grid)
    new = _grown(model, replace(config, sizes=sizes, tinted=()))
    assert new.layout is not None
    with torch.no_grad():
        new.layout.project.weight.zero_()  # a place says nothing at first
        looks = looks_of_things(new.layout.config, model.dvae, pixels)
        new.layout.appearance.weight.copy_(looks)
    return new


def _with_tints(model: Dalle, pixels: PixelRecipe) -> Dalle:
    """The model, knowing what things look like in colours that are not their own, in place of what it had learnt of
    colours, where it did not know it."""
    assert model.layout is not None
    if model.layout.config.tinted:
        return model
    new = _grown(model, replace(model.layout.config, tinted=scene_layouts().tinted))
    assert new.layout is not None
    with torch.no_grad():
        known, maps = tints_of_things(new.layout.config, model.dvae, pixels)
        new.layout.tint.weight.copy_(known)
        new.layout.tints.weight.copy_(maps)
        # What looks painted is drawn as it looks, and not painted a second time.
        new.layout.colour.weight.copy_(
            new.layout.colour.weight[:1].expand_as(new.layout.colour.weight)
        )
    return new


def _grown(model: Dalle, layout: LayoutConfig) -> Dalle:
    """The model, with layouts of that kind: what it has of its weights it keeps."""
    new = Dalle(replace(model.config, layout=layout))
    left_out = new.load_state_dict(model.state_dict(), strict=False)
    assert not left_out.unexpected_keys
    return new.eval()


def vectors_by_level(levels: Sequence[int], size: int) -> torch.Tensor:
    """Vectors of codes in which those that share levels are alike: what is learnt of one holds for its neighbours.

    Each level of each axis has a vector by lot, beside one for the axis that is taken as far as the level goes; a
    code's is their sum.

    Shapes:
        returns: (K, size), of variance about one
    Example:
        >>> vectors = vectors_by_level((3, 5), 64)
        >>> bool((vectors[0] - vectors[1]).norm() < (vectors[0] - vectors[2]).norm())
        True
    """
    generator = torch.Generator().manual_seed(0)
    vectors = torch.zeros(math.prod(levels), size)
    place = 1  # what the axis counts in a code; see `models.dvae.FiniteScalarQuantizer`
    for count in levels:
        digits = torch.arange(len(vectors)) // place % count
        along = torch.linspace(-1.5, 1.5, count)[:, None] * torch.randn(size, generator=generator)
        own = 0.5 * torch.randn(count, size, generator=generator)
        vectors += (along + own)[digits]
        place *= count
    return vectors / vectors.std()


def _texts(scene: Scene, seed: int) -> list[str]:
    """Each scene told in both languages, in full and in part."""
    return [
        styled(describe(scene, language, seed, detail), scene.style)
        for language in LANGUAGES
        for detail in (0.5, 1.0)
    ]
