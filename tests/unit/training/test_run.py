"""Training: what is kept, what is frozen, what is averaged, and going on after an end by force."""

from __future__ import annotations

import csv
import importlib.util
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from polysee.training import run
from polysee.training.callbacks import Average
from polysee.training.module import freeze, parameter_groups, rate_factor
from polysee.training.recipe import Optimiser

HELPER = Path(__file__).with_name("tiny_task.py")
spec = importlib.util.spec_from_file_location("tiny_task", HELPER)
tiny = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tiny)

pytestmark = pytest.mark.filterwarnings("ignore:::lightning")  # how it talks of workers and folders


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """Train in a folder; return the task and the weights that were saved."""

    def train(folder: str = "runs", resume: bool = True, workers: int = 0, **changes):
        monkeypatch.setenv("POLYSEE_RUNS", str(tmp_path / folder))
        recipe = tiny.tiny_recipe(**changes)
        made = []
        monkeypatch.setattr(
            run, "make_task", lambda recipe: made.append(tiny.TinyTask(recipe)) or made[0]
        )
        machines = run.Machines(workers=workers)
        saved = run.train(recipe, machines=machines, resume=resume, progress=False)
        # Read into memory: a file that is mapped is at the mercy of all else in this process.
        return made[0], load((saved / "model.safetensors").read_bytes())

    return train


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_workers_that_prepare_batches_change_nothing(trained):
    _, alone = trained("alone")
    task, together = trained("together", workers=3)
    assert_same(alone, together)
    assert not task.steps  # they were made elsewhere


