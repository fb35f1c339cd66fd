"""Draw prompts that training never combined, and let a judge say how much of each is there.

Beside what is drawn, the judge sees true pictures of the same scenes, and what the codes leave of those: so a missed
figure can be laid to the judge, the codes, the Transformer or the reranker.

Shapes: B prompts, N pictures, M things of a scene.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from polysee.datasets.scenes import MOST_THINGS, Scene, Split, scene_of
from polysee.datasets.scenes_drawing import draw_scenes
from polysee.datasets.scenes_truth import NOT_ASKED, truth_of
from polysee.datasets.scenes_words import LANGUAGES, Language, describe
from polysee.errors import ConfigError
from polysee.evaluation.metrics import Interval, wilson
from polysee.inference.drawing import ImageGenerator, Steering
from polysee.inference.judging import SceneJudge
from polysee.inference.matching import SceneMatcher

Progress = Callable[[int, int], None]
"""Called with the prompts done and their total."""

Figures = dict[str, float | None]
"""None where there was nothing to ask."""

_FIRST_SEED = 10**9  # no other scenes of the held-out parts are near
_MOST_PROMPTS = 1_000_000
_WAYS = 20  # to say a prompt
_PATIENCE = 50
_SEEDS = _PATIENCE * _MOST_PROMPTS  # for one evaluation


@dataclass(frozen=True)
class DrawingResult:
    """How faithful drawings are. Each of the figures is a share:

    "present": of drawings, those that show everything asked for; "attribute": of the colours and the numbers above one
    that were asked for, those that are right, of a thing that is there; "relation": likewise of relations.

    Args:
        single: of the first drawing of each prompt; `best`: of the one that the reranker puts first.
        likely: of the one that the drawing model itself finds likeliest; the best, where no matcher is the reranker.
        oracle: of the one that the judge likes best; what a perfect reranker would reach.
        true: of true pictures of the same scenes; `reconstructed`: of those after their way through the codes.
        by_language: as `best`, for each language.
        judge: how often the judge is right about the true pictures, of each kind of question.
        count: of prompts; `of`: how many drawings of each the best was taken from; `reranker`: by whom, None for the
            drawing model itself.
        too_long: how many prompts were passed over, since the model cannot read them to their end.
        intervals: 95 %, of `single`, `likely`, `best`, `oracle`, `true` and `reconstructed`.
    """

    single: Figures
    likely: Figures
    best: Figures
    oracle: Figures
    true: Figures
    reconstructed: Figures
    by_language: dict[str, Figures]
    judge: dict[str, float]
    count: int
    too_long: int
    of: int
    reranker: str | None
    intervals: dict[str, dict[str, Interval]]


def evaluate_drawing(
    generator: ImageGenerator,
    judge: SceneJudge,
    matcher: SceneMatcher | None = None,
    *,
    prompts: int = 500,
    of: int = 9,
    seed: int = 0,
    split: Split = "validation",
    languages: Sequence[Language] = LANGUAGES,
    progress: Progress | None = None,
) -> DrawingResult:
    """Draw held-out prompts, the languages in turn, each several times.

    Args:
        matcher: the reranker; without one the drawing model ranks by itself.
        seed: another gives other scenes and other drawings.
    Raises:
        ConfigError: a number is out of range, no language is named, or the split is that of training.
    """
    _check(prompts, of, split, languages)
    told = [languages[i % len(languages)] for i in range(prompts)]
    first = _FIRST_SEED + seed * _SEEDS
    asked = _asked(generator, split, first, told)
    scenes = [one.scene for one in asked]
    drawn = []
    for row, one in enumerate(asked):
        drawn.append(_drawn(generator, judge, matcher, one, of, seed + row * of))
        if progress:
            progress(row + 1, prompts)
    size = generator.model.config.dvae.image_size
    pictures = draw_scenes(scenes, [one.seed for one in asked], size)
    rows = {
        "single": [one.first for one in drawn],
        "likely": [one.likely for one in drawn],
        "best": [one.best for one in drawn],
        "oracle": [one.oracle for one in drawn],
        "true": _marks(judge, scenes, pictures),
        "reconstructed": _marks(judge, scenes, _through_codes(generator, pictures)),
    }
    spoken = {
        language: [one.best for one, its in zip(drawn, told, strict=True) if its == language]
        for language in languages
    }
    return DrawingResult(
        **{name: _shares(marks) for name, marks in rows.items()},
        by_language={language: _shares(marks) for language, marks in spoken.items() if marks},
        judge=judge.accuracy(scenes, pictures),
        count=prompts,
        too_long=asked[-1].seed - first + 1 - prompts,
        of=of,
        reranker=matcher.id if matcher is not None else None,
        intervals={name: _intervals(marks) for name, marks in rows.items()},
    )


def _check(prompts: int, of: int, split: Split, languages: Sequence[Language]) -> None:
    if not 1 <= prompts <= _MOST_PROMPTS or of < 1:
        raise ConfigError(f"{prompts} prompts, each drawn {of} times: at least one of both")
    if not languages or len(set(languages)) < len(languages):
        raise ConfigError("name languages, each once")
    if split == "training":
        raise ConfigError("what training showed says nothing: evaluate on validation or test")


@dataclass(frozen=True)
class _Marks:
    """What is right of one picture: of each question whether."""

    present: np.ndarray
    attribute: np.ndarray
    relation: np.ndarray

    def merit(self) -> float:
        """What is right of all questions; all things first."""
        return float(self.present.all()) + float(
            np.concatenate([self.present, self.attribute, self.relation]).mean()
        )


class _Drawn(NamedTuple):
    """What is right of the first drawing of a prompt, of the drawing model's choice, the reranker's, the judge's."""

    first: _Marks
    likely: _Marks
    best: _Marks
    oracle: _Marks


