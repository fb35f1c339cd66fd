"""Models of the hub, brought here with a bar before a command uses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polysee.cli import output
from polysee.cli.language import t


def bring_model(model: Any) -> None:
    """Download a model if its name is one of the hub and it is not here; else do nothing.

    Raises:
        CheckpointError: it cannot be downloaded.
        OfflineError: offline mode forbids the download.
    """
    from polysee.checkpoints.hub import cached, is_hub_name

    if not isinstance(model, str) or not is_hub_name(model) or model.startswith("polysee/"):
        return
    if not Path(model).is_dir() and cached(model) is None:
        download(model)


def download(model: str, *, refresh: bool = False) -> Path:
    """Bring a model here, with a bar, and return its folder."""
    from polysee.inference.loading import model_folder

    with output.progress_bar(
        t(f"Downloading {model}", f"正在下载 {model}"), of_bytes=True
    ) as advance:
        return model_folder(model, refresh=refresh, progress=advance)