def test_ended_by_force_it_goes_on_as_if_nothing_had_been(trained, tmp_path):
    _, undisturbed = trained("undisturbed")
    runs = tmp_path / "killed"
    child = subprocess.Popen(
        [sys.executable, HELPER, "0.05"],
        cwd=tmp_path,
        env={**os.environ, "POLYSEE_RUNS": str(runs)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while step_of(tmp_path) < 25:
            assert child.poll() is None, "it ended by itself"
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        child.kill()  # SIGKILL where there are signals
        child.wait()
    assert not (runs / "tiny" / "model").exists()
    assert (runs / "tiny" / "last.ckpt").exists()
    task, resumed = trained("killed")
    assert task.steps[0] in (20, 30)
    assert task.steps[-1] == 39
    assert_same(resumed, undisturbed)


def step_of(folder: Path) -> int:
    try:
        return int((folder / "step").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return -1


def test_a_finished_run_is_finished(trained):
    _, first = trained()
    task, again = trained()
    assert task.steps == []
    assert_same(again, first)
    task, anew = trained(resume=False)
    assert task.steps[0] == 0
    assert_same(anew, first)


def test_another_seed_gives_other_weights(trained):
    _, first = trained(steps=5)
    _, second = trained("elsewhere", steps=5, seed=4)
    assert not torch.equal(first["0.weight"], second["0.weight"])


def test_frozen_parts_stay_as_they_are_to_the_bit(trained):
    frozen = {"0": 0.0, "1": 0.0}
    torch.manual_seed(3)
    fresh = tiny.TinyTask(tiny.tiny_recipe())
    _, trained_state = trained(
        steps=20, ema_decay=0.0, optimiser=Optimiser(rate=0.01, rates=frozen, warmup_steps=0)
    )
    for name in ("0.weight", "0.bias", "1.weight", "1.bias"):
        torch.testing.assert_close(trained_state[name], initial(fresh)[name], rtol=0, atol=0)
    assert torch.equal(trained_state["1.running_mean"], torch.zeros(16))
    assert torch.equal(trained_state["1.running_var"], torch.ones(16))
    assert not torch.equal(trained_state["4.weight"], initial(fresh)["4.weight"])


def initial(task):
    return task.model.state_dict()


def test_the_average_is_what_is_validated_and_saved(trained):
    task, saved = trained()
    assert len(task.validated) == 3  # at 15, at 30, at the end
    assert not any(training for training, _ in task.validated)
    assert torch.equal(task.validated[-1][1], saved["0.weight"])
    assert not torch.equal(task.model[0].weight, saved["0.weight"])
    assert task.model.training
    _, bare = trained("bare", ema_decay=0.0)
    assert torch.equal(
        bare["0.weight"], task.model[0].weight
    )  # averaging changes nothing of the training


def test_the_average_follows_its_formula():
    average = Average(0.5)
    model = torch.nn.Linear(1, 1, bias=False)
    trainer, module = type("T", (), {})(), type("M", (), {"model": model})()
    expected = None
    for step, value in enumerate((1.0, 5.0, -3.0, 2.0), start=1):
        torch.nn.init.constant_(model.weight, value)
        trainer.global_step = step
        average.on_train_batch_end(trainer, module)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = value if expected is None else decay * expected + (1 - decay) * value
        assert average.weights["weight"].item() == pytest.approx(expected)
    again = Average(0.5)
    again.load_state_dict(average.state_dict())
    assert again.weights["weight"].item() == pytest.approx(expected)


def test_the_log_says_what_was_lost_and_measured(trained, tmp_path):
    trained(steps=40)
    with (tmp_path / "runs" / "tiny" / "logs" / "version_0" / "metrics.csv").open(
        encoding="utf-8", newline=""
    ) as file:
        rows = list(csv.DictReader(file))
    assert {"step", "loss", "fit", "small", "validation_weight"} <= rows[0].keys()
    losses = [row for row in rows if row["loss"]]
    assert losses
    for row in losses:
        assert float(row["loss"]) == pytest.approx(
            float(row["fit"]) + float(row["small"]), rel=1e-4
        )


def test_parameter_groups():
    model = torch.nn.ModuleDict(
        {
            "image": torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.LayerNorm(3)),
            "text": torch.nn.Linear(2, 3),
        }
    )
    model.log_scale = torch.nn.Parameter(torch.tensor(1.0))
    rates = {"image": 0.1, "image.0": 0.0, "text": 2.0}
    optimiser = Optimiser(rate=1e-3, rates=rates, weight_decay=0.3)
    freeze(model, optimiser)
    groups = parameter_groups(model, optimiser)
    found = {
        id(parameter): (round(group["lr"], 9), group["weight_decay"])
        for group in groups
        for parameter in group["params"]
    }
    names = {name: found.get(id(parameter)) for name, parameter in model.named_parameters()}
    assert names == {
        "log_scale": (1e-3, 0.0),
        "image.0.weight": None,  # the longest beginning counts
        "image.0.bias": None,
        "image.1.weight": (1e-4, 0.0),
        "image.1.bias": (1e-4, 0.0),
        "text.weight": (2e-3, 0.3),
        "text.bias": (2e-3, 0.0),
    }
    assert not model["image"][0].weight.requires_grad
    assert model["text"].weight.requires_grad


def test_the_schedule():
    ten, none, fifty = (Optimiser(rate=1, warmup_steps=steps) for steps in (10, 0, 50))
    factors = [rate_factor(step, ten, 110) for step in range(111)]
    assert factors[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert max(factors) == 1
    for step in range(10, 111):
        wanted = (1 + math.cos(math.pi * (step - 10) / 100)) / 2
        assert factors[step] == pytest.approx(wanted, abs=1e-12)
    assert rate_factor(0, none, 10) == 1
    assert rate_factor(500, ten, 110) == 0
    # A warm-up may be longer than the run.
    assert all(0 <= rate_factor(step, fifty, 20) <= 1 for step in range(60))


def test_a_rate_that_is_constant_before_it_falls():
    stable = Optimiser(rate=1, warmup_steps=10, decay_share=0.25)
    factors = [rate_factor(step, stable, 100) for step in range(101)]
    assert factors[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert factors[10:76] == [1] * 66
    assert factors[75:] == pytest.approx([(100 - step) / 25 for step in range(75, 101)])
    assert rate_factor(500, stable, 100) == 0
