"""Fine-tune a model of pictures and text on a person's own pictures, and say what it gained.

Shapes: P pictures, N classes, E projection size.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from polysee.apps.finetune_run import RUN, end_run, refuse_model_at, resumes, short_recipe
from polysee.datasets.labelled import Example, Examples, read_examples
from polysee.errors import ConfigError, DataError
from polysee.evaluation.before_after import Compared, compare_captions, compare_classes, confusion
from polysee.evaluation.metrics import Ranking, rank_texts_to_images
from polysee.inference import Embedder, load
from polysee.inference.classifier import Classifier
from polysee.inference.loading import Device, model_folder
from polysee.media.files import Remark
from polysee.objectives.gather import processes
from polysee.training.finetune import FinetuneTask
from polysee.training.recipe import Finetune, Recipe
from polysee.training.run import ONE_PROCESS, Machines, train

Method = Literal["full", "lora", "probe"]
Progress = Callable[[int, int], None]
"""Called with what is done and the total."""

RATES: dict[Method, float] = {"full": 3e-5, "lora": 1e-3, "probe": 3e-2}
EPOCHS: dict[Method, int] = {"full": 10, "lora": 10, "probe": 50}
MOST_MISTAKES = 24
MOST_LIKE = 50
"""Of each class, so many pictures are looked through for the one most like a mistake."""


@dataclass(frozen=True)
class Asked:
    """What is to be fine-tuned, on what, and how; see `training.recipe.Finetune`.

    Args:
        test: pictures that have no part in training, not even in when it stops; of the same form as `data`.
        out: where the model is written.
        epochs: at most so many; `rate`: of learning; the method's own when None.
    """

    model: str
    data: Path
    out: Path
    labels: Sequence[str] = ()
    captions: str | None = None
    test: Path | None = None
    method: Method = "lora"
    locked_image: bool = False
    epochs: int | None = None
    rate: float | None = None
    batch_size: int = 32
    rank: int = 8
    chunk_size: int = 0
    held_out: float = 0.2
    patience: int = 3
    seed: int = 0


@dataclass(frozen=True)
class Mistake:
    """A picture that the fine-tuned model takes for something else.

    Args:
        picture: what was shown.
        truth, said: its class, and what the model took it for; or the caption, and the caption's own picture's place.
        before: what the model had said before.
        probability: of what was said.
        like: the picture, of those that were learnt, of what was said, that is most like it; for a caption, the
            picture that was found in place of its own.
    """

    picture: Example
    truth: str
    said: str
    before: str
    probability: float
    like: Example | None


@dataclass(frozen=True)
class FinetuneReport:
    """What came of it.

    Args:
        learnt, stopping, judged: how many pictures were learnt from, said when to stop, and are judged by.
        tested: whether those judged by had no part in training; else they are those that said when to stop.
        confusion: before and after, how many of each class (row) were taken for each (column); none for captions.
        history: (step, score) of the pictures that said when to stop.
    """

    model: Path
    start: str
    method: Method
    classes: list[str]
    learnt: int
    stopping: int
    judged: int
    tested: bool
    compared: Compared
    mistakes: list[Mistake]
    mistaken: int
    failed: list[Remark]
    steps: int
    seconds: float
    confusion: tuple[np.ndarray, np.ndarray] | None = None
    history: list[tuple[int, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Data:
    """What is learnt from, and what is judged by where that is something else."""

    found: Examples
    test: Examples | None


def read_data(asked: Asked, reading: Progress | None = None) -> Data:
    """Look at all pictures once.

    Args:
        reading: called with the pictures done and their total.
    Raises:
        ConfigError: there is a model at `asked.out` already.
        DataError: nothing can be learnt from the data, or the test knows other classes.
    """
    refuse_model_at(asked.out)
    found = read_examples(asked.data, asked.labels, asked.captions, progress=reading)
    if asked.test is None:
        return Data(found, None)
    test = read_examples(asked.test, asked.labels, asked.captions, progress=reading)
    unknown = [names[0] for names in test.classes if names not in found.classes]
    if unknown:
        raise DataError(f"{asked.test}: {unknown[0]} is not among the classes that are learnt")
    number = [found.classes.index(names) for names in test.classes]
    examples = [
        replace(example, label=number[example.label]) if number else example
        for example in test.examples
    ]
    return Data(found, Examples(examples, found.classes, test.failed))


def finetune(
    asked: Asked,
    data: Data,
    *,
    machines: Machines = ONE_PROCESS,
    device: Device = "auto",
    progress: bool = False,
) -> FinetuneReport | None:
    """Fine-tune a model and judge it; the model folder is at `asked.out`.

    A run that was cut off goes on where it was, when the same is asked again.

    Args:
        progress: show a bar while training.
    Returns:
        None in all processes but the first, of several.
    Raises:
        ConfigError: what is asked does not fit together.
        CheckpointError, NotSupportedError: the model is absent or damaged, or cannot read text.
    """
    started = time.perf_counter()
    found, test = data.found, data.test
    before = load(asked.model, dtype="float32", device=device)
    recipe = make_recipe(asked, model_folder(asked.model), len(found.examples))
    run = asked.out / RUN
    resume = resumes(run, recipe)
    assert isinstance(recipe.task, Finetune)
    task = FinetuneTask(recipe, recipe.task, found, before.device)
    made = train(recipe, task=task, machines=machines, folder=run, resume=resume, progress=progress)
    if processes()[0]:
        return None
    after = load(made, dtype="float32", device=device)
    examples = test.examples if test else task.held_out
    judge = _judge_captions if asked.captions else _judge_classes
    judged = judge(before, after, examples, task)
    history = end_run(run, made, asked.out)
    return FinetuneReport(
        model=asked.out.absolute(), start=asked.model, method=asked.method,
        classes=[names[0] for names in found.classes], learnt=len(task.learnt),
        stopping=len(task.judged), judged=len(examples), tested=test is not None,
        failed=[*found.failed, *(test.failed if test else [])], steps=history[-1][0],
        seconds=time.perf_counter() - started, history=history, **judged,
    )  # fmt: skip


def make_recipe(asked: Asked, start: Path, count: int) -> Recipe:
    """The recipe that trains what is asked.

    Args:
        count: of pictures that can be used.
    Raises:
        ConfigError: what is asked does not fit together.
    """
    if asked.captions and asked.method == "probe":
        raise ConfigError("a linear probe tells classes apart: it needs labels, not captions")
    learnt = max(2, round(count * (1 - asked.held_out)))
    task = Finetune(
        kind="finetune", start=str(start.absolute()), data=str(asked.data), labels=tuple(asked.labels),
        captions=asked.captions, method=asked.method, locked_image=asked.locked_image,
        rank=asked.rank, chunk_size=asked.chunk_size, held_out=asked.held_out,
        patience=asked.patience,
    )  # fmt: skip
    return short_recipe(
        "finetune", task, rows=learnt, batch_size=min(asked.batch_size, learnt),
        epochs=asked.epochs or EPOCHS[asked.method], rate=asked.rate or RATES[asked.method],
        seed=asked.seed,
    )  # fmt: skip


def _judge_classes(
    before: Embedder, after: Embedder, examples: list[Example], task: FinetuneTask
) -> dict[str, Any]:
    truth = np.array([example.label for example in examples])
    names = [names[0] for names in task.classes]
    old = before.embed_image([example.source for example in examples])
    new = after.embed_image([example.source for example in examples])  # (P, E)
    classifier = Classifier.of(after)
    assert classifier is not None
    chances = (Classifier.by_names(before, names).choose(old), classifier.choose(new))  # (P, N)
    said = [table.argmax(1) for table in chances]
    wrong = np.flatnonzero(said[1] != truth)
    short_of = chances[1][wrong, said[1][wrong]] - chances[1][wrong, truth[wrong]]
    mistakes = [
        Mistake(
            examples[i], names[truth[i]], names[said[1][i]], names[said[0][i]],
            float(chances[1][i, said[1][i]]), _most_like(after, new[i], int(said[1][i]), task),
        )
        for i in wrong[np.argsort(short_of, kind="stable")][:MOST_MISTAKES]
    ]  # fmt: skip
    return {
        "compared": compare_classes(*chances, truth),
        "mistakes": mistakes,
        "mistaken": len(wrong),
        "confusion": tuple(confusion(table, truth) for table in chances),
    }


def _most_like(
    embedder: Embedder, picture: np.ndarray, label: int, task: FinetuneTask
) -> Example | None:
    own = [example for example in task.learnt if example.label == label][:MOST_LIKE]
    if not own:
        return None
    vectors = embedder.embed_image([example.source for example in own])
    return own[int((vectors @ picture).argmax())]


def _judge_captions(
    before: Embedder, after: Embedder, examples: list[Example], task: FinetuneTask
) -> dict[str, Any]:
    texts = [text for example in examples for text in example.captions]
    owners = np.array([i for i, example in enumerate(examples) for _ in example.captions])
    rankings: list[Ranking] = []
    found: list[np.ndarray] = []
    for embedder in (before, after):
        pictures = embedder.embed_image([example.source for example in examples])
        words = embedder.embed_text(texts)
        rankings.append(rank_texts_to_images(words, pictures, owners))
        found.append((words @ pictures.T).argmax(1))
    wrong = np.flatnonzero(rankings[1].better > 0)
    order = wrong[np.argsort(rankings[1].better[wrong], kind="stable")]
    mistakes = [
        Mistake(
            examples[owners[q]], texts[q], f"{rankings[1].better[q] + 1}", f"{rankings[0].better[q] + 1}",
            0.0, examples[found[1][q]],
        )
        for q in order[:MOST_MISTAKES]
    ]  # fmt: skip
    return {
        "compared": compare_captions(rankings[0], rankings[1], owners),
        "mistakes": mistakes,
        "mistaken": len(wrong),
    }
