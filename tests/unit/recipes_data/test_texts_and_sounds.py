"""The scripts for texts and sounds, each on a tiny archive of the original's shape."""

from __future__ import annotations

import io

import pytest


def run(script, name: str, **paths: object) -> int:
    return script(name).main(
        [word for key, path in paths.items() for word in (f"--{key}", str(path))]
    )


def test_pairs_that_share_a_sentence_are_in_one_split(script, tiny, tmp_path, capsys) -> None:
    lines = [f"Sentence {i}.\t第{i}句。\tCC-BY 2.0 #{i}" for i in range(100)]
    lines += ["Hi.\t你好。\tCC-BY 2.0 #a", "Hello.\t你好。\tCC-BY 2.0 #b"]
    lines += ["Hello.\t這個時候好。\tCC-BY 2.0 #c", "Hi.\t你好。\tCC-BY 2.0 #again", "only English"]
    source = tiny.make_zip(
        tmp_path / "cmn-eng.zip", {"cmn.txt": "\n".join(lines), "_about.txt": "about"}
    )
    assert run(script, "pairs_en_zh", source=source, out=tmp_path) == 1
    assert "line 105" in capsys.readouterr().err
    folder = tmp_path / "text/pairs-en-zh"
    parts = {path.stem: tiny.rows(path) for path in folder.iterdir()}
    assert {part: len(rows) for part, rows in parts.items()} == pytest.approx(
        {"train": 92, "validation": 5, "test": 6}, abs=3
    )
    assert sum(map(len, parts.values())) == 103  # the repeated pair once
    for language in ("en", "zh"):
        sentences = [{row[language] for row in rows} for rows in parts.values()]
        assert sum(map(len, sentences)) == len(set.union(*sentences))
    chinese = {row["zh"]: row for rows in parts.values() for row in rows}
    assert chinese["这个时候好。"]["attribution"] == "CC-BY 2.0 #c"


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("ChnSentiCorp_htl_all.csv", "hotel-reviews-zh"),
        ("waimai_10k.csv", "takeaway-reviews-zh"),
    ],
)
def test_reviews_zh(file, folder, script, tiny, tmp_path, capsys) -> None:
    lines = ["label,review", *(f'{i % 2},"第{i}条，还行"' for i in range(40))]
    lines += ['1,"第1条，还行"', "0,", "x,没有标签"]
    source = tmp_path / file
    source.write_text("\n".join(lines), encoding="utf-8-sig")
    assert run(script, "reviews_zh", source=source, out=tmp_path) == 1
    assert f"{file} row 44" in capsys.readouterr().err
    parts = {path.stem: tiny.rows(path) for path in (tmp_path / "text" / folder).iterdir()}
    assert {part: len(rows) for part, rows in parts.items()} == {
        "train": 32,
        "validation": 4,
        "test": 4,
    }
    assert sum(row["label"] for row in parts["train"]) == 16  # both labels in proportion
    columns = tiny.columns(tmp_path / "text" / folder / "train.parquet")
    assert columns == {"text": "string", "label": "int64"}


def test_movie_reviews_en(script, tiny, tmp_path) -> None:
    members = {
        f"rt-polaritydata/rt-polarity.{kind}": "\n".join(
            f"a {kind} film , number {i} \x85 clich\xe9s" for i in range(10)
        ).encode("latin-1")
        for kind in ("neg", "pos")
    }
    source = tiny.make_tar(tmp_path / "rt-polaritydata.tar.gz", members)
    assert run(script, "movie_reviews_en", source=source, out=tmp_path) == 0
    folder = tmp_path / "text/movie-reviews-en"
    found = [row for path in folder.iterdir() for row in tiny.rows(path)]
    assert len(found) == 20
    assert {row["label"] for row in found if " pos " in row["text"]} == {1}
    assert all(row["text"].endswith("… clichés") for row in found)


def test_tinystories(script, tmp_path, monkeypatch) -> None:
    source = tmp_path / "TinyStories-valid.txt"
    stories = [f"Once there was {i}.\n\nThe end." for i in range(9)]
    source.write_text("\n<|endoftext|>\n".join(stories), encoding="utf-8")
    monkeypatch.setattr(script("tinystories"), "STORIES", 4)
    module = script("tinystories")
    monkeypatch.setattr(module, "STORIES", 4)
    assert module.main(["--source", str(source), "--out", str(tmp_path)]) == 0
    text = (tmp_path / "text/plain-en/tinystories-sample.txt").read_text(encoding="utf-8")
    chosen = text.removesuffix("\n").split("\n<|endoftext|>\n")
    assert len(chosen) == 4
    assert set(chosen) <= set(stories)


def decoded(data: bytes) -> tuple[str, int, int, float]:
    import av

    with av.open(io.BytesIO(data)) as sound:
        stream = sound.streams.audio[0]
        samples = sum(frame.samples for frame in sound.decode(stream))
        return stream.codec_context.name, stream.channels, samples, samples / stream.rate


