"""From a name on the hub to a model folder, over real connections to a small server of the same protocol."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import polysee
from polysee.checkpoints import hub as hubs
from polysee.checkpoints.hub import cached, fetch, is_hub_name, wanted
from polysee.cli.language import choose_language
from polysee.cli.main import run
from polysee.errors import CheckpointError, ConfigError, OfflineError

NAME = "maker/clip-tiny"


@pytest.fixture
def commit(hub, model_files):
    return hub.add(NAME, model_files)


def changed(files, **new):
    return {**files, **{f"{name}.json": content for name, content in new.items()}}


# What is downloaded, and when


def test_a_name_becomes_a_model(hub, commit, model_files):
    model = polysee.load(NAME)
    assert model.id == NAME
    assert model.embed_text(["a cat", "一只猫"]).shape == (2, 8)
    assert model.embed_image([np.zeros((5, 7, 3), np.uint8)]).shape == (1, 8)
    assert model.folder.name == commit
    kept = {path.name: path.read_bytes() for path in model.folder.iterdir()}
    assert kept.items() <= model_files.items()
    assert kept.keys() == {"config.json", "model.safetensors", "polysee.json", "tokenizer.json"}
    assert not hub.asked("GET", "pytorch_model.bin")


def test_what_is_here_is_used_without_asking(hub, commit):
    folder = fetch(NAME)
    hub.requests.clear()
    assert fetch(NAME) == cached(NAME) == folder
    assert fetch(f"{NAME}@{commit}") == folder
    assert hub.requests == []


def test_a_revision_is_pinned(hub, model_files):
    old = hub.add(NAME, changed(model_files, vocab=b"{}"), "v1.0")
    hub.add(NAME, changed(model_files, vocab=b'{"a": 1}'))
    assert (fetch(f"{NAME}@v1.0") / "vocab.json").read_bytes() == b"{}"
    assert (fetch(NAME) / "vocab.json").read_bytes() == b'{"a": 1}'
    assert fetch(f"{NAME}@{old}").name == old
    assert polysee.load(f"{NAME}@v1.0").id == f"{NAME}@v1.0"
    # The weights are the same: they were transferred once.
    assert len([r for r in hub.downloads() if r.path.startswith("/storage/")]) == 1


def test_refresh_asks_for_what_is_newest(hub, commit, model_files):
    old = fetch(NAME)
    newer = hub.add(NAME, changed(model_files, vocab=b"{}"))
    assert fetch(NAME) == old
    assert fetch(NAME, refresh=True).name == newer
    assert fetch(NAME).name == newer


def test_what_another_program_left_is_completed(hub, commit, model_files):
    folder = fetch(NAME)
    (folder / "tokenizer.json").unlink()
    assert cached(NAME) is None
    hub.requests.clear()
    assert (fetch(NAME) / "tokenizer.json").read_bytes() == model_files["tokenizer.json"]
    assert not hub.downloads()  # its blob was still there


def test_the_cache_is_the_one_that_others_read(hub, commit, tmp_path):
    from huggingface_hub import snapshot_download, try_to_load_from_cache

    folder = fetch(NAME)
    cache = tmp_path / "cache"
    assert try_to_load_from_cache(NAME, "config.json", cache_dir=cache) == str(
        folder / "config.json"
    )
    assert snapshot_download(NAME, cache_dir=cache, local_files_only=True) == str(folder)


def test_a_folder_goes_before_a_name(hub, commit, model_files, tmp_path, monkeypatch):
    folder = tmp_path / NAME
    folder.mkdir(parents=True)
    for name, content in model_files.items():
        (folder / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    assert polysee.load(NAME).folder == Path(NAME)
    assert hub.requests == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["a.py", "config.json", "model.safetensors", "pytorch_model.bin"], ["config.json", "model.safetensors"]),
        (["config.json", "pytorch_model.bin", "clip.pt"], ["config.json", "pytorch_model.bin"]),
        (
            ["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
             "model.safetensors.index.json", "pytorch_model.bin"],
            ["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
             "model.safetensors.index.json"],
        ),
        (["config.json", "onnx/model.safetensors", "../merges.txt"], ["config.json"]),
    ],
)  # fmt: skip
def test_only_what_is_needed_is_wanted(files, expected):
    assert wanted(files) == expected


@pytest.mark.parametrize(
    "name",
    [
        "clip",
        "./clip",
        "/clip",
        "a/b/c",
        "a/../b",
        "..",
        "a/b@",
        "a/b@../../c",
        "a/b@/c",
        "a b/c",
        "C:\\a/b",
    ],
)
def test_other_forms_are_no_names(name):
    assert not is_hub_name(name)
    with pytest.raises(ConfigError, match="owner/name"):
        fetch(name)


def test_a_bundled_models_owner_is_not_looked_for_elsewhere(hub):
    with pytest.raises(CheckpointError, match="no such model"):
        polysee.load("polysee/align-huge")
    assert hub.requests == []


# Downloads that go wrong


def test_a_cut_connection_is_taken_up_where_it_broke(hub, commit, model_files):
    hub.cuts = [1000, 500]
    folder = fetch(NAME)
    assert (folder / "model.safetensors").read_bytes() == model_files["model.safetensors"]
    ranges = [r.headers.get("range") for r in hub.downloads() if r.path.startswith("/storage/")]
    assert ranges == [None, "bytes=1000-", "bytes=1500-"]


def test_what_arrived_stays_for_the_next_run(hub, commit, model_files):
    hub.cuts = [2000, *[0] * hubs_tries()]
    with pytest.raises(CheckpointError, match=r"model\.safetensors: the connection was lost after"):
        fetch(NAME)
    assert cached(NAME) is None
    hub.requests.clear()
    folder = fetch(NAME)
    assert (folder / "model.safetensors").read_bytes() == model_files["model.safetensors"]
    ranges = [r.headers.get("range") for r in hub.downloads() if r.path.startswith("/storage/")]
    assert ranges == ["bytes=2000-"]


def hubs_tries() -> int:
    from polysee.checkpoints.transfer import TRIES

    return TRIES


def test_a_killed_download_goes_on(hub, commit, model_files, tmp_path):
    hub.hold.set()
    process = subprocess.Popen(
        [sys.executable, "-c", f"from polysee.checkpoints.hub import fetch; fetch({NAME!r})"]
    )
    half = len(model_files["model.safetensors"]) // 2
    parts = tmp_path / "cache" / "models--maker--clip-tiny" / "blobs"
    deadline = time.monotonic() + 60
    while not any(p.stat().st_size >= half for p in parts.glob("*.incomplete")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    hub.hold.clear()
    hub.requests.clear()
    assert (fetch(NAME) / "model.safetensors").read_bytes() == model_files["model.safetensors"]
    ranges = [r.headers.get("range") for r in hub.downloads() if r.path.startswith("/storage/")]
    assert ranges == [f"bytes={half}-"]


def test_a_server_without_ranges_sends_the_whole_again(hub, commit, model_files):
    hub.cuts, hub.ranges = [1000], False
    assert (fetch(NAME) / "model.safetensors").read_bytes() == model_files["model.safetensors"]


def test_corruption_is_noticed_and_mended(hub, commit, model_files):
    hub.corrupt = 1
    assert (fetch(NAME) / "model.safetensors").read_bytes() == model_files["model.safetensors"]
    assert len([r for r in hub.downloads() if r.path.startswith("/storage/")]) == 2


def test_corruption_that_stays_is_an_error_and_nothing_is_kept(hub, commit, tmp_path):
    hub.corrupt = 100
    with pytest.raises(CheckpointError, match=r"model\.safetensors arrives damaged"):
        fetch(NAME)
    assert cached(NAME, complete=False) is None
    assert not list(tmp_path.rglob("*.incomplete"))
    hub.corrupt = 0
    assert fetch(NAME).name == commit


def test_a_corrupt_beginning_is_not_built_upon(hub, commit, model_files):
    hub.cuts, hub.corrupt = [1000], 1
    assert (fetch(NAME) / "model.safetensors").read_bytes() == model_files["model.safetensors"]


def test_a_cached_file_that_was_cut_short_is_noticed(hub, commit, model_files):
    weights = fetch(NAME) / "model.safetensors"
    with weights.open("r+b") as file:
        file.truncate(100)
    assert cached(NAME) is None
    assert (fetch(NAME) / "model.safetensors").read_bytes() == model_files["model.safetensors"]


def test_refresh_checks_the_content_of_what_is_here(hub, commit, model_files):
    weights = fetch(NAME) / "model.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    assert fetch(NAME, refresh=True)
    assert weights.read_bytes() == model_files["model.safetensors"]


def test_progress_counts_bytes_to_their_total(hub, commit, model_files):
    seen = []
    hub.cuts = [1000]
    fetch(NAME, progress=lambda done, total: seen.append((done, total)))
    needed = sum(len(model_files[name]) for name in wanted(model_files))
    assert seen[-1] == (needed, needed)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_two_at_once_download_once(hub, commit):
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(fetch, [NAME, NAME]))
    assert folders[0] == folders[1]
    assert len([r for r in hub.downloads() if r.path.startswith("/storage/")]) == 1


def test_too_little_room_is_said_beforehand(hub, commit):
    hub.claimed_size = 10**18
    with pytest.raises(CheckpointError, match="GB are needed"):
        fetch(NAME)
    assert not hub.downloads()


# Mirrors, tokens, refusals


def test_a_mirror_with_etags_of_its_own(hub, commit, model_files, tmp_path):
    hub.own_etags = True
    folder = fetch(NAME)
    assert (folder / "model.safetensors").read_bytes() == model_files["model.safetensors"]
    assert {
        path.parent for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()
    } == {
        tmp_path / "cache" / "models--maker--clip-tiny" / kind
        for kind in ("blobs", "refs", "polysee")
    } | {tmp_path / "cache" / ".locks" / "models--maker--clip-tiny"}


def test_the_token_goes_to_the_hub_and_not_to_its_storage(hub, commit, monkeypatch):
    hub.private.add(NAME)
    with pytest.raises(CheckpointError, match="HF_TOKEN"):
        fetch(NAME)
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    assert fetch(NAME).name == commit
    for request in hub.requests:
        if request.path.startswith("/storage/"):
            assert "authorization" not in request.headers
    assert any(r.headers.get("authorization") == "Bearer hf_good" for r in hub.requests)


def test_requests_tell_no_more_than_they_must(hub, commit):
    fetch(NAME)
    agents = {r.headers["user-agent"] for r in hub.requests}
    assert agents
    assert not any("torch" in agent for agent in agents)


def test_a_wrong_token_is_named(hub, commit, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_bad")
    with pytest.raises(CheckpointError, match="does not accept the token"):
        fetch(NAME)


@pytest.mark.parametrize("token", [None, "hf_good"])
def test_a_gated_model_says_where_to_agree(hub, commit, monkeypatch, token):
    hub.gated.add(NAME)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(CheckpointError, match=f"agree at {hub.url}/{NAME}"):
        fetch(NAME)


def test_what_is_not_there_is_named(hub, commit, model_files, monkeypatch):
    with pytest.raises(CheckpointError, match=f"maker/none: .*no such model at {hub.url}"):
        fetch("maker/none")
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    with pytest.raises(CheckpointError, match=r"maker/none: .*no such model"):
        fetch("maker/none")
    with pytest.raises(CheckpointError, match=f"{NAME}: there is no revision v9"):
        fetch(f"{NAME}@v9")
    hub.add("maker/data", {"README.md": b"", "data.parquet": b""})
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        fetch("maker/data")
    hub.add("maker/flax", {"config.json": b"{}", "flax_model.msgpack": b""})
    with pytest.raises(CheckpointError, match="no weights"):
        fetch("maker/flax")


def test_a_hub_in_trouble(hub, commit):
    hub.broken = 503
    with pytest.raises(CheckpointError, match=r"status 503.*HF_ENDPOINT"):
        fetch(NAME)


def test_a_hub_that_cannot_be_reached(hub, commit, monkeypatch):
    folder = fetch(NAME)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert fetch(NAME) == folder
    with pytest.raises(CheckpointError, match=r"http://127.0.0.1:9 cannot be reached.*HF_ENDPOINT"):
        fetch(f"{NAME}@v2")
    (hubs._Place.of(NAME).record(commit)).unlink()  # as another program would have left it
    assert fetch(NAME) == folder


# The command line


@pytest.fixture
def command(capsys, monkeypatch):
    monkeypatch.setenv("POLYSEE_LANG", "en")

    def call(*arguments):
        code = run([str(argument) for argument in arguments])
        written = capsys.readouterr()
        return code, written.out, written.err

    yield call
    choose_language([], {"LANG": "C"})


def test_models_download(hub, commit, command):
    code, out, _ = command("models", "download", NAME, "--json")
    assert code == 0
    document = json.loads(out)
    assert document == {
        "id": NAME,
        "folder": str(cached(NAME)),
        "revision": commit,
        "bytes": document["bytes"],
    }
    assert document["bytes"] == sum(path.stat().st_size for path in cached(NAME).iterdir())


def test_a_command_takes_a_name(hub, commit, command, tmp_path):
    samples = Path(__file__).parents[3] / "samples"
    code, out, _ = command(
        "classify", samples / "owl.jpg", "--labels", "a,b", "--model", NAME, "--json"
    )
    assert code == 0
    assert len(json.loads(out)["results"]) == 1
    library = tmp_path / "library"
    assert command("index", samples / "owl.jpg", "--model", NAME, "--library", library)[0] == 0
    hub.requests.clear()
    assert command("search", "owl", "--all", "--library", library, "--offline")[0] == 0
    assert hub.requests == []


@pytest.mark.parametrize(("lang", "words"), [("en", "no such model at"), ("zh", "也没有这个模型")])
def test_errors_in_both_languages(hub, command, lang, words):
    code, _, err = command(
        "classify", "owl.jpg", "--labels", "a,b", "--model", "maker/none", "--lang", lang
    )
    assert code == 2
    assert words in err
    assert "maker/none" in err


@pytest.mark.parametrize(("lang", "words"), [("en", "polysee models download"), ("zh", "离线")])
def test_offline_without_a_copy_says_what_to_do(hub, commit, command, monkeypatch, lang, words):
    code, _, err = command("models", "download", NAME, "--offline", "--lang", lang)
    assert code == 2
    assert words in err
    assert hub.requests == []
    with pytest.raises(OfflineError, match="offline"):
        polysee.load(NAME)


FORBIDDEN = """
import sys
def forbid(event, given):
    if event.startswith("socket.") and event != "socket.__new__":
        raise RuntimeError(f"a connection was asked for: {event}")
sys.addaudithook(forbid)
import polysee
from polysee.errors import OfflineError
print(polysee.load(NAME).embed_text(["a cat"]).shape)
try:
    polysee.load("maker/absent")
except OfflineError:
    print("refused")
"""


@pytest.mark.parametrize("switch", ["POLYSEE_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_opens_no_socket(hub, commit, switch):
    fetch(NAME)
    hub.requests.clear()
    done = subprocess.run(
        [sys.executable, "-c", FORBIDDEN.replace("NAME", repr(NAME), 1)],
        env={**os.environ, switch: "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.stdout.split("\n")[:2] == ["(1, 8)", "refused"], done.stderr
    assert hub.requests == []
