"""Archives are read in place, splits never change, and the real data has the promised columns."""

from __future__ import annotations

import doctest
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

SCRIPTS = Path(__file__).parents[3] / "recipes" / "data"
DATA = Path(os.environ.get("POLYSEE_DATA", "../shared/data"))
# `scenes_art` and `gazetteer` make what is shipped, and take no archive.
NAMES = sorted(
    path.stem
    for path in SCRIPTS.glob("*.py")
    if not path.stem.startswith("_") and path.stem not in ("scenes_art", "gazetteer")
)

TEXT_LISTS = {
    "captions_en": "list<element: string>",
    "captions_zh": "list<element: string>",
    "captions_zh_translated": "list<element: string>",
}
LABELS = {"label": "int32", "label_en": "string", "label_zh": "string"}
# Written by hand from the files that the recipes were made with.
EXPECTED = {
    "photos/tiny-imagenet/train-0": {"image": "binary", **LABELS, "wnid": "string"},
    "photos/caltech-101/train": {"image": "binary", **LABELS, "wnid": "string"},
    "photos/voc-scenes/train": {
        "id": "string",
        "image": "binary",
        "width": "int32",
        "height": "int32",
        "boxes": "string",
        "labels_en": "list<element: string>",
        "labels_zh": "list<element: string>",
    },
    "captions/flickr8k/train-0": {"image": "binary", "file": "string", **TEXT_LISTS},
    "captions/coco-subset/train-0": {
        "image": "binary",
        "file": "string",
        **TEXT_LISTS,
        "id": "string",
    },
    "art/art": {
        "image": "binary",
        "style": "string",
        "emoji": "string",
        "name_en": "string",
        "name_zh": "string",
        "tags_en": "list<element: string>",
        "tags_zh": "list<element: string>",
        "group": "string",
        "subgroup": "string",
    },
    "text/pairs-en-zh/train": {"en": "string", "zh": "string", "attribution": "string"},
    "text/hotel-reviews-zh/train": {"text": "string", "label": "int64"},
    "text/takeaway-reviews-zh/train": {"text": "string", "label": "int64"},
    "text/movie-reviews-en/train": {"text": "string", "label": "int64"},
    "audio/esc-10/train": {
        "audio": "binary",
        **LABELS,
        "category": "string",
        "fold": "int32",
        "clip": "string",
        "licence": "string",
        "attribution": "string",
    },
    "audio/speech-emotion-en/train": {
        "audio": "binary",
        **LABELS,
        "actor": "int32",
        "gender": "string",
        "intensity": "string",
        "sentence": "string",
        "take": "int32",
        "clip": "string",
        "licence": "string",
    },
    "audio/speech-en/validation": {
        "audio": "binary",
        "text": "string",
        "language": "string",
        "speaker": "string",
        "clip": "string",
        "duration": "float",
        "source": "string",
        "licence": "string",
    },
    "faces/expressions/train": {
        "id": "string",
        "image": "binary",
        **LABELS,
        "agreement": "float",
        "votes": "string",
    },
    "faces/identities/orl": {"id": "string", "image": "binary", "person": "int32"},
}
EXPECTED["audio/sounds-other/train"] = EXPECTED["audio/esc-10/train"]
EXPECTED["audio/speech-zh/validation"] = EXPECTED["audio/speech-en/validation"]
SCHEMA_OF = {  # which script writes which
    "tiny_imagenet": "photos/tiny-imagenet/train-0",
    "caltech_101": "photos/caltech-101/train",
    "voc_scenes": "photos/voc-scenes/train",
    "flickr8k": "captions/flickr8k/train-0",
    "coco_subset": "captions/coco-subset/train-0",
    "emoji_art": "art/art",
    "pairs_en_zh": "text/pairs-en-zh/train",
    "esc_50": "audio/esc-10/train",
    "speech_emotion_en": "audio/speech-emotion-en/train",
    "read_speech": "audio/speech-en/validation",
    "expressions": "faces/expressions/train",
    "identities": "faces/identities/orl",
}


@pytest.mark.data
@pytest.mark.parametrize("name", EXPECTED)
def test_the_files_that_the_recipes_used_have_these_columns(name, tiny) -> None:
    path = DATA / f"{name}.parquet"
    if not path.is_file():
        pytest.skip(f"no {path}: set POLYSEE_DATA")
    assert tiny.columns(path) == EXPECTED[name]


@pytest.mark.parametrize("name", SCHEMA_OF)
def test_each_script_writes_these_columns_in_this_order(name, script, tiny, tmp_path) -> None:
    script("_common").write(tmp_path / "empty.parquet", [], script(name).SCHEMA)
    found = tiny.columns(tmp_path / "empty.parquet")
    assert found == EXPECTED[SCHEMA_OF[name]]
    assert list(found) == list(EXPECTED[SCHEMA_OF[name]])


