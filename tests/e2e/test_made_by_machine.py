"""From a drawing to a search that tells it from photographs: every command as people type it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from polysee.inference import bundled_models

SAMPLES = Path(__file__).parents[2] / "samples"

pytestmark = [
    pytest.mark.skipif(
        "polysee/align-nano" not in bundled_models(), reason="the bundled weights are absent"
    ),
    pytest.mark.skipif(not any(SAMPLES.rglob("*.jpg")), reason="the samples are absent"),
]


def test_drawings_are_told_from_photographs(polysee, drawing_folder, tmp_path) -> None:
    folder, library = tmp_path / "pictures", tmp_path / "library"
    drawn = polysee("draw", "a dog", "--model", drawing_folder, "--out", folder, "--json")
    (made,) = drawn.document["files"]
    photos = sorted(SAMPLES.rglob("*.jpg"))[:3]
    for photo in photos:
        shutil.copy(photo, folder / photo.name)
    bare = folder / "bare.jpg"  # sent through a messenger: only the watermark is left
    other = polysee(
        "draw", "a cat", "--model", drawing_folder, "--out", tmp_path / "other", "--json"
    )
    Image.open(other.document["files"][0]).convert("RGB").save(bare, quality=85)

    def found(said: str) -> set[str]:
        options = ["--made-by-machine", said, "--library", library, "--json"]
        return {Path(hit["path"]).name for hit in polysee("search", *options).document["hits"]}

    assert polysee("index", folder, "--library", library).code == 0
    assert found("yes") == {Path(made).name}
    assert found("no") == {photo.name for photo in photos} | {"bare.jpg"}

    again = polysee("index", folder, "--watermarks", "--library", library, "--json").document
    assert (again["added"], again["unchanged"]) == (0, 5)
    assert found("yes") == {Path(made).name, "bare.jpg"}
    assert found("no") == {photo.name for photo in photos}
