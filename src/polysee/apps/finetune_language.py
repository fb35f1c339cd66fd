"""Fine-tune a language model on a person's own texts, and say what it gained.

Shapes: N texts, C labels.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from polysee.apps.finetune_run import RUN, end_run, refuse_model_at, resumes, short_recipe
from polysee.datasets.labelled_texts import LabelledTexts, read_labelled_texts
from polysee.datasets.language import read_texts
from polysee.evaluation.before_after import Compared, compare_classes, confusion
from polysee.inference import TextClassifier, load
from polysee.inference.language import LanguageModel
from polysee.inference.loading import Device, model_folder
from polysee.objectives.gather import processes
from polysee.training.finetune_language import (
    SortTask,
    WriteTask,
    held_out_loss,
    make_task,
    read_labelled,
    read_model,
    window,
)
from polysee.training.language import Causal, split_rows
from polysee.training.recipe import FinetuneLanguage, Recipe
from polysee.training.run import ONE_PROCESS, Machines, train

Method = Literal["full", "lora"]
Kind = Literal["classify", "generate"]

RATES: dict[Method, float] = {"full": 1e-4, "lora": 1e-3}
MOST_MISTAKES = 30
SHOWN_PROMPTS, PROMPT_CHARACTERS = 4, 40


@dataclass(frozen=True)
class Asked:
    """What is to be fine-tuned, on what, and how; see `training.recipe.FinetuneLanguage`.

    Args:
        test: texts that have no part in training, not even in when it stops; of the same form as `data`.
        out: where the model is written.
        epochs: at most so many; `rate`: of learning; the method's own when None.
    """

    model: str
    data: Path
    out: Path
    task: Kind
    text: str = "text"
    label: str = "label"
    separator: str | None = None
    test: Path | None = None
    method: Method = "lora"
    epochs: int = 10
    rate: float | None = None
    batch_size: int = 16
    rank: int = 8
    held_out: float = 0.2
    patience: int = 3
    seed: int = 0


@dataclass(frozen=True)
class Mistake:
    """A text that the fine-tuned model takes for something else.

    Args:
        before: what the model had said before; empty where it knew other labels.
        probability: of what is said.
    """

    text: str
    truth: str
    said: str
    before: str
    probability: float


@dataclass(frozen=True)
class Written:
    """How a text begins, and how the model goes on before and after."""

    prompt: str
    before: str
    after: str


@dataclass(frozen=True)
class LanguageReport:
    """What came of it.

    Args:
        learnt, stopping, judged: how many texts were learnt from, said when to stop, and are judged by.
        tested: whether those judged by had no part in training; else they are those that said when to stop.
        continued: whether the model sorted into these labels before; else what stands for "before" is the
            commonest label.
        compared, confusion, mistakes, mistaken: of sorting; confusion before and after.
        loss: of a token of the judged texts, in nats, before and after; `written`: of writing.
        history: (step, score) of what said when to stop: one over the exponential of the loss.
    """

    model: Path
    start: str
    task: Kind
    method: Method
    learnt: int
    stopping: int
    judged: int
    tested: bool
    steps: int
    seconds: float
    history: list[tuple[int, float]]
    labels: list[str] = field(default_factory=list)
    continued: bool = True
    compared: Compared | None = None
    confusion: tuple[np.ndarray, np.ndarray] | None = None
    mistakes: list[Mistake] = field(default_factory=list)
    mistaken: int = 0
    loss: tuple[float, float] | None = None
    written: list[Written] = field(default_factory=list)


def finetune_language(
    asked: Asked,
    *,
    machines: Machines = ONE_PROCESS,
    device: Device = "auto",
    progress: bool = False,
) -> LanguageReport | None:
    """Fine-tune a model and judge it; the model folder is at `asked.out`.

    A run that was cut off goes on where it was, when the same is asked again.

    Args:
        progress: show a bar while training.
    Returns:
        None in all processes but the first, of several.
    Raises:
        ConfigError: there is a model at `asked.out` already.
        DataError: nothing can be learnt from the data, or the test is of another form.
        CheckpointError, NotSupportedError: the model is absent or damaged, or of another kind.
    """
    started = time.perf_counter()
    refuse_model_at(asked.out)
    before = load(asked.model, dtype="float32", device=device)
    recipe = make_recipe(asked, model_folder(asked.model))
    assert isinstance(recipe.task, FinetuneLanguage)
    run = asked.out / RUN
    task = make_task(recipe, recipe.task, before.device)
    judged = _to_judge_by(asked, task)
    resume = resumes(run, recipe)
    made = train(recipe, task=task, machines=machines, folder=run, resume=resume, progress=progress)
    if processes()[0]:
        return None
    after = load(made, dtype="float32", device=device)
    if isinstance(task, SortTask):
        assert isinstance(judged, LabelledTexts)
        found = _judge_labels(before, after, judged, task)
    else:
        assert not isinstance(judged, LabelledTexts)
        found = _judge_writing(before, after, judged, recipe)
    history = end_run(run, made, asked.out)
    return LanguageReport(
        model=asked.out.absolute(), start=asked.model, task=asked.task, method=asked.method,
        tested=asked.test is not None, steps=history[-1][0], history=history,
        seconds=time.perf_counter() - started, judged=len(judged), **_counts(task), **found,
    )  # fmt: skip


def make_recipe(asked: Asked, start: Path) -> Recipe:
    """The recipe that trains what is asked.

    Raises:
        DataError, NotSupportedError: the data or the model does not fit.
    """
    task = FinetuneLanguage.model_validate(
        {
            "kind": "finetune-language", "start": str(start.absolute()), "data": str(asked.data),
            "task": asked.task, "text": asked.text, "label": asked.label,
            "separator": asked.separator, "method": asked.method, "rank": asked.rank,
            "held_out": asked.held_out, "patience": asked.patience,
        }
    )  # fmt: skip
    count = _rows_an_epoch(task, asked.seed)
    return short_recipe(
        "finetune-lm", task, rows=count, batch_size=max(2, min(asked.batch_size, count)),
        epochs=asked.epochs, rate=asked.rate or RATES[asked.method], seed=asked.seed,
    )  # fmt: skip


def _rows_an_epoch(task: FinetuneLanguage, seed: int) -> int:
    """Texts that are learnt from; of writing, windows."""
    if task.task == "classify":
        return len(read_labelled(task, seed)[0])
    model, _, tokenizer = read_model(Path(task.start))
    rows, _ = split_rows(read_texts([task.data], [task.text], task.separator), task.held_out)
    tokens = sum(len(tokenizer.encode(text)) for (text,) in rows)
    return max(2, tokens // window(model, task).context_length)


def _to_judge_by(
    asked: Asked, task: SortTask | WriteTask
) -> LabelledTexts | Sequence[tuple[str, ...]]:
    if isinstance(task, SortTask):
        if asked.test is None:
            return task.held_out
        return read_labelled_texts(asked.test, asked.text, asked.label, task.learnt.labels)
    if asked.test is None:
        return task.held_out
    return read_texts([str(asked.test)], [asked.text], asked.separator)


def _counts(task: SortTask | WriteTask) -> dict[str, Any]:
    if isinstance(task, SortTask):
        return {
            "learnt": len(task.learnt),
            "stopping": len(task.held_out),
            "labels": list(task.learnt.labels),
            "continued": task.continued,
        }
    return {"learnt": len(task.rows), "stopping": len(task.held_out)}


def _judge_labels(
    before: Any, after: TextClassifier, judged: LabelledTexts, task: SortTask
) -> dict[str, Any]:
    truth, labels = np.array(judged.numbers), judged.labels
    new = after.classify(judged.texts)  # (N, C)
    if task.continued:
        old = before.classify(judged.texts)
    else:
        counts = np.bincount(task.learnt.numbers, minlength=len(labels))
        old = np.tile(counts / counts.sum(), (len(truth), 1)).astype(np.float32)
    said = [table.argmax(1) for table in (old, new)]
    wrong = np.flatnonzero(said[1] != truth)
    order = wrong[np.argsort(-new[wrong, said[1][wrong]], kind="stable")]
    mistakes = [
        Mistake(
            judged.texts[i], labels[truth[i]], labels[said[1][i]],
            labels[said[0][i]] if task.continued else "", float(new[i, said[1][i]]),
        )
        for i in order[:MOST_MISTAKES]
    ]  # fmt: skip
    return {
        "compared": compare_classes(old, new, truth),
        "confusion": (confusion(old, truth), confusion(new, truth)),
        "mistakes": mistakes,
        "mistaken": len(wrong),
    }


def _judge_writing(
    before: LanguageModel, after: LanguageModel, judged: Sequence[tuple[str, ...]], recipe: Recipe
) -> dict[str, Any]:
    assert isinstance(recipe.task, FinetuneLanguage)
    losses = []
    for model in (before, after):
        asked = window(model.model, recipe.task)
        objective = Causal(recipe, asked, model.tokenizer, list(judged), list(judged))
        with torch.no_grad():
            losses.append(held_out_loss(model.model, objective))
    prompts = [text.strip()[:PROMPT_CHARACTERS] for (text,) in judged if text.strip()]
    written = [
        Written(prompt, *(_go_on(model, prompt) for model in (before, after)))
        for prompt in prompts[:SHOWN_PROMPTS]
    ]
    return {"loss": (losses[0], losses[1]), "written": written}


def _go_on(model: LanguageModel, prompt: str) -> str:
    return model.write([prompt], max_tokens=40, temperature=0.7, top_p=0.9, seed=0)[0]
