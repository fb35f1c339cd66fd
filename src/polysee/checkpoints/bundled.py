"""The models that come with the package."""

from __future__ import annotations

from pathlib import Path

BUNDLED = Path(__file__).parent.parent / "bundled"


def bundled_models() -> list[str]:
    """Their names."""
    return sorted(f"polysee/{config.parent.name}" for config in BUNDLED.glob("*/config.json"))


def bundled_folder(name: str) -> Path:
    """Where one of them lies."""
    return BUNDLED / name.removeprefix("polysee/")
