"""The model folders that training begins from."""

from __future__ import annotations

from pathlib import Path

from polysee.checkpoints.bundled import bundled_folder, bundled_models
from polysee.datasets.tables import runs_folder


def start_folder(start: str) -> Path:
    """The folder of a bundled model, of an earlier run, or the one that is named."""
    if start in bundled_models():
        return bundled_folder(start)
    run = runs_folder() / start / "model"
    return run if run.is_dir() else Path(start)
