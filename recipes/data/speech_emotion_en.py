"""RAVDESS to audio/speech-emotion-en: two sentences, acted in 8 emotions.

Origin:  Livingstone and Russo: RAVDESS, PLoS ONE 13(5), 2018; doi 10.5281/zenodo.1188976
Licence: CC BY-NC-SA 4.0
Archive: Audio_Speech_Actors_01-24.zip

    python recipes/data/speech_emotion_en.py --source Audio_Speech_Actors_01-24.zip --out DATA

Actors 1 to 16 are train, 17 to 20 validation, 21 to 24 test, so no voice is in two. Sound becomes
Ogg Opus, 16 kHz, mono.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import PurePosixPath

import pyarrow as pa
from _audio import opus
from _common import Archive, Report, Row, command, rank, read_labels, write

from polysee.errors import DataError

SCHEMA = pa.schema(
    [
        ("audio", pa.binary()),
        ("label", pa.int32()),
        ("label_en", pa.string()),
        ("label_zh", pa.string()),
        ("actor", pa.int32()),
        ("gender", pa.string()),
        ("intensity", pa.string()),
        ("sentence", pa.string()),
        ("take", pa.int32()),
        ("clip", pa.string()),
        ("licence", pa.string()),
    ]
)
SENTENCES = ("Kids are talking by the door.", "Dogs are sitting by the door.")


def describe(clip: str, labels: list[dict[str, str]]) -> Row | None:
    """What a clip's name says: modality-channel-emotion-intensity-sentence-take-actor.

    `03-01` is speech, sound only; the archive's other modalities and the songs give None.
    """
    if not re.fullmatch(r"03-01-0[1-8]-0[12]-0[12]-0[12]-(0[1-9]|1\d|2[0-4])", clip):
        return None
    emotion, intensity, sentence, take, actor = map(int, clip.split("-")[2:])
    label = labels[emotion - 1]
    return {
        "label": int(label["label"]),
        "label_en": label["label_en"],
        "label_zh": label["label_zh"],
        "actor": actor,
        "gender": "male" if actor % 2 else "female",
        "intensity": ("normal", "strong")[intensity - 1],
        "sentence": SENTENCES[sentence - 1],
        "take": take,
        "clip": clip,
        "licence": "CC BY-NC-SA 4.0",
    }


def build(options: argparse.Namespace, report: Report) -> None:
    archive, labels = Archive(options.source), read_labels("speech-emotion-en")
    notes: dict[str, Row] = {}
    for name in archive.names():
        note = describe(PurePosixPath(name).stem, labels) if name.endswith(".wav") else None
        if note is not None:
            notes[name] = note
    if not notes:
        raise DataError(f"{options.source}: holds no speech of RAVDESS; is it the right download?")

    rows: dict[str, list[Row]] = {"train": [], "validation": [], "test": []}
    seen: set[str] = set()  # the archive holds every clip twice, in two folders
    for name, data in archive.walk(notes, report):
        note = notes[name]
        if note["clip"] not in seen and (sound := opus(data, name, report)) is not None:
            seen.add(note["clip"])
            actor = note["actor"]
            part = "train" if actor <= 16 else "validation" if actor <= 20 else "test"
            rows[part].append({**note, "audio": sound[0]})
    for part, found in rows.items():
        found.sort(key=lambda row: rank(row["clip"]))
        write(options.out / "audio" / "speech-emotion-en" / f"{part}.parquet", found, SCHEMA)


def main(argv: Sequence[str] | None = None) -> int:
    return command(__doc__, build, argv)


if __name__ == "__main__":
    sys.exit(main())
