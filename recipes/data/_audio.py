"""Any sound file to Ogg Opus, 16 kHz, mono, 24 kbit/s: what the `audio` columns hold."""

from __future__ import annotations

from io import BytesIO

from _common import Report

RATE = 16000
BITS_PER_SECOND = 24000
MAX_SECONDS = 600


def opus(data: bytes, member: str, report: Report) -> tuple[bytes, float] | None:
    """Encode a sound; None after naming the member that is no whole sound.

    Returns:
        the Ogg Opus file, and its length in seconds.
    """
    import av  # only the sound scripts need it

    file, samples = BytesIO(), 0
    try:
        with (
            av.open(BytesIO(data)) as source,
            # bitexact: the stream's serial number would be random, and no two runs equal
            av.open(file, "w", format="ogg", options={"fflags": "+bitexact"}) as sink,
        ):
            stream = sink.add_stream("libopus", rate=RATE, layout="mono")
            stream.bit_rate = BITS_PER_SECOND
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            for frame in source.decode(audio=0):
                for piece in resampler.resample(frame):
                    samples += piece.samples
                    if samples > MAX_SECONDS * RATE:
                        raise ValueError(f"longer than {MAX_SECONDS} seconds")
                    sink.mux(stream.encode(piece))
            for piece in resampler.resample(None):
                samples += piece.samples
                sink.mux(stream.encode(piece))
            if samples == 0:
                raise ValueError("no sound in it")
            sink.mux(stream.encode(None))
    except (av.FFmpegError, ValueError, IndexError) as error:
        report.skip(member, f"not a whole sound ({error})")
        return None
    return file.getvalue(), samples / RATE
