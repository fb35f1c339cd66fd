"""Small JSON files of a model folder, read with errors that name them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from polysee.errors import CheckpointError


def read_json(path: Path) -> dict[str, Any]:
    """Read one JSON object.

    Raises:
        CheckpointError: the file is absent, unreadable or no object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path.parent}: no {path.name}; is it a model folder?") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not readable as JSON: {error}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: a JSON object is expected")
    return values


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write one JSON object, for people to read too."""
    path.write_text(json.dumps(values, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
