"""A small server that speaks the hub's HTTP protocol, and a second one for its large files."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

Files = dict[str, bytes]


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Hub:
    """What the two servers hold, how they misbehave, and what was asked of them.

    Args:
        repos: for each `owner/name` and revision, the commit; for each commit, its files.
        private, gated: repositories that need the token `hf_good`; gated ones also consent.
        cuts: for the next requests of large files, after how many bytes the connection breaks; None: not at all.
        corrupt: how many of the next large files arrive with a wrong byte.
        ranges: whether a part of a file may be asked for.
        own_etags: name files by etags that are no digests, as some mirrors do.
        claimed_size: what large files are said to weigh, in place of the truth.
        broken: answer everything with this status.
        hold: while it is set, large files stop half way.
    """

    refs: dict[str, dict[str, str]] = field(default_factory=dict)
    commits: dict[str, Files] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    gated: set[str] = field(default_factory=set)
    cuts: list[int | None] = field(default_factory=list)
    corrupt: int = 0
    ranges: bool = True
    own_etags: bool = False
    claimed_size: int = 0
    broken: int = 0
    hold: threading.Event = field(default_factory=threading.Event)
    requests: list[Request] = field(default_factory=list)
    url: str = ""
    storage_url: str = ""

    def add(self, repo: str, files: Files, revision: str = "main") -> str:
        """Commit files to a repository and return the commit."""
        digest = hashlib.sha1(repr((repo, sorted(files.items()))).encode()).hexdigest()
        self.commits[digest] = files
        self.refs.setdefault(repo, {})[revision] = digest
        return digest

    def asked(self, method: str, ending: str) -> list[Request]:
        return [r for r in self.requests if r.method == method and r.path.endswith(ending)]

    def downloads(self) -> list[Request]:
        """The requests for bytes of files."""
        return [r for r in self.requests if r.method == "GET" and "/api/" not in r.path]


def is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".bin"))


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(
            Request(self.command, path, {k.lower(): v for k, v in self.headers.items()})
        )
        if self.hub.broken:
            self.reply(self.hub.broken, {})
        elif path.startswith("/storage/"):
            self.send_file(
                self.stored(path.removeprefix("/storage/")), {"ETag": '"storage"'}, large=True
            )
        else:
            self.answer(path)

    def answer(self, path: str) -> None:
        api = path.startswith("/api/models/")
        parts = path.removeprefix("/api/models").split("/")[1:]
        repo, rest = "/".join(parts[:2]), parts[2:]
        error = self.refusal(repo)
        if error:
            self.reply(error[0], {"X-Error-Code": error[1]} if error[1] else {})
            return
        revision = rest[1] if len(rest) > 1 else "main"
        commit = self.hub.refs[repo].get(revision, revision)
        if commit not in self.hub.commits:
            self.reply(404, {"X-Error-Code": "RevisionNotFound"})
        elif api:
            siblings = [{"rfilename": name} for name in self.hub.commits[commit]]
            document = {"id": repo, "sha": commit, "siblings": siblings, "private": False}
            self.reply(200, {"Content-Type": "application/json"}, json.dumps(document).encode())
        else:
            self.resolve(commit, "/".join(rest[2:]))

    def refusal(self, repo: str) -> tuple[int, str] | None:
        token = self.headers.get("Authorization")
        if repo not in self.hub.refs:
            return (404, "RepoNotFound") if token else (401, "")
        if token not in (None, "Bearer hf_good"):
            return (401, "")
        if repo in self.hub.private and token is None:
            return (401, "")
        if repo in self.hub.gated:
            return (403, "GatedRepo") if token else (401, "GatedRepo")
        return None

    def resolve(self, commit: str, name: str) -> None:
        content = self.hub.commits[commit].get(name)
        if content is None:
            self.reply(404, {"X-Error-Code": "EntryNotFound"})
        elif is_large(name) and not self.hub.own_etags:
            digest = hashlib.sha256(content).hexdigest()
            facts = {
                "X-Repo-Commit": commit,
                "X-Linked-Etag": f'"{digest}"',
                "X-Linked-Size": str(self.hub.claimed_size or len(content)),
            }
            self.reply(302, {**facts, "Location": f"{self.hub.storage_url}/storage/{digest}"})
        else:
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            etag = f"mirror/../{name}" if self.hub.own_etags else blob
            self.send_file(
                content, {"X-Repo-Commit": commit, "ETag": f'"{etag}"'}, large=is_large(name)
            )

    def stored(self, digest: str) -> bytes:
        every = (content for files in self.hub.commits.values() for content in files.values())
        return next(content for content in every if hashlib.sha256(content).hexdigest() == digest)

    def send_file(self, content: bytes, headers: dict[str, str], *, large: bool) -> None:
        if self.command == "HEAD":
            self.reply(200, headers, content, length=len(content))
            return
        start, status = 0, 200
        asked = self.headers.get("Range")
        if asked and self.hub.ranges:
            start, status = int(asked.removeprefix("bytes=").rstrip("-")), 206
            headers = {
                **headers,
                "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}",
            }
        body = content[start:]
        if large and self.hub.corrupt:
            self.hub.corrupt -= 1
            body = bytes([body[0] ^ 1]) + body[1:]
        cut = self.hub.cuts.pop(0) if large and self.hub.cuts else None
        self.reply(
            status, headers, body if cut is None else body[:cut], length=len(body), hold=large
        )
        if cut is not None:
            self.close_connection = True

    def reply(
        self,
        status: int,
        headers: dict[str, str],
        body: bytes = b"",
        length: int | None = None,
        hold: bool = False,
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command == "HEAD":
            return
        if hold and self.hub.hold.is_set():
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            while self.hub.hold.wait(0.05) and self.hub.hold.is_set():
                threading.Event().wait(0.05)
            self.close_connection = True
            return
        self.wfile.write(body)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The servers, running, and this process told to use them and a cache of its own."""
    state = Hub()
    handler = type("Bound", (Answer,), {"hub": state})
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
    threads = [
        threading.Thread(target=s.serve_forever, kwargs={"poll_interval": 0.02}) for s in servers
    ]
    for thread in threads:
        thread.start()
    state.url, state.storage_url = (f"http://127.0.0.1:{s.server_address[1]}" for s in servers)
    monkeypatch.setattr("polysee.checkpoints.transfer.PAUSE", 0.01)
    monkeypatch.setenv("HF_ENDPOINT", state.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "POLYSEE_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield state
    state.hold.clear()
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="session")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A model of CLIP's architecture, tiny, with random weights, and what a repository holds beside it."""
    import torch

    from polysee.checkpoints.folder import Card, save_folder
    from polysee.inputs.pixels import PixelRecipe
    from polysee.inputs.tokenizer import train_bpe
    from polysee.models.clip import Clip, ClipConfig, ClipTextConfig
    from polysee.models.vit import ViTConfig

    torch.manual_seed(0)
    image = ViTConfig(32, 16, 16, 1, 2, 24, "quick_gelu", patch_bias=False, input_norm=True)
    text = ClipTextConfig(320, 16, 1, 2, 24, 16, end_token=2)
    folder = tmp_path_factory.mktemp("model")
    save_folder(folder, Clip(ClipConfig(image, text, 8)), Card(PixelRecipe(32)))
    train_bpe(["a cat on a sofa", "一只猫"] * 3, 320).save(str(folder / "tokenizer.json"))
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return {
        **files,
        "README.md": b"# a model",
        "pytorch_model.bin": b"never wanted",
        "tf_model.h5": b"nor this",
    }
