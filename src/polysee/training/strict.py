"""What every part of a recipe is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """An unknown key is an error that names it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
