"""Weights on disk: what is read, and what is refused before it is run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from polysee.checkpoints.weights import INDEX, PICKLE, WEIGHTS, fill, read_weights, weight_files
from polysee.errors import CheckpointError

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "b.bias": torch.ones(4, dtype=torch.float16)}


def same(state: dict[str, torch.Tensor]) -> bool:
    return state.keys() == STATE.keys() and all(torch.equal(state[k], v) for k, v in STATE.items())


def sharded(folder: Path, name: str, **places: str) -> None:
    """Each tensor in a file of its own, and the index that says so."""
    base, ending = name.split(".")
    places = places or {
        key: f"{base}-{n:05}-of-00002.{ending}" for n, key in enumerate(STATE, start=1)
    }
    for key, file in places.items():
        if Path(file).name == file and key in STATE:
            save = torch.save if ending == "bin" else save_file
            save({key: STATE[key]}, folder / file)
    index = {"metadata": {}, "weight_map": places}
    (folder / f"{name}{INDEX}").write_text(json.dumps(index), encoding="utf-8")


def test_one_safetensors_file(tmp_path):
    save_file(STATE, tmp_path / WEIGHTS)
    assert same(read_weights(weight_files(tmp_path, pickles=False)))


@pytest.mark.parametrize("name", [WEIGHTS, PICKLE])
def test_several_files(name, tmp_path):
    sharded(tmp_path, name)
    files = weight_files(tmp_path, pickles=True)
    assert len(files) == 2
    assert same(read_weights(files))


@pytest.mark.parametrize("old", [False, True])
def test_a_pickle_of_tensors_is_read_where_it_is_asked_for(old, tmp_path):
    torch.save(STATE, tmp_path / PICKLE, _use_new_zipfile_serialization=not old)
    assert same(read_weights(weight_files(tmp_path, pickles=True)))
    with pytest.raises(CheckpointError, match=r"no model\.safetensors"):
        weight_files(tmp_path, pickles=False)


def test_safetensors_come_before_a_pickle(tmp_path):
    torch.save({"other": torch.zeros(1)}, tmp_path / PICKLE)
    save_file(STATE, tmp_path / WEIGHTS)
    assert same(read_weights(weight_files(tmp_path, pickles=True)))


class Run:
    """Would run a command when it is unpickled by `pickle.load`."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('a pickle was run')",))


@pytest.mark.parametrize("place", ["whole", "beside", "nested"])
def test_a_pickle_that_would_run_something_is_refused_and_not_run(place, tmp_path):
    content = {"whole": Run(), "beside": {**STATE, "x": Run()}, "nested": {"x": [{"y": Run()}]}}
    torch.save(content[place], tmp_path / PICKLE)
    with pytest.raises(
        CheckpointError, match=r"pytorch_model\.bin: an unsafe pickle.*exec"
    ) as raised:
        read_weights([tmp_path / PICKLE])
    assert "model.safetensors" in str(raised.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (torch.zeros(3), "a dictionary of tensors"),
        ([STATE], "a dictionary of tensors"),
        ({"state_dict": STATE}, "'state_dict' is no tensor"),
        ({1: torch.zeros(1)}, "1 is no tensor"),
        ({**STATE, "epoch": 3}, "'epoch' is no tensor"),
    ],
)
def test_a_pickle_that_holds_something_else_is_named(content, said, tmp_path):
    torch.save(content, tmp_path / PICKLE)
    with pytest.raises(CheckpointError, match=said) as raised:
        read_weights([tmp_path / PICKLE])
    assert str(tmp_path / PICKLE) in str(raised.value)


@pytest.mark.parametrize("name", [WEIGHTS, PICKLE])
@pytest.mark.parametrize("harm", ["empty", "garbage", "cut", "header"])
def test_a_damaged_file_is_named(name, harm, tmp_path):
    path = tmp_path / name
    (save_file if name == WEIGHTS else torch.save)(STATE, path)
    data = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "garbage": b"\x80\x02garbage\xff\x00" * 9,
            "cut": data[: len(data) // 2],
            "header": b"\xff" * 8 + data[8:],
        }[harm]
    )
    with pytest.raises(CheckpointError) as raised:
        read_weights([path])
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    "outside", ["../secret.safetensors", "/etc/secret.safetensors", "notes.txt"]
)
def test_an_index_cannot_lead_out_of_the_folder(outside, tmp_path):
    sharded(tmp_path, WEIGHTS, **{"a.weight": outside})
    with pytest.raises(CheckpointError, match="no weight file of this folder"):
        weight_files(tmp_path, pickles=True)


def test_a_shard_that_is_absent_is_named(tmp_path):
    sharded(tmp_path, WEIGHTS)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no model-00002-of-00002\.safetensors"):
        weight_files(tmp_path, pickles=True)


@pytest.mark.parametrize("content", ["{}", '{"weight_map": {}}', '{"weight_map": 3}', "[]", "{"])
def test_a_damaged_index_is_named(content, tmp_path):
    (tmp_path / f"{WEIGHTS}{INDEX}").write_text(content, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"index\.json"):
        weight_files(tmp_path, pickles=True)


def test_a_model_is_filled_as_float32_and_does_not_hold_on_to_the_file():
    with torch.device("meta"):
        model = nn.Linear(3, 2)
    state = {"weight": torch.arange(6.0).view(2, 3).half(), "bias": torch.ones(2)}
    fill(model, state, Path("x"))
    assert model.weight.dtype == torch.float32
    assert model.weight.tolist() == [[0, 1, 2], [3, 4, 5]]
    state["bias"].zero_()
    assert model.bias.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"weight": torch.zeros(2, 3)}, "tensors missing: their bias"),
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "c": torch.zeros(1)}, "left over: their c"),
        ({"weight": torch.zeros(3, 2), "bias": torch.zeros(2)}, "their weight is misshapen"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_as_the_file_has_it(state, said):
    with torch.device("meta"):
        model = nn.Linear(3, 2)
    with pytest.raises(CheckpointError, match=f"where: .*{said}"):
        fill(model, state, Path("where"), lambda name: f"their {name}")
