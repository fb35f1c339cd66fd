"""The model folders that training begins from."""

from __future__ import annotations

from pathlib import Path

from polysee.checkpoints.bundled import bundled_folder, bundled_models
from polysee.datasets.tables import runs_folder


def start_folder(start: str) -> Path:
    """The model folder of an earlier run, or the folder that `start` is."""
    run = runs_folder() / start / "model"
    return run if run.is_dir() else Path(start)


def model_folder_of(name: str) -> Path:
    """The folder of a bundled model, of an earlier run, or that is named."""
    return bundled_folder(name) if name in bundled_models() else start_folder(name)
