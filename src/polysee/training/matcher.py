"""Train a matcher on made scenes and their twins.

Shapes: P pictures, in groups of K; N = K sentences asked about each, T tokens, S text tower's width, G cells, D hidden
size of the matcher.
"""

from __future__ import annotations

import logging
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from polysee.checkpoints.folder import (
    Card,
    folder_hash,
    load_folder,
    load_folder_tokenizer,
    save_folder,
    shown_name,
)
from polysee.datasets.scenes import MOST
from polysee.datasets.scenes_spans import describe_with_owners
from polysee.datasets.scenes_truth import COLOUR_NAMES, CONCEPTS
from polysee.datasets.scenes_twins import FACTS
from polysee.datasets.scenes_words import LANGUAGES, Language, describe, name_of
from polysee.errors import ConfigError
from polysee.models.align import Align
from polysee.models.matcher import (
    Heard,
    Matcher,
    MatcherConfig,
    all_agree,
    mean_of_real,
    middle_and_reach,
)
from polysee.objectives.matcher import (
    cells_answer,
    own_among_twins,
    tokens_agree,
    tokens_expect,
    tokens_point,
)
from polysee.training.folders import start_folder
from polysee.training.matcher_data import (
    GROUP,
    Group,
    Shown,
    kept,
    pairs,
    reader,
    training_groups,
)
from polysee.training.matcher_eyes import learn_to_see, with_eyes
from polysee.training.matcher_truth import Told, agreeing, cells_of, pointing, token_owners
from polysee.training.module import make_optimiser
from polysee.training.recipe import Recipe
from polysee.training.recipe_matcher import TrainMatcher
from polysee.training.through_codes import load_through_codes

log = logging.getLogger(__name__)
FIRST_SEED = 700 * 10**9  # no other recipe draws these scenes
VALIDATION_SEED = 4_000_000
_WINDOW = 16  # batches whose groups are sorted by the length of their sentences


class Taught(nn.Module):
    """A matcher, and what teaches it what cells show; that is left behind once it has learnt."""

    def __init__(self, matcher: Matcher) -> None:
        super().__init__()
        self.matcher = matcher
        size = matcher.config.hidden_size
        self.nothing = nn.Parameter(0.1 * torch.randn(size))
        self.colour = nn.Linear(size, len(COLOUR_NAMES))
        self.count = nn.Linear(size, MOST)


