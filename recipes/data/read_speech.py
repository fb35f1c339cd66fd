"""LibriSpeech or AISHELL-1 to audio/speech-en or audio/speech-zh: read speech with its words.

Origin:  Panayotov et al.: LibriSpeech, ICASSP 2015; Bu et al.: AISHELL-1, O-COCOSDA 2017
Licence: CC BY 4.0 (LibriSpeech); Apache-2.0 (AISHELL-1, as OpenSLR gives it)
Archive: test-clean.tar.gz; or data_aishell.tgz, unpacked once (it holds a tar per speaker)

    python recipes/data/read_speech.py --source test-clean.tar.gz --out DATA
    python recipes/data/read_speech.py --source data_aishell --out DATA

30 clips of at most 11 seconds, chosen by the hash of their names, for checking transcription: there
is nothing to train on. Of AISHELL five speakers are looked at. Ours hold a few clips of other
origins. The transcripts have no punctuation.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

import pyarrow as pa
from _audio import opus
from _common import Archive, Report, Row, command, rank, write

from polysee.errors import DataError

SCHEMA = pa.schema(
    [
        ("audio", pa.binary()),
        ("text", pa.string()),
        ("language", pa.string()),
        ("speaker", pa.string()),
        ("clip", pa.string()),
        ("duration", pa.float32()),
        ("source", pa.string()),
        ("licence", pa.string()),
    ]
)
CLIPS, MAX_SECONDS, SPEAKERS = 30, 11.0, 5
ENGLISH = {"language": "en", "source": "LibriSpeech test-clean", "licence": "CC BY 4.0"}
CHINESE = {
    "language": "zh",
    "source": "AISHELL-1",
    "licence": "Apache-2.0 (AISHELL-1, OpenSLR 33)",
}


def librispeech(archive: Archive) -> dict[str, Row]:
    """`READER-CHAPTER.trans.txt` holds lines of `CLIP THE WORDS`."""
    found = {}
    for name in archive.names():
        if name.endswith(".trans.txt"):
            for line in archive.read(name).decode("utf-8").splitlines():
                clip, _, words = line.partition(" ")
                speaker = f"librispeech-{clip.split('-')[0]}"
                found[clip] = {"text": words.lower(), "speaker": speaker, **ENGLISH}
    return found


def aishell(archive: Archive) -> dict[str, Row]:
    """`aishell_transcript_v0.8.txt` holds lines of `CLIP words with spaces`."""
    found = {}
    for line in archive.text("aishell_transcript_v0.8.txt").splitlines():
        clip, _, words = line.partition(" ")
        text = "".join(words.split())
        found[clip] = {"text": text, "speaker": f"aishell-{clip[6:11]}", **CHINESE}
    return found


def clips_of(archive: Archive, notes: dict[str, Row]) -> Iterator[tuple[str, Archive, str]]:
    """Every clip that has words, as (clip, the archive that holds it, member)."""
    for name in archive.names():
        path = PurePosixPath(name)
        if path.suffix in (".flac", ".wav") and path.stem in notes:
            yield path.stem, archive, name
    speakers = sorted((name for name in archive.names() if name.endswith(".tar.gz")), key=rank)
    for name in speakers[:SPEAKERS]:  # each is held in memory
        yield from clips_of(archive.inner(name), notes)


def build(options: argparse.Namespace, report: Report) -> None:
    archive = Archive(options.source)
    is_english = any(name.endswith(".trans.txt") for name in archive.names())
    notes = librispeech(archive) if is_english else aishell(archive)
    rows: list[Row] = []
    for clip, holder, member in sorted(clips_of(archive, notes), key=lambda found: rank(found[0])):
        for name, data in holder.walk({member}, report):
            sound = opus(data, name, report)
            if sound is not None and sound[1] <= MAX_SECONDS:
                rows.append({**notes[clip], "clip": clip, "audio": sound[0], "duration": sound[1]})
        if len(rows) == CLIPS:
            break
    if not rows:
        raise DataError(f"{options.source}: holds no clip with a transcript")
    folder = "speech-en" if is_english else "speech-zh"
    write(options.out / "audio" / folder / "validation.parquet", rows, SCHEMA)


def main(argv: Sequence[str] | None = None) -> int:
    return command(__doc__, build, argv)


if __name__ == "__main__":
    sys.exit(main())
