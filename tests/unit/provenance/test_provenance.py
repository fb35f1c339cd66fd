"""Labels and watermark of what a machine made: written in one call, read back, found nowhere else."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from polysee.datasets.scenes import scene_of
from polysee.datasets.scenes_drawing import draw_scene
from polysee.datasets.tables import data_folder
from polysee.errors import ConfigError, MediaError
from polysee.provenance import Made, inspect_picture, save_picture
from polysee.provenance.labels import read_tc260, tc260_label, xmp_packet
from polysee.provenance.visible import draw_label
from polysee.provenance.watermark import _bits_of, read_bits, read_mark, short_name, write_mark

SAMPLES = Path(__file__).parents[3] / "samples"
MADE = Made("polysee/dalle-nano", 7)
CLEAN = 1000  # photographs


def made_scene(seed, size=512):
    small = draw_scene(scene_of("training", seed), seed, 96).image
    return np.asarray(Image.fromarray(small).resize((size, size), Image.Resampling.LANCZOS))


def photo(name="tabby-cat.jpg", size=(512, 384)):
    return np.asarray(Image.open(SAMPLES / name).convert("RGB").resize(size))


def jpeg(picture, quality=75):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(io.BytesIO(file.getvalue())).convert("RGB"))


def halved(picture):
    image = Image.fromarray(picture)
    return np.asarray(image.resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC))


PICTURES = [made_scene(seed) for seed in range(4)] + [
    photo(),
    np.full((512, 512, 3), 255, np.uint8),
]
MARKED = [write_mark(picture, MADE.model) for picture in PICTURES]


@pytest.mark.parametrize(
    "harm", [lambda p: p, jpeg, halved, lambda p: jpeg(halved(p)), lambda p: halved(jpeg(p))],
    ids=["none", "jpeg", "half", "half, then jpeg", "jpeg, then half"],
)  # fmt: skip
def test_the_watermark_survives(harm):
    bits = _bits_of("dalle-nano")
    kept = [(read_bits(harm(marked)) == bits).mean() for marked in MARKED]
    assert min(kept) >= 0.95
    assert np.mean(kept) >= 0.99
    assert [read_mark(harm(marked)) for marked in MARKED] == ["dalle-nano"] * len(MARKED)


def test_the_watermark_is_hardly_seen():
    for picture, marked in zip(PICTURES, MARKED, strict=True):
        error = np.square(marked.astype(float) - picture)
        assert 10 * np.log10(255**2 / error.mean()) > 36
        assert marked.shape == picture.shape
    assert not any(read_mark(picture) for picture in PICTURES)


@pytest.mark.parametrize("size", [(128, 128), (300, 900), (1200, 400)])
def test_pictures_of_any_shape_can_be_marked(size):
    assert read_mark(write_mark(photo(size=size), "a")) == "a"
    assert read_mark(np.zeros((4, 4, 3), np.uint8)) is None
    assert read_mark(np.zeros((64, 64, 3), np.uint8)) is None


@pytest.mark.parametrize(
    ("model", "short"),
    [("polysee/dalle-nano", "dalle-nano"), ("/home/eve/Models/My_Model-v1.5/", "my-model-v"), ("模型", "unnamed")],
)  # fmt: skip
def test_any_name_can_be_written(model, short):
    assert short_name(model) == short
    assert read_mark(write_mark(PICTURES[0], model)) == short


def test_samples_have_no_watermark():
    for path in sorted(SAMPLES.glob("*.jpg"))[:6]:
        assert read_mark(np.asarray(Image.open(path).convert("RGB"))) is None, path


@pytest.mark.data
def test_clean_photographs_have_no_watermark():
    found = seen = 0
    for name in ("captions/flickr8k/validation", "photos/voc-scenes/validation"):
        path = data_folder() / f"{name}.parquet"
        if not path.is_file():
            pytest.skip(f"no {path}: set POLYSEE_DATA")
        for data in (
            pq.read_table(path, columns=["image"]).column("image").to_pylist()[: CLEAN // 2]
        ):
            found += read_mark(np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))) is not None
            seen += 1
    assert seen == CLEAN
    assert found <= 1


def test_a_picture_says_everything_in_one_call(tmp_path):
    path = tmp_path / "猫.png"
    assert save_picture(path, PICTURES[0], MADE) == path
    found = inspect_picture(path)
    assert found.text is not None
    assert found.text["made_by"] == "machine"
    assert (found.text["model"], found.text["seed"]) == ("polysee/dalle-nano", 7)
    assert found.tc260 is not None
    assert found.tc260["Label"] == "1"
    assert found.tc260["ContentProducer"] == "polysee/dalle-nano"
    assert set(found.tc260) == {
        "Label", "ContentProducer", "ProduceID", "ReservedCode1", "ContentPropagator", "PropagateID", "ReservedCode2",
    }  # fmt: skip
    assert found.watermark == {"model": "dalle-nano"}
    assert found.made_by_machine
    again = tmp_path / "again.png"
    save_picture(again, PICTURES[0], MADE)
    assert again.read_bytes() == path.read_bytes()


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    code = f"""
import resource, numpy as np
from polysee.errors import ConfigError
from polysee.provenance import Made, save_picture
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    save_picture({str(tmp_path / "a.png")!r}, np.zeros((64, 64, 3), np.uint8), Made("polysee/dalle-nano", 7))
except ConfigError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cannot be written" in done.stdout
    assert not list(tmp_path.iterdir())


