"""From `owner/name[@revision]` to a model folder: Hugging Face's hub, or a mirror of it, named in `HF_ENDPOINT`.

Files lie in the cache that `huggingface_hub`, `transformers` and others share (`HF_HOME`, `HF_HUB_CACHE`), so that
nothing is downloaded twice. What is there is used without asking anyone; `refresh` asks for what is newest.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polysee.checkpoints.pipelines import INDEX, pipeline_files, read_index
from polysee.errors import CheckpointError, ConfigError, OfflineError

if TYPE_CHECKING:
    from polysee.checkpoints.transfer import Remote

Progress = Callable[[int, int], None]
"""Called with the bytes that are here and their total."""

NAME = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(?:@(?P<revision>\w[\w./+-]*))?", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")

# The first form of weights that is there is taken, and no other: safetensors before pickles, one file before several.
WEIGHTS = (
    re.compile(r"model\.safetensors"),
    re.compile(r"model-\d+-of-\d+\.safetensors|model\.safetensors\.index\.json"),
    re.compile(r"pytorch_model\.bin"),
    re.compile(r"pytorch_model-\d+-of-\d+\.bin|pytorch_model\.bin\.index\.json"),
)
BESIDE_WEIGHTS = frozenset(
    {
        "config.json", "polysee.json", "calibration.json", "calibration.safetensors",
        "preprocessor_config.json", "processor_config.json", "generation_config.json",
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "vocab.json", "vocab.txt", "merges.txt", "tokenizer.model", "spiece.model",
    }
)  # fmt: skip


def is_hub_name(name: str) -> bool:
    """Whether a name has the form `owner/name` or `owner/name@revision`.

    Example:
        >>> is_hub_name("openai/clip-vit-base-patch32@main"), is_hub_name("./clip"), is_hub_name("a/b/c")
        (True, False, False)
    """
    return NAME.fullmatch(name) is not None and ".." not in name


def is_offline() -> bool:
    """Whether `--offline`, `POLYSEE_OFFLINE` or `HF_HUB_OFFLINE` forbids connections."""
    asked = (os.environ.get(key, "") for key in ("POLYSEE_OFFLINE", "HF_HUB_OFFLINE"))
    return any(value.strip().lower() in ("1", "true", "yes", "on") for value in asked)


def fetch(name: str, *, refresh: bool = False, progress: Progress | None = None) -> Path:
    """The folder of a hub model, downloaded if it is not here.

    Args:
        name: `owner/name`, or `owner/name@revision`: a branch, a tag or a commit.
        refresh: ask the hub for the newest commit of the revision, and check what is here.
        progress: called while files are transferred.
    Raises:
        ConfigError: `name` has another form.
        OfflineError: a download is needed, and offline mode forbids it.
        CheckpointError: there is no such model or revision, access is denied, the hub cannot be reached, or a file
            arrives damaged.
    Example:
        >>> fetch("openai/clip-vit-base-patch32")  # doctest: +SKIP
        PosixPath('.../models--openai--clip-vit-base-patch32/snapshots/3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268')
    """
    if not is_hub_name(name):
        raise ConfigError(f"{name}: not a model's name; write owner/name or owner/name@revision")
    found = cached(name)
    if found and not (refresh and not is_offline()):
        return found
    if is_offline():
        found = found or cached(name, complete=False)
        if found:
            return found
        raise OfflineError(
            f"{name} is not on this machine, and offline mode forbids the download: "
            f"run `polysee models download {name}` while online"
        )
    try:
        return _Download(name, progress).run(check=refresh)
    except _Unreachable as error:
        found = found or cached(name, complete=False)
        if found and not refresh:
            return found
        raise CheckpointError(str(error)) from error.__cause__


def cached(name: str, *, complete: bool = True) -> Path | None:
    """The folder of a hub model if it is here; no connection is made.

    Args:
        complete: only a folder that `fetch` has filled, every file of its right size. Otherwise also one that
            another program has left with a configuration and weights, perhaps without the rest.
    """
    place = _Place.of(name)
    commit = place.commit()
    if commit is None:
        return None
    folder = place.snapshot(commit)
    record = place.record(commit)
    if record.is_file():
        sizes = json.loads(record.read_text(encoding="utf-8"))
        if all(_has_size(folder / file, size) for file, size in sizes.items()):
            return folder
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    whole = INDEX in names or ("config.json" in names and _weights(names))
    return folder if whole and not complete else None


def wanted(files: Iterable[str]) -> list[str]:
    """Which of a repository's files are downloaded.

    Example:
        >>> wanted(["README.md", "config.json", "model.safetensors", "pytorch_model.bin", "vocab.txt"])
        ['config.json', 'model.safetensors', 'vocab.txt']
    """
    files = sorted(files)
    weights = _weights(files)
    return [file for file in files if file in BESIDE_WEIGHTS or file in weights]


def _weights(files: Iterable[str]) -> list[str]:
    forms = ([file for file in files if form.fullmatch(file)] for form in WEIGHTS)
    return next(filter(None, forms), [])


def _has_size(path: Path, size: int | None) -> bool:
    return path.is_file() and size in (None, path.stat().st_size)


@dataclass(frozen=True)
class _Place:
    """Where a model lies in the shared cache: `refs` name commits, `snapshots` hold links to `blobs`.

    https://huggingface.co/docs/huggingface_hub/guides/manage-cache describes that layout; `polysee` beside them
    holds, for each commit, which files we need of it and how long they are.
    """

    storage: Path
    revision: str

    @classmethod
    def of(cls, name: str) -> _Place:
        found = NAME.fullmatch(name)
        assert found is not None
        return cls(
            _cache() / f"models--{found['repo'].replace('/', '--')}", found["revision"] or "main"
        )

    def commit(self) -> str | None:
        if COMMIT.fullmatch(self.revision):
            return self.revision
        ref = self.storage / "refs" / self.revision
        return ref.read_text(encoding="utf-8").strip() if ref.is_file() else None

    def snapshot(self, commit: str) -> Path:
        return self.storage / "snapshots" / commit

    def record(self, commit: str) -> Path:
        return self.storage / "polysee" / f"{commit}.json"


def _cache() -> Path:
    given = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if given:
        return Path(os.path.expandvars(given)).expanduser()
    home = os.environ.get("HF_HOME")
    if home:
        return Path(os.path.expandvars(home)).expanduser() / "hub"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface" / "hub"


class _Unreachable(Exception):
    """The hub does not answer; what is here may do."""


class _Download:
    """One model on its way into the cache."""

    def __init__(self, name: str, progress: Progress | None) -> None:
        from huggingface_hub import constants, get_token

        # Else every request tells which programs and versions there are on this machine.
        constants.HF_HUB_DISABLE_TELEMETRY = True
        self.name = name
        self.repo = name.partition("@")[0]
        self.place = _Place.of(name)
        self.endpoint = (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
        self.token: str | bool = get_token() or False
        self.progress = progress or (lambda done, total: None)
        self.done = self.total = 0

    def run(self, *, check: bool) -> Path:
        """Bring every file that is missing, or with `check` also damaged, and return the folder."""
        from filelock import FileLock
        from httpx2 import HTTPError, TransportError

        lock = self.place.storage.parent / ".locks" / self.place.storage.name / "polysee.lock"
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(lock):  # a second process waits, and finds the files there
                return self._bring(check=check)
        except TransportError as error:
            raise _Unreachable(
                f"{self.name}: {self.endpoint} cannot be reached ({error}): check the connection, "
                "or name a mirror in HF_ENDPOINT"
            ) from error
        except HTTPError as error:  # also an OSError
            raise self._refused(error) from error
        except OSError as error:
            raise CheckpointError(f"{self.name}: cannot be stored: {error}") from error

    def _bring(self, *, check: bool) -> Path:
        commit, names = self._list()
        folder = self.place.snapshot(commit)
        files = self._of_pipeline(commit, names) if INDEX in names else self._of_model(names)
        remotes = {file: self._describe(file, commit) for file in files}
        missing = {
            file: remote
            for file, remote in remotes.items()
            if not _has_size(folder / file, remote.size)
            or (check and not _matches(remote, folder / file))
        }
        self.total = sum(remote.size or 0 for remote in missing.values())
        self._check_space()
        for file, remote in missing.items():
            self._transfer(remote, folder / file)
        sizes = {file: (folder / file).stat().st_size for file in files}
        _write(self.place.record(commit), json.dumps(sizes))
        if not COMMIT.fullmatch(self.place.revision):
            _write(self.place.storage / "refs" / self.place.revision, commit)
        return folder

    def _list(self) -> tuple[str, list[str]]:
        """The commit that the revision stands for, and its files."""
        from huggingface_hub import HfApi

        api = HfApi(self.endpoint, token=self.token, library_name="polysee")
        info = api.model_info(self.repo, revision=self.place.revision, timeout=30)
        if info.sha is None or not COMMIT.fullmatch(info.sha):
            raise CheckpointError(f"{self.name}: {self.endpoint} names no commit; is it a hub?")
        return info.sha, [sibling.rfilename for sibling in info.siblings or []]

    def _of_model(self, names: list[str]) -> list[str]:
        """Which files of a model are wanted."""
        files = wanted(names)
        if "config.json" not in files:
            raise CheckpointError(f"{self.name}: its repository has no config.json; is it a model?")
        if not _weights(files):
            raise CheckpointError(
                f"{self.name}: its repository has no weights as model.safetensors or pytorch_model.bin"
            )
        return files

    def _of_pipeline(self, commit: str, names: list[str]) -> list[str]:
        """Which files of a pipeline are wanted: its index says it."""
        index = self.place.snapshot(commit) / INDEX
        remote = self._describe(INDEX, commit)
        if not _has_size(index, remote.size) or not _matches(remote, index):
            self._transfer(remote, index)
        return pipeline_files(read_index(index), names)

    def _describe(self, file: str, commit: str) -> Remote:
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        from polysee.checkpoints.transfer import Remote

        url = hf_hub_url(self.repo, file, revision=commit, endpoint=self.endpoint)
        facts = get_hf_file_metadata(
            url, token=self.token, library_name="polysee", endpoint=self.endpoint
        )
        return Remote(f"{self.name}: {file}", url, facts.etag or "", facts.size)

    def _transfer(self, remote: Remote, target: Path) -> None:
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        from polysee.checkpoints.transfer import download

        blobs = self.place.storage / "blobs"
        blobs.mkdir(parents=True, exist_ok=True)
        named = re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", remote.etag)
        # A mirror's own etag may hold anything, and two commits may share it.
        parts = target.relative_to(self.place.storage / "snapshots").parts
        blob = blobs / (remote.etag if named else "-".join(parts))
        if not (named and blob.is_file() and _matches(remote, blob)):
            part = blob.with_name(f"{blob.name}.polysee.incomplete")
            self._advance(part.stat().st_size if part.exists() else 0)
            headers = build_hf_headers(token=self.token, library_name="polysee")
            download(remote, part, headers, self._advance)
            part.replace(blob)
        else:
            self._advance(blob.stat().st_size)
        _link(blob, target)

    def _advance(self, gained: int) -> None:
        self.done += gained
        self.progress(self.done, max(self.total, self.done))

    def _check_space(self) -> None:
        self.place.storage.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.place.storage).free
        if self.total > free:
            raise CheckpointError(
                f"{self.name}: {self.total / 1e9:.1f} GB are needed at {self.place.storage}, "
                f"and {free / 1e9:.1f} GB are free"
            )

    def _refused(self, error: Any) -> CheckpointError | _Unreachable:
        from huggingface_hub import errors

        status = getattr(getattr(error, "response", None), "status_code", 0)
        if isinstance(error, errors.GatedRepoError):
            return CheckpointError(
                f"{self.name}: its owners ask for agreement to their terms: agree at "
                f"{self.endpoint}/{self.repo}, then set HF_TOKEN to your token"
            )
        if isinstance(error, errors.RevisionNotFoundError):
            return CheckpointError(f"{self.repo}: there is no revision {self.place.revision}")
        if status == 401 and self.token:
            return CheckpointError(
                f"{self.name}: {self.endpoint} does not accept the token in HF_TOKEN for it, "
                "or there is no such model"
            )
        if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 403, 404):
            return CheckpointError(
                f"{self.name}: no such folder here, and no such model at {self.endpoint}, "
                "or only for those with access: set HF_TOKEN to your token"
            )
        return _Unreachable(
            f"{self.name}: {self.endpoint} answers with status {status}: try again later, "
            "or name a mirror in HF_ENDPOINT"
        )


def _matches(remote: Remote, path: Path) -> bool:
    from polysee.checkpoints.transfer import matches

    return path.is_file() and matches(remote, path)


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _link(blob: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        target.symlink_to(os.path.relpath(blob, target.parent))
    except (
        OSError
    ):  # Windows without the right to make links: the shared cache holds the file itself then
        blob.replace(target)
