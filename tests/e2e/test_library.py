"""The bundled model, real files, a real library."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from polysee.inference import bundled_models
from polysee.library import Library
from polysee.library.catalogue import Catalogue, matrix, vectors_name

SAMPLES = Path(__file__).parents[2] / "samples"

pytestmark = [
    pytest.mark.skipif(
        "polysee/align-nano" not in bundled_models(), reason="the bundled weights are absent"
    ),
    pytest.mark.skipif(not any(SAMPLES.rglob("*.jpg")), reason="the samples are absent"),
]


def test_index_and_find(tmp_path: Path) -> None:
    chosen = sorted(SAMPLES.rglob("*.jpg"))[::8][:24]
    for number, picture in enumerate(chosen):
        shutil.copy(picture, tmp_path / f"{number:02}.jpg")
    library = Library(tmp_path / "library")
    report = library.index(tmp_path)
    assert (report.added, report.failed, report.warned) == (len(chosen), [], [])
    assert library.index(tmp_path).unchanged == len(chosen)

    # a stored vector is what the model itself says, but for half precision
    embedder = library.embedder()
    catalogue = Catalogue(library.path)
    table = catalogue.read(vectors_name(embedder.hash), ["vector"])
    assert table is not None
    stored = matrix(table["vector"])
    direct = embedder.embed_image([tmp_path / "00.jpg", tmp_path / "07.jpg"])
    np.testing.assert_allclose((direct @ stored.T).max(axis=1), 1, atol=2e-3)

    for number in (0, 7):
        best = library.search(image=tmp_path / f"{number:02}.jpg", everything=True)[0]
        assert Path(best.path).name == f"{number:02}.jpg"
    assert len(library.search("一只猫", everything=True)) == 20