def test_labels_are_where_other_readers_look(tmp_path):
    path = tmp_path / "a.png"
    save_picture(path, PICTURES[1], MADE)
    with Image.open(path) as image:
        packet = image.info["XML:com.adobe.xmp"]
        assert json.loads(image.info["polysee"])["seed"] == 7
    root = ElementTree.fromstring(packet.strip("\ufeff"))
    described = next(root.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")).attrib
    label = json.loads(described["{http://www.tc260.org.cn/ns/AIGC/1.0/}AIGC"])
    assert label["Label"] == "1"
    kind = described["{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"]
    assert kind.endswith("trainedAlgorithmicMedia")


def test_nothing_of_the_person_is_in_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("USER", "evelyn")
    path = tmp_path / "evelyn.png"
    save_picture(path, PICTURES[1], MADE)
    assert b"evelyn" not in path.read_bytes()


def test_a_file_without_its_labels_still_has_the_mark(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(MARKED[0]).save(path, quality=75)
    found = inspect_picture(path)
    assert (found.text, found.tc260) == (None, None)
    assert found.watermark == {"model": "dalle-nano"}
    found = inspect_picture(SAMPLES / "tabby-cat.jpg")
    assert (found.text, found.tc260, found.watermark) == (None, None, None)
    assert not found.made_by_machine


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "TIFF"])
def test_labels_of_others_are_read_from_other_formats(form, tmp_path):
    packet = xmp_packet(tc260_label(Made("another & <model>", 1), "x")).encode()
    path = tmp_path / "a.bin"
    options = {"tiffinfo": {700: packet}} if form == "TIFF" else {"xmp": packet}
    Image.new("RGB", (40, 30)).save(path, form, **options)
    found = inspect_picture(path)
    assert found.tc260 is not None
    assert found.tc260["ContentProducer"] == "another & <model>"
    assert found.made_by_machine


def test_the_label_may_stand_in_an_element():
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/"><TC260:AIGC>'
        '{"Label":"2"}</TC260:AIGC></rdf:Description></rdf:RDF></x:xmpmeta>'
    )
    assert read_tc260(packet) == {"Label": "2"}


HEAD = '<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:T="http://www.tc260.org.cn/ns/AIGC/1.0/"'