def test_esc_50(script, tiny, tmp_path, capsys) -> None:
    clips = {  # file: fold, category
        "1-10-A-0.wav": (1, "dog"),
        "4-11-A-10.wav": (4, "rain"),
        "5-12-A-0.wav": (5, "dog"),
        "4-13-B-36.wav": (4, "vacuum_cleaner"),
        "1-14-A-36.wav": (1, "vacuum_cleaner"),
        "2-15-A-0.wav": (2, "dog"),
    }
    meta = ["filename,fold,target,category,esc10,src_file,take"]
    meta += [f"{f},{fold},0,{category},True,1,A" for f, (fold, category) in clips.items()]
    credit = ["# ESC-50", "", "101 - Dog:"]
    for file in clips:
        clip = file.rpartition("-")[0]
        credit.append(
            f"- [{clip}.ogg]:  clip derived from {clip} [take 2].wav (by me) by me [CC-BY]"
        )
    top = "ESC-50-master"
    members: dict[str, bytes | str] = {f"{top}/audio/{file}": tiny.wav() for file in clips}
    members[f"{top}/audio/2-15-A-0.wav"] = b"RIFF and no more"
    members |= {f"{top}/meta/esc50.csv": "\n".join(meta), f"{top}/LICENSE": "\n".join(credit)}
    source = tiny.make_zip(tmp_path / "ESC-50-master.zip", members)

    assert run(script, "esc_50", source=source, out=tmp_path) == 1
    assert "audio/2-15-A-0.wav" in capsys.readouterr().err
    audio = tmp_path / "audio"
    found = {
        path.relative_to(audio).with_suffix("").as_posix(): tiny.rows(path)
        for path in audio.rglob("*.parquet")
    }
    assert {part: [row["clip"] for row in rows] for part, rows in found.items()} == {
        "esc-10/train": ["1-10-A"],
        "esc-10/validation": ["4-11-A"],
        "esc-10/test": ["5-12-A"],
        "sounds-other/train": ["4-13-B"],
    }
    row = found["esc-10/train"][0]
    assert (row["label"], row["label_zh"], row["fold"]) == (0, "狗叫", 1)
    assert (row["licence"], row["attribution"]) == ("CC-BY", "1-10-A [take 2].wav (by me) by me")
    assert found["sounds-other/train"][0]["label"] == 36
    codec, channels, _, seconds = decoded(row["audio"])
    assert (codec, channels) == ("opus", 1)
    assert seconds == pytest.approx(0.5, abs=0.03)
    assert row["audio"][:4] == b"OggS"


def test_sounds_are_encoded_alike_every_time(script, tiny) -> None:
    module, report = script("_audio"), script("_common").Report()
    first, second = (module.opus(tiny.wav(), "a.wav", report) for _ in range(2))
    assert first == second
    assert first[1] == pytest.approx(0.5, abs=0.01)


def test_speech_emotion_en(script, tiny, tmp_path, capsys) -> None:
    names = ["03-01-03-02-01-02-08", "03-01-06-01-02-01-17", "03-01-08-01-01-01-24"]
    members: dict[str, bytes | str] = {f"Actor_{n[-2:]}/{n}.wav": tiny.wav(0.3) for n in names}
    members |= {
        f"audio_speech/Actor_08/{names[0]}.wav": tiny.wav(0.3)
    }  # some copies have all twice
    members |= {"Actor_01/03-02-01-01-01-01-01.wav": tiny.wav(0.3)}  # a song
    members |= {"Actor_02/03-01-01-01-01-01-02.wav": b"no sound"}
    source = tiny.make_zip(tmp_path / "Audio_Speech_Actors_01-24.zip", members)

    assert run(script, "speech_emotion_en", source=source, out=tmp_path) == 1
    assert "03-01-01-01-01-01-02.wav" in capsys.readouterr().err
    folder = tmp_path / "audio/speech-emotion-en"
    parts = {path.stem: tiny.rows(path) for path in folder.iterdir()}
    clips = {part: [row["clip"] for row in rows] for part, rows in parts.items()}
    assert clips == {"train": names[:1], "validation": names[1:2], "test": names[2:]}
    row = dict(parts["train"][0])
    assert row.pop("audio")[:4] == b"OggS"
    assert row == {
        "label": 2,
        "label_en": "happy",
        "label_zh": "高兴",
        "actor": 8,
        "gender": "female",
        "intensity": "strong",
        "sentence": "Kids are talking by the door.",
        "take": 2,
        "clip": "03-01-03-02-01-02-08",
        "licence": "CC BY-NC-SA 4.0",
    }


def test_read_speech_english(script, tiny, tmp_path) -> None:
    folder = "LibriSpeech/test-clean/7729/102255"
    members = {
        f"{folder}/7729-102255.trans.txt": "7729-102255-0000 AT THE MARCH\n7729-102255-0001 LONG",
        f"{folder}/7729-102255-0000.wav": tiny.wav(0.4),
        f"{folder}/7729-102255-0001.wav": tiny.wav(11.5, 8000),
    }
    source = tiny.make_tar(tmp_path / "test-clean.tar.gz", members)
    assert run(script, "read_speech", source=source, out=tmp_path) == 0
    (row,) = tiny.rows(tmp_path / "audio/speech-en/validation.parquet")
    assert (row["text"], row["speaker"]) == ("at the march", "librispeech-7729")
    assert row["duration"] == pytest.approx(0.4, abs=0.01)


def test_read_speech_chinese(script, tiny, tmp_path) -> None:
    speaker = {"test/S0764/BAC009S0764W0121.wav": tiny.wav(0.4)}
    inner = tiny.make_tar(tmp_path / "S0764.tar.gz", speaker)
    members = {
        "data_aishell/wav/S0764.tar.gz": inner.read_bytes(),
        "data_aishell/transcript/aishell_transcript_v0.8.txt": "BAC009S0764W0121 甚至 出现 交易\n",
    }
    source = tiny.make_zip(tmp_path / "data_aishell.zip", members)
    assert run(script, "read_speech", source=source, out=tmp_path) == 0
    (row,) = tiny.rows(tmp_path / "audio/speech-zh/validation.parquet")
    assert (row["text"], row["speaker"]) == ("甚至出现交易", "aishell-S0764")
    assert row["language"] == "zh"
