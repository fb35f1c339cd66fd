"""Named photographs: what a file and its description agree on."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from PIL import Image

from polysee.datasets.drawings import GROUND
from polysee.datasets.stamps import name_of, stamps
from polysee.errors import DataError

SEEN = {"frog", "pressure cooker", "cooker", "apple", "seahorse", "horse", "pyramid", "pirate ship"}
WORDNET = SimpleNamespace(senses={*SEEN, "blue"}, is_seen=lambda word: word in SEEN)


@pytest.mark.parametrize(
    ("stem", "description", "name"),
    [
        ("frog-1", "A frog.", "frog"),
        ("pressure_cooker", "A pressure cooker.", "pressure cooker"),
        ("Apple_Granny_Smith", "A “Granny Smith” apple.", "apple"),
        ("seahorse", "A seahorse.", "seahorse"),
        ("pirate-ship", "Two pirate ships!", "pirate ship"),
        ("blue_fedora", "A blue fedora.", None),
        ("frog", "Kermit.", None),
    ],
)
def test_a_name_is_in_the_file_s_and_in_the_description(stem, description, name):
    assert name_of(stem, description, WORDNET) == name


def test_stamps_are_cut_out_photographs_of_things(tmp_path):
    pictures = {"animals/frog": "A frog.", "animals/frog_mirror": "A frog.", "symbols/apple": "An apple.",
                "food/apple": None, "town/pyramid": "A pyramid.\nzh_CN.utf8=金字塔。"}  # fmt: skip
    for name, description in pictures.items():
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGBA", (8, 8), (255, 0, 0, 255)).save(path)
        if description:
            path.with_suffix(".txt").write_text(description, encoding="utf-8")
    found = stamps(WORDNET, tmp_path)
    assert [one.name for one in found] == ["frog", "pyramid"]
    whole = Image.open(io.BytesIO(found[0].image))
    assert whole.size == (10, 10)
    assert whole.getpixel((0, 0)) == GROUND


def test_absent_stamps_are_named(tmp_path):
    with pytest.raises(DataError, match="tuxpaint-stamps-default"):
        stamps(WORDNET, tmp_path / "nowhere")