@pytest.mark.parametrize("name", ["_common", "flickr8k"])
def test_examples_run(name, script) -> None:
    result = doctest.testmod(script(name))
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize("name", NAMES)
def test_each_header_states_origin_licence_archive_and_command(name, script) -> None:
    about = script(name).__doc__
    for word in ("Origin:", "Licence:", "Archive:", f"recipes/data/{name}.py --source"):
        assert word in about


def test_a_script_runs_as_a_program(tmp_path, tiny) -> None:
    members = {f"101_ObjectCategories/ant/image_000{i}.jpg": tiny.jpeg() for i in range(4)}
    source = tiny.make_tar(tmp_path / "101_ObjectCategories.tar.gz", members)
    command = [sys.executable, str(SCRIPTS / "caltech_101.py")]
    paths = ["--source", str(source), "--out", str(tmp_path / "out")]
    done = subprocess.run([*command, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert (tmp_path / "out/photos/caltech-101/train.parquet").is_file()


@pytest.mark.parametrize("packing", ["folder", "zip", "tar", "tar.gz"])
def test_an_archive_reads_the_same_however_it_is_packed(packing, script, tiny, tmp_path) -> None:
    members = {"top/a.txt": "one", "top/deep/b.txt": "two", "__MACOSX/top/._a.txt": "litter"}
    path = tmp_path / f"archive.{packing}"
    if packing == "folder":
        for name, text in members.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(text, encoding="utf-8")
    else:
        (tiny.make_zip if packing == "zip" else tiny.make_tar)(path, members)
    common = script("_common")
    archive, report = common.Archive(path), common.Report()
    assert archive.names() == ["top/a.txt", "top/deep/b.txt"]
    assert archive.text("b.txt") == "two"
    assert dict(archive.walk({"top/a.txt"}, report)) == {"top/a.txt": b"one"}
    assert not report.bad


def test_a_hostile_archive_writes_nothing_outside(script, tiny, tmp_path) -> None:
    path = tmp_path / "hostile.tar"
    with tarfile.open(path, "w") as archive:
        link = tarfile.TarInfo("101_ObjectCategories/ant/link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for name in ("../../ant/escaped.jpg", "/tmp/ant/absolute.jpg"):
            info, data = tarfile.TarInfo(name), tiny.jpeg()
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    out = tmp_path / "deep" / "er" / "out"
    script("caltech_101").main(["--source", str(path), "--out", str(out)])
    written = {file.name for file in tmp_path.rglob("*") if file.is_file()}
    assert written == {"hostile.tar", "train.parquet", "validation.parquet", "test.parquet"}


def test_a_member_larger_than_allowed_is_refused(script, tiny, tmp_path, monkeypatch) -> None:
    common = script("_common")
    monkeypatch.setattr(common, "MAX_MEMBER", 100)
    path = tiny.make_zip(tmp_path / "bomb.zip", {"a.txt": b"0" * 101})
    with pytest.raises(common.DataError, match=r"bomb\.zip: a\.txt: too large"):
        common.Archive(path).read("a.txt")


def test_a_source_that_is_cut_short_is_an_error_that_names_it(
    script, tiny, tmp_path, capsys
) -> None:
    whole = tiny.make_tar(tmp_path / "whole.tar.gz", {"a/ant/x.jpg": tiny.jpeg(size=(300, 300))})
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole.read_bytes()[:-40])
    for source in (cut, tmp_path / "absent.zip"):
        status = script("caltech_101").main(["--source", str(source), "--out", str(tmp_path)])
        assert status == 2
        assert source.name in capsys.readouterr().err


def test_splits_are_fixed_disjoint_and_complete(script) -> None:
    split = script("_common").split
    names = [f"image_{i:04d}.jpg" for i in range(200)]
    parts = split(names, 0.7, 0.15)
    assert [len(part) for part in parts] == [140, 30, 30]
    assert sorted(name for part in parts for name in part) == names
    assert parts == split(reversed(names), 0.7, 0.15)
    # by sha256sum: another order would move pictures between train and test
    assert parts[0][:3] == ["image_0028.jpg", "image_0121.jpg", "image_0096.jpg"]


def test_a_file_is_whole_or_absent(script, tmp_path) -> None:
    common = script("_common")
    path = tmp_path / "x.parquet"
    schema = common.pa.schema([("n", common.pa.int32())])
    common.write(path, [{"n": 1}], schema)
    with pytest.raises(common.pa.ArrowInvalid):
        common.write(path, [{"n": "no number"}], schema)
    assert pq.read_table(path).to_pylist() == [{"n": 1}]
