"""`--offline` opens no connection: a fresh process reports every attempt that Python makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[2] / "samples"

WATCHED = """
import json, os, sys
attempts = []
ASKS = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
sys.addaudithook(lambda event, given: attempts.append(event) if event in ASKS else None)
from polysee.cli.main import run
code = run(sys.argv[1:])
native = []
if os.path.isdir("/proc/self/fd"):  # Linux: sockets that were opened below Python
    tables = "".join(open(f"/proc/self/net/{kind}").read() for kind in ("tcp", "tcp6", "udp", "udp6"))
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:[") and f" {target[8:-1]} " in tables:
            native.append(target)
print(json.dumps({"code": code, "attempts": attempts, "native": native}), file=sys.stderr)
"""


@pytest.mark.parametrize("by", ["option", "environment"])
def test_indexing_and_searching_open_no_connection(tmp_path, by):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "owl.jpg").write_bytes((SAMPLES / "owl.jpg").read_bytes())
    library = str(tmp_path / "library")
    environment = {key: value for key, value in os.environ.items() if key != "POLYSEE_OFFLINE"}
    extra = ["--offline"]
    if by == "environment":
        environment["POLYSEE_OFFLINE"], extra = "1", []
    for arguments in (
        ["index", str(pictures), "--library", library, "--json"],
        ["search", "an owl", "--all", "--library", library, "--json"],
        ["classify", str(pictures / "owl.jpg"), "--labels", "owl,dog", "--json"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", WATCHED, *arguments, *extra],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=environment,
            check=True,
        )
        assert json.loads(done.stderr.splitlines()[-1]) == {
            "code": 0,
            "attempts": [],
            "native": [],
        }, done.stderr
