"""Two real processes train as one would with the joined batch, by DDP and by FSDP; and go on where one left off."""

from __future__ import annotations

import csv
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from polysee.errors import ConfigError
from polysee.training import run
from polysee.training.module import Steps

HELPER = Path(__file__).with_name("shared_task.py")
spec = importlib.util.spec_from_file_location("shared_task", HELPER)
shared = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)

pytestmark = pytest.mark.filterwarnings("ignore:::lightning")


def train(runs: Path, monkeypatch: pytest.MonkeyPatch, **options: int) -> None:
    monkeypatch.setenv("POLYSEE_RUNS", str(runs))
    monkeypatch.setattr(run, "make_task", lambda recipe: shared.SharedTask(recipe, **options))
    run.train(shared.shared_recipe(), progress=False)


def result(runs: Path) -> tuple[dict[str, torch.Tensor], dict[int, dict[str, str]]]:
    """The weights, and the last log's rows by step."""
    weights = load_file(runs / "shared" / "model" / "model.safetensors")
    logs = sorted((runs / "shared" / "logs").glob("version_*/metrics.csv"))
    with logs[-1].open(encoding="utf-8", newline="") as file:
        return weights, {int(row["step"]): row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    runs = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as monkeypatch:
        train(runs, monkeypatch)
    return result(runs)


@pytest.mark.parametrize(("strategy", "resumed"), [("ddp", True), ("fsdp", False)])
def test_two_processes_end_with_the_weights_of_one(strategy, resumed, alone, tmp_path, monkeypatch):
    if resumed:
        with pytest.raises(InterruptedError):
            train(tmp_path, monkeypatch, broken_at=13)
        assert (tmp_path / "shared" / "last.ckpt").exists()
    done = subprocess.run(
        [sys.executable, HELPER, strategy],
        cwd=tmp_path,
        env={**os.environ, "POLYSEE_RUNS": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "MEMBER: 2/2" in done.stderr
    (wanted, rows), (found, their_rows) = alone, result(tmp_path)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-5, msg=name)
    last = max(rows)
    for key in ("contrastive", "validation_sum"):
        if rows[last][key]:
            assert float(their_rows[last][key]) == pytest.approx(float(rows[last][key]), abs=1e-4)
    fresh = shared.SharedTask(shared.shared_recipe()).model.state_dict()
    assert torch.equal(found["frozen.weight"], fresh["frozen.weight"])
    assert not torch.allclose(found["log_scale"], fresh["log_scale"], atol=1e-3)


def test_what_processes_cannot_share_is_refused():
    class Undivided:
        def batch(self, step: int) -> int:
            return step

    recipe = shared.shared_recipe()
    assert list(Steps(Undivided(), 0, 2)) == [(0, 0, 0), (1, 0, 1)]  # step, part, batch
    run.Machines().check(Undivided(), recipe)
    with pytest.raises(ConfigError, match="one process"):
        run.Machines(devices=2).check(Undivided(), recipe)
    run.Machines(devices=2, nodes=2).check(shared.SharedTask(recipe), recipe)
    with pytest.raises(ConfigError, match="12 cannot be divided among 5"):
        run.Machines(devices=5).check(shared.SharedTask(recipe), recipe)