@pytest.mark.parametrize(
    "packet",
    [
        "", "<", f"{HEAD} T:AIGC='[1]'/>", f"{HEAD} T:AIGC='{{'/>", f"{HEAD}><open>",
        f"{HEAD} T:AIGC='{'[' * 100_000}'/>",
        '<!DOCTYPE a [<!ENTITY b "bbbb">]>' + f"{HEAD} T:AIGC='{{}}'/>", f"{HEAD} T:AIGC='{'1' * 2_000_000}'/>",
        f"{HEAD} T:AIGC='{{\"Label\": Infinity}}'/>", f"{HEAD} T:AIGC='{{\"Label\": 1e999}}'/>",
    ],
    ids=range(10),
)  # fmt: skip
def test_hostile_labels_are_no_labels(packet, tmp_path):
    assert read_tc260(packet) is None
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet[:500_000])
    info.add_itxt("polysee", packet[:500_000])
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png", pnginfo=info)
    assert inspect_picture(tmp_path / "a.png").tc260 is None


def test_the_visible_label_is_in_its_corner(tmp_path):
    for picture in (PICTURES[0], PICTURES[5], np.zeros((300, 500, 3), np.uint8)):
        labelled = draw_label(picture)
        changed = (labelled != picture).any(2)
        rows, columns = np.nonzero(changed)
        shorter = min(picture.shape[:2])
        assert rows.min() > picture.shape[0] - 0.12 * shorter
        assert columns.min() > picture.shape[1] * 0.6
        assert rows.max() - rows.min() >= 0.05 * shorter
    save_picture(tmp_path / "a.png", PICTURES[0], MADE, visible=True)
    assert inspect_picture(tmp_path / "a.png").watermark == {"model": "dalle-nano"}


def test_what_cannot_be_read_or_written_is_named(tmp_path):
    with pytest.raises(MediaError, match="no such file"):
        inspect_picture(tmp_path / "none.png")
    (tmp_path / "text.png").write_bytes(b"hello")
    with pytest.raises(MediaError, match="not a picture"):
        inspect_picture(tmp_path / "text.png")
    with pytest.raises(ConfigError, match=r"none.a\.png: cannot be written"):
        save_picture(tmp_path / "none" / "a.png", PICTURES[0], MADE)
    assert os.listdir(tmp_path) == ["text.png"]  # noqa: PTH208


@pytest.mark.parametrize("zip", [True, False])
def test_labels_stand_beside_texts_that_are_too_long_to_read(zip, tmp_path):
    save_picture(tmp_path / "a.png", PICTURES[0], MADE)
    with Image.open(tmp_path / "a.png") as opened:
        info = PngInfo()
        info.add_text("another", "{}" * 500_000)  # as long as a packed one may be, unpacked
        info.add_text("workflow", "{}" * 2_000_000, zip=zip)
        for key, value in opened.text.items():
            info.add_itxt(key, value)
        opened.save(tmp_path / "b.png", pnginfo=info)
    assert inspect_picture(tmp_path / "b.png") == inspect_picture(tmp_path / "a.png")


def test_a_picture_has_its_name_only_once_it_is_whole(tmp_path, monkeypatch):
    """Whatever ends the run while it is written, nothing broken stands under its name."""
    made, picture = Made("polysee/dalle-nano", 1), np.zeros((64, 64, 3), np.uint8)

    def killed(path, content):
        with path.open("wb") as file:
            file.write(content[:50])
        raise SystemExit

    monkeypatch.setattr(Path, "write_bytes", killed)
    with pytest.raises(SystemExit):
        save_picture(tmp_path / "a.png", picture, made)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    first = save_picture(tmp_path / "a.png", picture, made)
    assert first == save_picture(tmp_path / "a.png", picture, made)
    assert save_picture(tmp_path / "a.png", picture + 9, made) == tmp_path / "a-2.png"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a-2.png", "a.png"]


def test_folders_whose_files_have_one_name_only_will_do(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refused)
    made = Made("polysee/dalle-nano", 1)
    file = save_picture(tmp_path / "a.png", np.zeros((64, 64, 3), np.uint8), made)
    assert [one.name for one in tmp_path.iterdir()] == [file.name]
