"""Write a model in a form that other programs read."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch.nn import functional as F

from polysee.checkpoints.folder import CARD, CONFIG, TOKENIZER
from polysee.checkpoints.json_files import write_json
from polysee.checkpoints.onnx.session import LARGEST
from polysee.checkpoints.onnx.towers import image_tower, text_tower
from polysee.errors import ConfigError, NotSupportedError
from polysee.inference import Embedder, load
from polysee.inference.image_paths import probes

Format = Literal["huggingface", "onnx", "openvino"]
CHECKED_TEXTS = ("a photo of a cat", "two dogs on a beach", "一只坐在沙发上的猫", "海边的日落")


@dataclass(frozen=True)
class Exported:
    """What was written.

    Args:
        format: of the folder.
        files: their names.
        bytes: of all of them together.
        cosine: of each tower that was written, to the vectors of the model itself, at the input where it is worst;
            empty where the weights themselves were written.
    """

    folder: str
    format: str
    files: list[str]
    bytes: int
    cosine: dict[str, float]


def export_model(
    model: str | Path, out: Path, form: Format = "huggingface", *, int8: bool = False
) -> Exported:
    """Write a model for other programs, with its tokenizer and picture recipe.

    - "huggingface": a folder that `transformers` loads, weights in float32. What the model's own folder has in that
      form already, the tokenizer's files above all, is copied as it is.
    - "onnx", "openvino": the two towers, each from its input to a vector of unit length, read back and compared with
      the model on a few inputs.

    Args:
        out: a folder that is not there yet or is empty.
        int8: towers in 8 bits; see `checkpoints.onnx.graph`.
    Raises:
        CheckpointError: the model cannot be read.
        ConfigError: an unknown form, int8 with "huggingface", or `out` holds something.
        NotSupportedError: `transformers` has no such architecture, the model has no towers, or a package is missing.
    """
    if form not in get_args(Format):
        raise ConfigError(f"unknown form {form!r}; one of {', '.join(get_args(Format))}")
    if int8 and form == "huggingface":
        raise ConfigError("int8 is for onnx and openvino: transformers reads whole weights")
    out = out.expanduser().absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} is there already and not empty: give another --out")
    cosine: dict[str, float] = {}
    if form == "huggingface":
        load(model, device="cpu").export(out)
    else:
        cosine = _write_towers(_two_towers(model, form), out, form, int8)
    files = sorted(path for path in out.iterdir() if path.is_file())
    total = sum(path.stat().st_size for path in files)
    return Exported(str(out), form, [path.name for path in files], total, cosine)


def _two_towers(model: str | Path, form: str) -> Embedder:
    for package in ("onnx", "onnxruntime") if form == "onnx" else ("onnx", "openvino"):
        if find_spec(package) is None:
            raise NotSupportedError(f"{package} is not installed: pip install 'polysee[fast]'")
    embedder = load(model, dtype="float32", device="cpu")
    if not isinstance(embedder, Embedder):
        raise NotSupportedError(f"{model}: only models of pictures and text are exported as {form}")
    return embedder


def _write_towers(embedder: Embedder, out: Path, form: str, int8: bool) -> dict[str, float]:
    graphs = {"image": image_tower(embedder.model, int8=int8)}
    if embedder.tokenizer is not None:
        graphs["text"] = text_tower(embedder.model, int8=int8)
    out.mkdir(parents=True, exist_ok=True)
    cosine = {}
    for name, graph in graphs.items():
        write = _write_onnx if form == "onnx" else _write_openvino
        run = write(graph, out / name)
        cosine[name] = _cosine(embedder, name, run)
    if embedder.tokenizer is not None:
        embedder.tokenizer.save(out / TOKENIZER)
    write_json(out / CARD, asdict(embedder.card))
    shutil.copyfile(embedder.folder / CONFIG, out / CONFIG)
    return cosine


def _write_onnx(graph: Any, path: Path) -> Any:
    onnx, runtime = import_module("onnx"), import_module("onnxruntime")
    file = path.with_suffix(".onnx")
    large = graph.ByteSize() > LARGEST  # the format ends there, and weights lie beside it
    onnx.save_model(graph, file, save_as_external_data=large, location=f"{path.name}.onnx.data")
    runtime.disable_telemetry_events()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)[0]


def _write_openvino(graph: Any, path: Path) -> Any:
    openvino = import_module("openvino")
    core, file = openvino.Core(), path.with_suffix(".xml")
    read = core.read_model(graph.SerializeToString())
    openvino.save_model(read, file, compress_to_fp16=False)
    network = core.compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda inputs: network(inputs)[0]


@torch.inference_mode()
def _cosine(embedder: Embedder, tower: str, run: Any) -> float:
    model: Any = embedder.model
    if tower == "image":
        pixels = probes(model, embedder.recipe)
        exact = model.encode_image(pixels)
        found = [run({"pixels": picture[None].contiguous().numpy()}) for picture in pixels]
    else:
        assert embedder.tokenizer is not None
        pairs = [embedder.tokenizer([text]) for text in CHECKED_TEXTS]
        exact = torch.cat([model.encode_text(*pair) for pair in pairs])
        found = [run({"tokens": t.numpy(), "mask": mask.numpy()}) for t, mask in pairs]
    return float(F.cosine_similarity(torch.from_numpy(np.concatenate(found)), exact).min())