class MatcherTask:
    """Which of four sentences is about which of four pictures, where two are twins of the first."""

    def __init__(self, recipe: Recipe, task: TrainMatcher) -> None:
        self.recipe, self.task = recipe, task
        if recipe.batch_size % GROUP or recipe.batch_size > GROUP * task.groups:
            raise ConfigError(
                f"batch_size must be a multiple of {GROUP}, and of {task.groups} groups at most:"
                f" not {recipe.batch_size}"
            )
        folder = start_folder(task.towers)
        towers, card = load_folder(folder)
        if not isinstance(towers, Align) or not towers.config.image.stages:
            raise ConfigError(f"{folder}: not a model of pictures and text with convolutions")
        tokenizer = load_folder_tokenizer(folder, towers.config.text.context_length)
        if tokenizer is None:
            raise ConfigError(f"{folder}: no tokenizer.json")
        self.towers, self.tokenizer = towers.requires_grad_(False), tokenizer
        self.pixels = replace(card.pixels, image_size=task.image_size, side=None)
        self.read = reader(towers.image, task.cuts, task.image_size)
        about = folder_hash(folder)
        blurs = task.blurred_by if task.blurred else None
        self.codes = load_through_codes(blurs) if blurs else None
        self.drawer = folder_hash(start_folder(blurs)) if blurs else ""
        first = FIRST_SEED + recipe.seed * 10**9
        blurred = task.blurred if self.codes else 0.0
        groups = training_groups(first, task.groups, blurred, task.strayed, task.drawn)
        self.shown = self._kept(groups, about)
        held_out = [
            group
            for fact in FACTS
            for group in pairs(fact, "validation", VALIDATION_SEED, task.validation_pairs)
        ]
        self.held_out = self._kept(held_out, about)
        self.names = torch.stack([self._names(language) for language in LANGUAGES])
        self.model = Taught(_earlier(task.start, task, about) if task.start else self._fresh(about))
        self._learn_words(task.words_steps)
        learn_to_see(self.model, self.names, recipe, task, self.pixels, self.codes)
        self._plan: tuple[int, list[np.ndarray]] = (-1, [])

    def batch(self, step: int) -> dict[str, torch.Tensor]:
        """Groups with sentences of like length, worded anew in every epoch."""
        size = self.recipe.batch_size // GROUP
        epoch, number = divmod(step, len(self.shown.groups) // size)
        if self._plan[0] != epoch:
            self._plan = epoch, self._order(epoch, size)
        rows = self._plan[1][number]
        groups, owners = [self.shown.groups[row] for row in rows], self.shown.owners[rows]
        told = [self._told(group, epoch) for group in groups]
        texts = [text for one in told for text in one.texts]
        tokens, mask = self.tokenizer(texts)
        things = token_owners(self.tokenizer, told, tokens.shape[1])
        return {
            "maps": torch.from_numpy(self.shown.maps[rows]).flatten(0, 1).float(),
            "states": self._states(tokens, mask).unflatten(0, (-1, GROUP)),
            "mask": mask.unflatten(0, (-1, GROUP)),
            "alike": torch.tensor([[a == b for b in one.texts] for one in told for a in one.texts]),
            "language": torch.tensor([LANGUAGES.index(one.language) for one in told]),
            "agree": agreeing(groups, tokens, mask, things),
            "places": pointing(things, owners),
            **cells_of(groups, owners),
        }

    def losses(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        matcher, task = self.model.matcher, self.task
        cells = matcher.look(batch["maps"])  # (P, G, D)
        heard = matcher.listen(batch["states"], batch["mask"])  # (groups, K, T, D)
        mask = batch["mask"].repeat_interleave(GROUP, 0)
        each = Heard(*(part.repeat_interleave(GROUP, 0) for part in heard))
        said = matcher.compare(cells, each, mask)
        own = torch.arange(len(cells), device=cells.device)
        found = {
            "twins": own_among_twins(all_agree(said.tokens, mask), batch["alike"]),
            "tokens": task.tokens * tokens_agree(said.tokens, batch["agree"]),
            "places": task.places * tokens_point(said.places[own, own % GROUP], batch["places"]),
            "expected": task.expected
            * tokens_expect(heard.expected.flatten(0, 1), *self._where(batch["places"])),
        }
        names = matcher.named(self.names.to(cells.device))[batch["language"]]  # (groups, A, D)
        none = self.model.nothing.expand(len(names), 1, -1)
        asked = torch.cat([names, none], dim=1).repeat_interleave(GROUP, 0)  # (P, A + 1, D)
        answers = {
            "concept": matcher.sought(cells, asked).mT,
            "colour": self.model.colour(cells),
            "count": self.model.count(cells),
        }
        return found | {k: task.cells * cells_answer(v, batch[k]) for k, v in answers.items()}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The share of pictures whose own sentence is preferred to that of their twin, for each kind of fact."""
        found = {}
        count = self.task.validation_pairs
        for language in LANGUAGES:
            right = self._preferred(language)
            found[f"validation_{language}"] = float(right.mean())
            for number, fact in enumerate(FACTS):
                part = right[number * count : (number + 1) * count]
                found[f"validation_{language}_{fact}"] = float(part.mean())
        return found

    def save(self, folder: Path) -> None:
        """Write the model folder: the matcher alone; the towers stay where they are."""
        start = shown_name(self.task.start) if self.task.start else "fresh weights"
        towers = shown_name(self.task.towers)
        origin = f"{self.recipe.name}: from {start} on made scenes, over {towers}"
        card = Card(self.pixels, licence="Apache-2.0", origin=origin)
        save_folder(folder, self.model.matcher, card)

    def _learn_words(self, steps: int) -> None:
        """Teach where words put their thing, before pictures come in, from groups with things turned round."""
        expect, size = self.model.matcher.expect, self.recipe.batch_size // GROUP
        turned = [row for row, group in enumerate(self.shown.groups) if "relation" in group.facts]
        if not turned:
            return
        draw = np.random.default_rng(self.recipe.seed)
        optimiser = make_optimiser(expect, self.recipe.optimiser)
        for step in range(steps):
            rows = draw.choice(turned, size)
            told = [self._told(self.shown.groups[row], step) for row in rows]
            tokens, mask = self.tokenizer([text for one in told for text in one.texts])
            things = token_owners(self.tokenizer, told, tokens.shape[1])
            where = self._where(pointing(things, self.shown.owners[rows]))
            found = expect(self._states(tokens, mask)[None], mask[None])[0]  # (sentences, T, 4)
            loss = tokens_expect(found, *where)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if step % 100 == 0:
                log.info("words: step %d of %d, loss %.3f", step, steps, loss.item())
        expect.zero_grad()

    def _where(self, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Where the thing of each token is, (P, T, 4), and whether the token is about one, (P, T)."""
        shares = places / places.sum(2, keepdim=True).clamp(min=1)
        where = middle_and_reach(shares, self.model.matcher.config.grid_size)
        return where, places.any(2)

    def _preferred(self, language: Language) -> np.ndarray:
        """Shapes: returns (N, 2) bool, of each picture of each pair."""
        device = self.model.nothing.device
        parts = []
        for rows in np.array_split(np.arange(len(self.held_out.groups)), 8):
            texts = [
                describe(scene, language, group.seed, 1.0)
                for group in (self.held_out.groups[row] for row in rows)
                for scene in group.scenes
            ]
            tokens, mask = self.tokenizer(texts)
            states = self._states(tokens, mask).unflatten(0, (-1, 2)).repeat_interleave(2, 0)
            mask = mask.unflatten(0, (-1, 2)).repeat_interleave(2, 0)
            maps = torch.from_numpy(self.held_out.maps[rows]).flatten(0, 1).float()
            given = (x.to(device) for x in (maps, states, mask))
            scores = self.model.matcher(*given).cpu().unflatten(0, (-1, 2))  # (N, 2, 2)
            parts.append(own_preferred(scores.numpy()))
        return np.concatenate(parts)

    def _kept(self, groups: list[Group], about: str) -> Shown:
        return kept(
            groups, self.read, self.pixels, self.codes, f"{about} {self.drawer} {self.task.cuts}"
        )

    def _fresh(self, about: str) -> Matcher:
        task, maps = self.task, self.shown.maps
        sizes = {
            name: getattr(task, name)
            for name in ("cuts", "image_size", "hidden_size", "num_picture_layers", "num_pixel_layers",
                         "num_text_layers", "num_layers", "num_heads", "mlp_size", "dropout")
        }  # fmt: skip
        text = self.towers.config.text
        config = MatcherConfig(
            about,
            channels=maps.shape[2],
            grid_size=maps.shape[3],
            text_size=text.hidden_size,
            context_length=text.context_length,
            **sizes,
        )
        model = Matcher(config)
        some = maps[:200].astype(np.float32)
        model.map_mean.copy_(torch.from_numpy(some.mean((0, 1, 3, 4))))
        model.map_deviation.copy_(torch.from_numpy(some.std((0, 1, 3, 4)) + 1e-4))
        return model

    @torch.no_grad()
    def _states(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.towers.text(tokens, mask)

    def _names(self, language: Language) -> torch.Tensor:
        """What the text tower makes of every concept's name, (A, S)."""
        tokens, mask = self.tokenizer([name_of(concept, language) for concept in CONCEPTS])
        return mean_of_real(self._states(tokens, mask), mask)

    def _told(self, group: Group, epoch: int) -> Told:
        """The sentences of a group in one language, worded alike."""
        draw = random.Random(f"told-{self.recipe.seed}-{group.seed}-{epoch}")
        language = draw.choice(LANGUAGES)
        # Said in part, "a dog and a cat" is true of both ways round.
        full = "relation" in group.facts or draw.random() < self.task.full
        detail, seed = 1.0 if full else 0.5, f"{group.seed}-{epoch}"
        ground = draw.random() >= self.task.groundless
        said = [
            describe_with_owners(scene, language, seed, detail, ground) for scene in group.scenes
        ]
        return Told(language, [text for text, _ in said], [owners for _, owners in said])

    def _order(self, epoch: int, size: int) -> list[np.ndarray]:
        """The batches of an epoch, groups of like length in each."""
        draw = np.random.default_rng([self.recipe.seed, epoch])
        groups = self.shown.groups
        order = draw.permutation(len(groups))
        length = {
            row: max(
                len(self.tokenizer.encode(text)) for text in self._told(groups[row], epoch).texts
            )
            for row in order.tolist()
        }
        sorted_rows = [
            row
            for start in range(0, len(order), size * _WINDOW)
            for row in sorted(
                order[start : start + size * _WINDOW].tolist(), key=length.__getitem__
            )
        ]
        count = len(groups) // size
        batches = [np.array(sorted_rows[i * size : (i + 1) * size]) for i in range(count)]
        return [batches[i] for i in draw.permutation(count)]


def _earlier(start: str, task: TrainMatcher, about: str) -> Matcher:
    """The matcher to go on from, which must read what the recipe shows."""
    folder = start_folder(start)
    model, _ = load_folder(folder)
    if not isinstance(model, Matcher):
        raise ConfigError(f"{folder}: no matcher of sentences and pictures")
    config = model.config
    if (config.towers, config.cuts, config.image_size) != (about, task.cuts, task.image_size):
        raise ConfigError(
            f"{folder}: it reads other towers, cuts or image_size than those of the recipe"
        )
    return with_eyes(model, task.num_pixel_layers) if task.num_pixel_layers else model


def own_preferred(scores: np.ndarray) -> np.ndarray:
    """Whether each picture of a pair fits its own sentence better than its twin's.

    Shapes:
        scores: (N, 2 pictures, 2 sentences)
        returns: (N, 2) bool
    Example:
        >>> own_preferred(np.array([[[-1.0, -2.0], [-1.0, -2.0]]])).tolist()
        [[True, False]]
    """
    return np.stack([scores[:, 0, 0] > scores[:, 0, 1], scores[:, 1, 1] > scores[:, 1, 0]], 1)
