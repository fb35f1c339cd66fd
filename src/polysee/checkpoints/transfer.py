"""One file over HTTP: resumed where it was cut off, and checked against the digest that its server names.

`huggingface_hub` resumes within one run only, and compares no digests; see docs/decisions.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
from huggingface_hub import get_session
from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]

from polysee.errors import CheckpointError

TRIES = 5  # in a row, without a byte gained
PAUSE = 1.0  # seconds between them
SILENCE = 30.0  # seconds without a byte before the connection counts as lost

Advance = Callable[[int], None]
"""Called with the bytes gained; a negative number where bytes had to be given up."""


@dataclass(frozen=True)
class Remote:
    """A file as its server describes it.

    Args:
        name: what messages call it.
        etag: a SHA-256 for large files, a git blob's SHA-1 for small ones; what has another form is not checked.
        size: in bytes; None where the server does not say.
    """

    name: str
    url: str
    etag: str
    size: int | None


def download(remote: Remote, part: Path, headers: Mapping[str, str], advance: Advance) -> None:
    """Bring a file to `part`, going on with what is there already.

    Raises:
        CheckpointError: the connection was lost for good (what has arrived stays, for the next call), or what
            arrives does not match its digest, twice.
        HfHubHTTPError: the server refuses.
    """
    for _ in range(
        2
    ):  # what came in pieces, from servers of unlike content perhaps, is tried once more as a whole
        _fill(remote, part, headers, advance)
        if matches(remote, part):
            return
        advance(-_size(part))
        part.unlink()
    raise CheckpointError(
        f"{remote.name} arrives damaged: its content does not match its checksum; "
        "try again later, or name another mirror in HF_ENDPOINT"
    )


def matches(remote: Remote, path: Path) -> bool:
    """Whether a file has the size and the digest that its server names."""
    if remote.size is not None and _size(path) != remote.size:
        return False
    if re.fullmatch(r"[0-9a-f]{64}", remote.etag):
        digest = hashlib.sha256()
    elif re.fullmatch(r"[0-9a-f]{40}", remote.etag):
        digest = hashlib.sha1(b"blob %d\0" % _size(path), usedforsecurity=False)
    else:
        return True
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest() == remote.etag


def _fill(remote: Remote, part: Path, headers: Mapping[str, str], advance: Advance) -> None:
    fruitless = 0
    while True:
        before = _size(part)
        try:
            _stream(remote, part, headers, advance)
            return
        except httpx2.TransportError as error:
            fruitless = 0 if _size(part) > before else fruitless + 1
            if fruitless >= TRIES:
                raise CheckpointError(
                    f"{remote.name}: the connection was lost after {_size(part) / 1e6:.1f} MB; "
                    "run the same command again to go on from there"
                ) from error
            time.sleep(PAUSE)


def _stream(remote: Remote, part: Path, headers: Mapping[str, str], advance: Advance) -> None:
    """One request for what is still missing."""
    have = _size(part)
    if remote.size is not None and have > remote.size:  # of another file, or written past its end
        part.unlink()
        advance(-have)
        have = 0
    if have and have == remote.size:
        return
    asked = {**headers, "Accept-Encoding": "identity"}
    if have:
        asked["Range"] = f"bytes={have}-"
    with get_session().stream(
        "GET", remote.url, headers=asked, follow_redirects=True, timeout=SILENCE
    ) as response:
        if response.status_code == 416:  # nothing left of a file of unknown size
            return
        hf_raise_for_status(response)
        goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if have and not (response.status_code == 206 and goes_on):  # the whole file comes after all
            advance(-have)
            have = 0
        with part.open("ab" if have else "wb") as file:
            for block in (
                response.iter_bytes()
            ):  # as they come: what waits for a full chunk is lost with the connection
                file.write(block)
                advance(len(block))
    if remote.size is not None and _size(part) < remote.size:
        raise httpx2.ReadError("the server ended the file too early")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
