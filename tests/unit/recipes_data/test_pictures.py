"""The scripts for pictures, each on a tiny archive of the original's shape."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

CUT = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00 and no more"


def run(script, name: str, **paths: object) -> int:
    return script(name).main(
        [word for key, path in paths.items() for word in (f"--{key}", str(path))]
    )


def test_caltech_101(script, tiny, tmp_path, capsys) -> None:
    folder = "101_ObjectCategories"
    members = {f"{folder}/ant/image_{i:04d}.jpg": tiny.jpeg("red", (300, 200)) for i in range(20)}
    members |= {f"{folder}/Faces/image_{i:04d}.jpg": tiny.jpeg("blue", (60, 90)) for i in range(20)}
    members |= {f"{folder}/BACKGROUND_Google/image_0001.jpg": tiny.jpeg()}
    members |= {f"{folder}/Faces_easy/image_0001.jpg": tiny.jpeg()}
    members |= {f"{folder}/ant/image_9999.jpg": CUT}
    inner = tiny.make_tar(tmp_path / "inner.tar.gz", members)
    whole = {f"caltech-101/{folder}.tar.gz": inner.read_bytes(), "caltech-101/show.m": "%"}
    source = tiny.make_zip(tmp_path / "caltech-101.zip", whole)

    assert run(script, "caltech_101", source=source, out=tmp_path) == 1
    assert f"{folder}/ant/image_9999.jpg" in capsys.readouterr().err
    parts = {
        part: tiny.rows(tmp_path / f"photos/caltech-101/{part}.parquet")
        for part in ("train", "validation", "test")
    }
    assert {part: len(rows) for part, rows in parts.items()} == pytest.approx(
        {"train": 28, "validation": 6, "test": 6}, abs=1
    )
    assert sum(map(len, parts.values())) == 40
    kinds = {row["wnid"]: row for rows in parts.values() for row in rows}
    assert set(kinds) == {"ant", "Faces"}
    assert (kinds["Faces"]["label"], kinds["Faces"]["label_zh"]) == (0, "人脸")
    shown = tiny.picture(kinds["ant"]["image"])
    assert (shown.format, shown.size) == ("WEBP", (144, 96))
    assert tiny.picture(kinds["Faces"]["image"]).size == (60, 90)  # never enlarged


def test_tiny_imagenet(script, tiny, tmp_path, capsys) -> None:
    top, fish, frog = "tiny-imagenet-200", "n01443537", "n01641577"
    members = {
        f"{top}/train/{wnid}/images/{wnid}_{i}.JPEG": tiny.jpeg(size=(64, 64))
        for wnid in (fish, frog)
        for i in range(10)
    }
    members[f"{top}/train/{fish}/{fish}_boxes.txt"] = "not a picture"
    notes = []
    for i in range(8):
        members[f"{top}/val/images/val_{i}.JPEG"] = tiny.jpeg(size=(64, 64)) if i else CUT
        notes.append(f"val_{i}.JPEG\t{(fish, frog)[i % 2]}\t0\t0\t63\t63")
    members[f"{top}/val/val_annotations.txt"] = "\n".join(notes)
    members[f"{top}/test/images/test_0.JPEG"] = tiny.jpeg(size=(64, 64))
    source = tiny.make_zip(tmp_path / "tiny-imagenet-200.zip", members)

    assert run(script, "tiny_imagenet", source=source, out=tmp_path) == 1
    assert "val/images/val_0.JPEG" in capsys.readouterr().err
    folder = tmp_path / "photos/tiny-imagenet"
    found = {path.stem: tiny.rows(path) for path in folder.iterdir()}
    assert sorted(found) == ["test", "train-0", "train-1", "train-2", "validation"]
    for shard in ("train-0", "train-1", "train-2"):
        assert sorted(row["wnid"] for row in found[shard]) == [fish, fish, frog, frog]
    assert len(found["validation"]) + len(found["test"]) == 7
    row = next(row for row in found["train-0"] if row["wnid"] == fish)
    assert (row["label"], row["label_en"], row["label_zh"]) == (0, "goldfish", "金鱼")
    assert tiny.picture(row["image"]).size == (64, 64)


def annotation(*things: tuple[str, tuple[int, int, int, int], int]) -> str:
    objects = "".join(
        f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>{box[0]}</xmin>"
        f"<ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"
        for name, box, difficult in things
    )
    size = "<size><width>500</width><height>250</height><depth>3</depth></size>"
    return f"<annotation>{size}{objects}</annotation>"


def test_voc_scenes(script, tiny, tmp_path, capsys) -> None:
    top = "VOCdevkit/VOC2007"
    notes = annotation(
        ("person", (1, 1, 50, 50), 0),
        ("diningtable", (101, 51, 500, 250), 0),
        ("person", (201, 1, 300, 100), 0),
        ("sofa", (1, 1, 500, 250), 1),
    )
    members: dict[str, bytes | str] = {}
    for i in range(1, 21):
        members[f"{top}/JPEGImages/{i:06d}.jpg"] = tiny.jpeg("green", (500, 250))
        members[f"{top}/Annotations/{i:06d}.xml"] = notes
    members[f"{top}/Annotations/000003.xml"] = "<annotation>"
    members[f"{top}/Annotations/000004.xml"] = '<!DOCTYPE a [<!ENTITY b "c">]><annotation/>'
    members[f"{top}/JPEGImages/000005.jpg"] = CUT
    source = tiny.make_tar(tmp_path / "VOCtrainval_06-Nov-2007.tar", members)

    assert run(script, "voc_scenes", source=source, out=tmp_path) == 1
    told = capsys.readouterr().err
    for member in ("Annotations/000003.xml", "Annotations/000004.xml", "JPEGImages/000005.jpg"):
        assert member in told
    folder = tmp_path / "photos/voc-scenes"
    found = [row for path in folder.iterdir() for row in tiny.rows(path)]
    assert len({row["id"] for row in found}) == len(found) == 17
    row = found[0]
    assert (row["width"], row["height"]) == tiny.picture(row["image"]).size == (256, 128)
    assert row["labels_en"] == ["dining table", "person"]  # by size; the sofa is difficult
    assert row["labels_zh"] == ["餐桌", "人"]
    boxes = json.loads(row["boxes"])
    assert boxes[1] == {
        "en": "dining table",
        "zh": "餐桌",
        "box": [0.2, 0.2, 1, 1],
        "difficult": False,
    }
    assert boxes[3]["difficult"] is True


def test_flickr8k(script, tiny, tmp_path, capsys) -> None:
    files = ["1_a.jpg", "2_b.jpg", "3_c.jpg", "4_d.jpg", "5_e.jpg"]
    pictures = {f"Flicker8k_Dataset/{file}": tiny.jpeg("red", (500, 333)) for file in files}
    pictures["Flicker8k_Dataset/2_b.jpg"] = CUT
    pictures["Flicker8k_Dataset/9_in_no_split.jpg"] = tiny.jpeg()
    english = ['A dog \'s toy , called " Bo " .', "A dog plays", "A dog plays"]
    tokens = [f"{file}#{n}\t{text}" for file in files for n, text in enumerate(english)]
    text = {
        "Flickr8k.token.txt": "\n".join([*tokens, "6_f.jpg.1#0\tnot a picture's name"]),
        "Flickr_8k.trainImages.txt": "3_c.jpg\n1_a.jpg\n2_b.jpg\n6_f.jpg\n",
        "Flickr_8k.devImages.txt": "4_d.jpg\n",
        "Flickr_8k.testImages.txt": "5_e.jpg\n",
    }
    chinese = tmp_path / "flickr8kcn"
    (chinese / "data").mkdir(parents=True)
    (chinese / "data/flickr8kzhc.caption.txt").write_text(
        "1_a.jpg#zhc#0 一只狗在玩。\n1_a.jpg#zhc#1 狗和玩具。\n", encoding="utf-8"
    )
    (chinese / "data/flickr8kzhb.caption.txt.v20160815").write_text(
        "1_a.jpg#zhb#0 一只狗在玩具上玩。\n1_a.jpg#zhb#1 在BMX自行车上的狗。\n", encoding="utf-8"
    )
    paths = {
        "source": tiny.make_zip(tmp_path / "Flickr8k_Dataset.zip", pictures),
        "text": tiny.make_zip(tmp_path / "Flickr8k_text.zip", text),
        "chinese": chinese,
        "out": tmp_path,
    }
    assert run(script, "flickr8k", **paths) == 1
    assert "Flicker8k_Dataset/2_b.jpg" in capsys.readouterr().err
    folder = tmp_path / "captions/flickr8k"
    found = {path.stem: tiny.rows(path) for path in folder.iterdir()}
    files_of = {part: [row["file"] for row in rows] for part, rows in found.items()}
    assert files_of == {
        "train-0": ["3_c.jpg", "1_a.jpg"],  # the official order
        "train-1": [],
        "validation": ["4_d.jpg"],
        "test": ["5_e.jpg"],
    }
    row = found["train-0"][1]
    assert row["captions_en"] == ['A dog\'s toy, called "Bo".', "A dog plays"]
    assert row["captions_zh"] == ["一只狗在玩。", "狗和玩具。"]
    assert row["captions_zh_translated"] == ["一只狗在玩具上玩。"]
    assert tiny.picture(row["image"]).size == (128, 128)
    assert found["validation"][0]["captions_zh"] == []


def test_coco_subset(script, tiny, tmp_path) -> None:
    members = {f"train2017/{i:012d}.jpg": tiny.jpeg("blue", (640, 480)) for i in range(1, 9)}
    captions = {
        "annotations": [
            {"image_id": i, "caption": text}
            for i in range(2, 9)
            for text in (f"Number {i} \n on a plate.", "A plate.")
        ]
    }
    chinese = "COCO_train2014_000000000001#0\t盘子上的一\nCOCO_val2014_000000000002#0\t盘子上的二\n"
    member = "coco-cn-version1805v1.1/imageid.human-written-caption.txt"
    paths = {
        "source": tiny.make_zip(tmp_path / "train2017.zip", members),
        "captions": tiny.make_zip(
            tmp_path / "annotations.zip",
            {"annotations/captions_train2017.json": json.dumps(captions), "a/instances.json": "{}"},
        ),
        "chinese": tiny.make_tar(tmp_path / "coco-cn.tar.gz", {member: chinese}),
        "out": tmp_path,
    }
    assert run(script, "coco_subset", **paths) == 0
    folder = tmp_path / "captions/coco-subset"
    found = {row["file"]: row for path in folder.iterdir() for row in tiny.rows(path)}
    assert len(found) == 8
    assert found["000000000001.jpg"]["captions_en"] == []
    second = found["000000000002.jpg"]
    assert second["captions_en"] == ["Number 2 on a plate.", "A plate."]
    assert (second["captions_zh"], second["id"]) == (["盘子上的二"], "coco-000000000002")
    assert tiny.picture(second["image"]).size == (213, 160)


def test_emoji_art(script, tiny, tmp_path, capsys) -> None:
    red = (255, 0, 0, 255)
    noto = {
        f"noto-emoji-main/png/128/emoji_u{code}.png": tiny.png(red) for code in ("1f600", "1f577")
    }
    noto["noto-emoji-main/png/512/emoji_u1f600.png"] = tiny.png(red)
    noto["noto-emoji-main/png/128/emoji_u1f476.png"] = tiny.png(red)
    noto["noto-emoji-main/png/128/emoji_u1f603.png"] = tiny.png(red)[:60]
    assets = {
        "Grinning face": ("1f600", "3D/grinning_face_3d.png"),
        "Grinning face with big eyes": ("1f603", "3D/big_eyes_3d.png"),
        "Spider": ("1f577 fe0f", "3D/spider_3d.png"),
        "Baby": ("1f476", "Default/3D/baby_3d_default.png"),
    }
    fluent: dict[str, bytes | str] = {}
    for folder, (code, file) in assets.items():
        fluent[f"assets/{folder}/metadata.json"] = json.dumps({"unicode": code})
        fluent[f"assets/{folder}/{file}"] = tiny.png((0, 0, 255, 0), (256, 256))
    fluent["assets/Baby/Dark/3D/baby_3d_dark.png"] = tiny.png(red)
    english = [
        {"hexcode": code, "emoji": chr(int(code[:5], 16)), "label": name, "group": 0, "subgroup": 0}
        for code, name in {
            "1F600": "grinning face",
            "1F603": "big eyes",
            "1F577-FE0F": "spider",
            "1F476": "baby",
        }.items()
    ]
    english[0]["tags"] = ["happy"]
    chinese = [
        {"hexcode": entry["hexcode"], "label": "名字", "tags": ["高兴"]} for entry in english
    ]
    groups = {"groups": {"0": "smileys-emotion"}, "subgroups": {"0": "face-smiling"}}
    names = {
        "package/en/data.json": json.dumps(english),
        "package/zh/data.json": json.dumps(chinese),
        "package/meta/groups.json": json.dumps(groups),
    }
    paths = {
        "source": tiny.make_zip(tmp_path / "noto-emoji.zip", noto),
        "fluent": tiny.make_zip(tmp_path / "fluentui-emoji.zip", fluent),
        "names": tiny.make_tar(tmp_path / "emojibase-data.tgz", names),
        "out": tmp_path,
    }
    assert run(script, "emoji_art", **paths) == 1
    assert "emoji_u1f603.png" in capsys.readouterr().err
    found = tiny.rows(tmp_path / "art/art.parquet")
    assert [(row["name_en"], row["style"]) for row in found] == [
        ("grinning face", "noto"),
        ("grinning face", "fluent"),
        ("big eyes", "fluent"),
        ("baby", "noto"),
        ("baby", "fluent"),
        ("spider", "noto"),
        ("spider", "fluent"),
    ]
    assert (found[0]["tags_en"], found[0]["tags_zh"]) == (["happy"], ["高兴"])
    shown = tiny.picture(found[1]["image"])
    assert (shown.mode, shown.size) == ("RGBA", (128, 128))
    assert shown.getextrema()[3] == (0, 0)  # transparency is kept


def test_expressions(script, tiny, tmp_path, capsys) -> None:
    columns = ["neutral", "happiness", "surprise", "sadness", "anger"]
    columns += ["disgust", "fear", "contempt", "unknown", "NF"]
    votes = [{"neutral": 6, "anger": 4}, {"happiness": 5, "fear": 5}, {"contempt": 8, "sadness": 2}]
    votes += [{"fear": 9, "NF": 1}, {"happiness": 10}]
    pixels = [" ".join(["120"] * 48 * 48)] * 4 + ["1 2 3"]
    source, second = tmp_path / "fer2013.csv", tmp_path / "fer2013new.csv"
    with source.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [["emotion", "pixels", "Usage"], *([0, p, "Training"] for p in pixels)]
        )
    with second.open("w", encoding="utf-8", newline="") as file:
        lines = [["Training", "", *(vote.get(column, 0) for column in columns)] for vote in votes]
        csv.writer(file).writerows([["Usage", "Image name", *columns], *lines])

    assert run(script, "expressions", source=source, votes=second, out=tmp_path) == 1
    assert "fer0000004" in capsys.readouterr().err
    folder = tmp_path / "faces/expressions"
    found = {row["id"]: row for path in folder.iterdir() for row in tiny.rows(path)}
    assert sorted(found) == ["fer0000000", "fer0000003"]  # a tie and contempt are left out
    row = found["fer0000000"]
    assert (row["label"], row["label_en"], row["label_zh"]) == (0, "neutral", "平静")
    assert row["agreement"] == pytest.approx(0.6)
    assert json.loads(row["votes"]) == {"neutral": 6, "angry": 4}
    assert json.loads(found["fer0000003"]["votes"]) == {"fearful": 9, "not a face": 1}
    assert np.abs(np.asarray(tiny.picture(row["image"])).astype(int) - 120).max() <= 2


def test_identities(script, tiny, tmp_path, capsys) -> None:
    def pgm(value: int) -> bytes:
        return b"P5\n92 112\n255\n" + bytes([value]) * (92 * 112)

    members = {f"s{person}/{i}.pgm": pgm(person) for person in (1, 2, 31) for i in (1, 2, 10)}
    members["s2/3.pgm"] = pgm(9)[:100]
    members["README"] = "The ORL Database of Faces"
    source = tiny.make_zip(tmp_path / "att_faces.zip", members)

    assert run(script, "identities", source=source, out=tmp_path) == 1
    assert "s2/3.pgm" in capsys.readouterr().err
    found = tiny.rows(tmp_path / "faces/identities/orl.parquet")
    assert [row["id"] for row in found] == ["s1-1", "s1-2", "s1-10", "s2-1", "s2-2", "s2-10"]
    assert tiny.picture(found[3]["image"]).getextrema() == ((2, 2),) * 3  # without loss
    assert len(tiny.rows(tmp_path / "faces/identities/orl-test.parquet")) == 3