class _Asked(NamedTuple):
    """A scene, its seed, and what is asked for."""

    scene: Scene
    seed: int
    prompt: str


def _asked(
    generator: ImageGenerator, split: Split, first: int, told: Sequence[Language]
) -> list[_Asked]:
    """As many scenes as there are languages `told`, from a seed on, each in words that the model can read to their end.

    Of a few ways to say a scene the first that is short enough is taken; a scene without one is passed over.

    Raises:
        ConfigError: the model can read next to none of them.
    """
    found: list[_Asked] = []
    for seed in range(first, first + _PATIENCE * len(told)):
        scene, language = scene_of(split, seed), told[len(found)]
        ways = (describe(scene, language, f"{seed}-{way}", detail=1.0) for way in range(_WAYS))
        prompt = next((way for way in ways if generator.can_read(way, scene.style)), None)
        if prompt is not None:
            found.append(_Asked(scene, seed, prompt))
        if len(found) == len(told):
            return found
    raise ConfigError(f"{generator.id}: it can read few of the prompts to their end")


def _drawn(
    generator: ImageGenerator,
    judge: SceneJudge,
    matcher: SceneMatcher | None,
    asked: _Asked,
    of: int,
    seed: int,
) -> _Drawn:
    style = asked.scene.style
    codes = generator.draw_codes(asked.prompt, of, Steering(seed=seed, style=style))
    pictures = generator.pictures_of(codes)
    marks = _marks(judge, [asked.scene] * of, pictures)
    likely = best = int(np.argmax(generator.scores(asked.prompt, codes, style)))
    if matcher is not None:
        best = int(np.argmax(matcher.scores(pictures, asked.prompt)))
    return _Drawn(marks[0], marks[likely], marks[best], max(marks, key=_Marks.merit))


def _marks(judge: SceneJudge, scenes: Sequence[Scene], pictures: np.ndarray) -> list[_Marks]:
    """What the judge says of pictures that should show some scenes."""
    truth = truth_of(scenes)
    found = judge.judge(pictures, truth.concept)
    stated = np.full((len(scenes), MOST_THINGS, MOST_THINGS), False)
    for row, scene in enumerate(scenes):
        for relation in scene.relations:
            stated[row, relation.subject, relation.object] = True
    asked = np.stack([truth.colour != NOT_ASKED, truth.count > 0])  # one of a thing is no merit
    right = np.stack([found.colour == truth.colour, found.count == truth.count]) & found.present
    both = found.present[:, :, None] & found.present[:, None]
    related = (found.relation == truth.relation) & both
    return [
        _Marks(
            found.present[i][truth.concept[i] >= 0], right[:, i][asked[:, i]], related[i][stated[i]]
        )
        for i in range(len(scenes))
    ]


def _shares(marks: Sequence[_Marks]) -> Figures:
    return {
        name: float(hits.mean()) if len(hits) else None for name, hits in _questions(marks).items()
    }


def _intervals(marks: Sequence[_Marks]) -> dict[str, Interval]:
    return {name: wilson(float(hits.sum()), len(hits)) for name, hits in _questions(marks).items()}


def _questions(marks: Sequence[_Marks]) -> dict[str, np.ndarray]:
    """Of every question of a kind, whether the answer is right."""
    return {
        "present": np.array([one.present.all() for one in marks]),
        "attribute": np.concatenate([one.attribute for one in marks]),
        "relation": np.concatenate([one.relation for one in marks]),
    }


@torch.inference_mode()
def _through_codes(generator: ImageGenerator, pictures: np.ndarray) -> np.ndarray:
    """Pictures as they are after their way through the codes."""
    parts = []
    for some in np.array_split(pictures, -(-len(pictures) // 32)):
        pixels = generator.card.pixels.normalise(some).to(generator.device)
        parts.append(generator.pictures_of(generator.model.encode_image(pixels)))
    return np.concatenate(parts)
