"""Which pictures a machine made: read while indexing, asked for in searches, unknown in libraries from before."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from polysee.library import Library
from polysee.library.catalogue import Catalogue
from polysee.library.origins import NO, ORIGINS, UNKNOWN, YES, made_by_machine, read_origin
from polysee.media.image import read_picture
from polysee.provenance import Made, save_picture


@pytest.fixture
def pictures(tmp_path: Path, draw) -> Path:
    """A photograph, a made picture, and one that kept its watermark alone; all are red."""
    folder = tmp_path / "pictures"
    draw(folder / "photo.png", (250, 10, 10))
    ramp = np.linspace(150, 250, 256).astype(np.uint8)
    red = np.dstack([np.tile(ramp, (256, 1)), *[np.full((256, 256), 10, np.uint8)] * 2])
    save_picture(folder / "made.png", red, Made("polysee/dalle-nano", 3))
    save_picture(tmp_path / "other.png", red[::-1], Made("polysee/dalle-nano", 4))
    Image.open(tmp_path / "other.png").convert("RGB").save(folder / "bare.jpg", quality=90)
    return folder


def names(found) -> set[str]:
    return {Path(hit.path).name for hit in found}


def test_labels_are_read_and_watermarks_on_request(tmp_path, pictures, colour_embedder) -> None:
    library = Library(tmp_path / "library", colour_embedder)
    library.index(pictures)
    assert names(library.search(made_by_machine=True)) == {"made.png"}
    assert names(library.search(made_by_machine=False)) == {"photo.png", "bare.jpg"}
    assert names(library.search("red", made_by_machine=True, everything=True)) == {"made.png"}
    assert len(library.search("red", everything=True)) == 3

    report = library.index(pictures, watermarks=True)
    assert (report.added, report.unchanged, report.warned) == (0, 3, [])
    assert names(library.search(made_by_machine=True)) == {"made.png", "bare.jpg"}
    assert names(library.search(made_by_machine=False)) == {"photo.png"}
    assert Catalogue(library.path).read("origins", ["hash"]).num_rows == 6
    library.index(pictures, watermarks=True)  # nothing is looked at again
    assert Catalogue(library.path).read("origins", ["hash"]).num_rows == 6


def test_watermarks_of_what_is_new(tmp_path, pictures, colour_embedder) -> None:
    library = Library(tmp_path / "library", colour_embedder)
    library.index(pictures, watermarks=True)
    assert names(library.search(made_by_machine=True)) == {"made.png", "bare.jpg"}


def test_an_old_library_works_and_says_what_it_does_not_know(
    tmp_path, pictures, colour_embedder
) -> None:
    library = Library(tmp_path / "library", colour_embedder)
    library.index(pictures)
    shutil.rmtree(library.path / "origins.lance")  # as it was before there were such
    found = library.search(made_by_machine=False)
    assert len(found) == found.unread_origins == 3
    assert len(library.search(made_by_machine=True)) == 0
    assert library.search("red").unread_origins == 0  # nobody asked
    before = library.index(pictures)
    assert (before.added, before.unchanged) == (0, 3)
    library.index(pictures, watermarks=True)
    found = library.search(made_by_machine=True)
    assert names(found) == {"made.png", "bare.jpg"}
    assert found.unread_origins == 0


def test_what_is_forgotten_leaves_nothing(tmp_path, pictures, colour_embedder) -> None:
    library = Library(tmp_path / "library", colour_embedder)
    library.index(pictures)
    (pictures / "made.png").unlink()
    library.index(pictures, prune=True)
    assert Catalogue(library.path).read("origins", ["hash"]).num_rows == 2


def test_a_second_look_does_not_unsay_the_first() -> None:
    import pyarrow as pa

    rows = {
        "hash": ["a", "a", "b", "c"],
        "labelled": [True, False, False, False],
        "watermark": [None, "", "dalle-nano", None],
    }
    table = pa.table(rows, schema=ORIGINS)
    hashes = pa.chunked_array([["a", "b"], ["c", "d"]])
    assert made_by_machine(hashes, table).tolist() == [YES, YES, NO, UNKNOWN]
    assert made_by_machine(hashes, None).tolist() == [UNKNOWN] * 4
    assert made_by_machine(hashes, table.slice(0, 0)).tolist() == [UNKNOWN] * 4


def test_a_picture_says_its_texts_as_it_is_read(pictures) -> None:
    texts = read_picture(pictures / "made.png", draft_size=64).texts
    assert "polysee" in texts
    origin = read_origin((pictures / "bare.jpg").read_bytes())
    assert (origin.labelled, origin.watermark) == (False, "dalle-nano")


def test_the_command_line_filters(polysee, tmp_path, pictures) -> None:
    library = tmp_path / "library"
    assert polysee("index", pictures, "--library", library).code == 0
    for said, expected in (("yes", {"made.png"}), ("no", {"photo.png", "bare.jpg"})):
        done = polysee("search", "--made-by-machine", said, "--library", library, "--json")
        assert done.code == 0
        assert {Path(hit["path"]).name for hit in done.document["hits"]} == expected
    assert polysee("index", pictures, "--watermarks", "--library", library).code == 0
    done = polysee("search", "--made-by-machine", "yes", "--library", library, "--json")
    assert len(done.document["hits"]) == 2
    assert polysee("search", "--made-by-machine", "maybe", "--library", library).code == 2
    shutil.rmtree(library / "origins.lance")
    done = polysee("search", "--made-by-machine", "yes", "--library", library, "--lang", "zh")
    assert done.code == 3
    assert "3 张图片" in done.err
    assert "--watermarks" in done.err
    for lang, words in (("en", "Only pictures that say"), ("zh", "只找标明")):
        assert words in polysee("search", "--help", "--lang", lang).out
