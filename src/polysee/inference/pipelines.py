"""What `polysee.load` returns for a pipeline of `diffusers`, which makes pictures out of noise.

`diffusers` is an extra (`pip install 'polysee[diffusers]'`), and imported on first use. It reads a folder, and nothing
else: no code from beside the weights, no pickle, no connection.

Shapes: Y/X rows/columns, C channels.
"""

from __future__ import annotations

import functools
import inspect
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from polysee.checkpoints.pipelines import INDEX, check_folder, read_index
from polysee.errors import CheckpointError, ConfigError, NotSupportedError, QueryError
from polysee.inference.drawing import DEFAULT_STEERING, Progress, Steering
from polysee.inference.encoders import Dtype

_OWN_LIBRARIES = ("diffusers", "transformers")
_TOKENIZERS = ("tokenizer", "tokenizer_2", "tokenizer_3")


class PipelineGenerator:
    """Makes pictures from texts by a pipeline of `diffusers`.

    Attributes:
        name: of the pipeline's class.
    """

    def __init__(
        self, folder: Path, *, id: str, device: torch.device, dtype: Dtype = "auto"
    ) -> None:
        if dtype == "int8":
            raise ConfigError(f"{id} is a pipeline of diffusers, which has no --dtype int8")
        check_installed()
        self.id, self.folder, self.device = id, folder, device
        half = device.type == "cuda" and dtype == "auto"
        self.dtype = torch.float16 if half else torch.float32
        index = read_index(folder / INDEX)
        self.name = index.name
        check_folder(folder, index)
        self._class = _class_of(folder, index.name, {x for x, _ in index.components.values()})
        self._takes: Mapping[str, Any] = inspect.signature(self._class.__call__).parameters
        if "prompt" not in self._takes:
            raise NotSupportedError(f"{id}: this model does not draw")

    def check(self, steering: Steering) -> None:
        """
        Raises:
            ConfigError: of the wishes one is out of range, or means nothing to this pipeline.
        """
        for option, wished, argument in (
            ("--style", steering.style is not None, None),
            ("--temperature", steering.temperature != DEFAULT_STEERING.temperature, None),
            ("top_p", steering.top_p != DEFAULT_STEERING.top_p, None),
            ("--negative", bool(steering.negative), "negative_prompt"),
            ("--guidance", steering.guidance is not None, "guidance_scale"),
            ("--steps", steering.steps is not None, "num_inference_steps"),
        ):
            if wished and argument not in self._takes:
                raise self.knows_no(option)
        if steering.guidance is not None and not 0 <= steering.guidance < math.inf:
            raise ConfigError(f"guidance is out of range: {steering.guidance}")
        if steering.steps is not None and not 1 <= steering.steps <= 1000:
            raise ConfigError(f"steps is out of range: {steering.steps}")

    def knows_no(self, option: str) -> ConfigError:
        """What is said of an option that means nothing to this pipeline."""
        return ConfigError(f"{self.id} is a pipeline of diffusers ({self.name}), without {option}")

    def draw(
        self,
        prompt: str,
        steering: Steering = DEFAULT_STEERING,
        *,
        first: Image.Image | None = None,
        keep: float = 0.0,
        vary: float | None = None,
        progress: Progress | None = None,
    ) -> np.ndarray | None:
        """Make one picture; the same seed makes the same one.

        Args:
            first: a picture to start from, scaled to the size that the pipeline makes.
            keep: which share of it stays, from above; the pipeline fills in the rest. What stays is not pasted back.
            vary: make a variation of `first` in place of that: how much noise is put on it, from 0 to 1.
            progress: called with the steps that are done, and of how many.
        Shapes:
            returns: (Y, X, C) uint8; None where the pipeline's own filter holds the picture back
        Raises:
            QueryError: the prompt is empty or too long.
            ConfigError: a wish is out of range, or means nothing to this pipeline.
            CheckpointError: the pipeline cannot be read.
        """
        self.check(steering)
        self._check_text(prompt)
        values: dict[str, Any] = {"prompt": prompt}
        if steering.negative:
            self._check_text(steering.negative)
            values["negative_prompt"] = steering.negative
        if steering.guidance is not None:
            values["guidance_scale"] = steering.guidance
        if steering.steps is not None:
            values["num_inference_steps"] = steering.steps
        pipeline = self.pipeline
        if first is not None:
            pipeline = self._for_task("inpaint" if vary is None else "vary")
            values |= self._start(pipeline, first, keep, vary, steering.steps)
        takes = inspect.signature(type(pipeline).__call__).parameters
        if progress is not None and "callback_on_step_end" in takes:
            values["callback_on_step_end"] = _told(progress)
        values["generator"] = torch.Generator("cpu").manual_seed(steering.seed)
        with _unwarned():
            made = pipeline(**values)
        if any(getattr(made, "nsfw_content_detected", None) or ()):
            return None
        return np.asarray(made.images[0].convert("RGB"))

    @functools.cached_property
    def pipeline(self) -> Any:
        """The pipeline itself, its weights read."""
        try:
            with _unwarned():
                found = self._class.from_pretrained(
                    self.folder, dtype=self.dtype, use_safetensors=True, local_files_only=True,
                    low_cpu_mem_usage=False,
                )  # fmt: skip
        except (OSError, ValueError, TypeError, KeyError, RuntimeError, AttributeError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise CheckpointError(f"{self.folder}: not a readable pipeline: {reason}") from error
        found.set_progress_bar_config(disable=True)
        return found.to(self.device)

    def _for_task(self, task: str) -> Any:
        """The same weights as a pipeline that starts from a picture."""
        from diffusers import AutoPipelineForImage2Image, AutoPipelineForInpainting

        auto = AutoPipelineForInpainting if task == "inpaint" else AutoPipelineForImage2Image
        try:
            with _unwarned():
                found = auto.from_pipe(self.pipeline)
        except ValueError as error:  # there is none
            raise self.knows_no("--init" if task == "inpaint" else "--vary") from error
        found.set_progress_bar_config(disable=True)
        return found

    def _start(
        self,
        pipeline: Any,
        first: Image.Image,
        keep: float,
        vary: float | None,
        steps: int | None,
    ) -> dict[str, Any]:
        """What a pipeline is told of the picture to start from."""
        rows, columns = self.size
        takes = inspect.signature(type(pipeline).__call__).parameters
        picture = first.convert("RGB").resize((columns, rows), Image.Resampling.LANCZOS)
        values: dict[str, Any] = {"image": picture}
        if vary is None:
            mask = np.full((rows, columns), 255, np.uint8)  # white is made anew
            mask[: round(keep * rows)] = 0
            values |= {"mask_image": Image.fromarray(mask), "strength": 1.0}
        else:
            total = steps or takes["num_inference_steps"].default
            # One step at least, or there would be nothing to run.
            values["strength"] = min(1.0, max(vary, 1.001 / total))
        if "height" in takes and "width" in takes:
            values |= {"height": rows, "width": columns}
        return values

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of what the pipeline makes."""
        pipeline = self.pipeline
        parts = (getattr(pipeline, name, None) for name in ("unet", "transformer"))
        sizes = [getattr(pipeline, "default_sample_size", None)]
        sizes += [getattr(part.config, "sample_size", None) for part in parts if part is not None]
        side = next((size for size in sizes if size is not None), 64)
        rows, columns = side if isinstance(side, tuple | list) else (side, side)
        scale = getattr(pipeline, "vae_scale_factor", 1)
        return rows * scale, columns * scale

    def _check_text(self, text: str) -> None:
        """What a tokenizer would cut off without a word is refused."""
        if not text.strip():
            raise QueryError("an empty prompt: say what to draw")
        lengths = []
        for name in _TOKENIZERS:
            tokenizer = getattr(self.pipeline, name, None)
            if tokenizer is not None:
                length = len(tokenizer(text, truncation=False, verbose=False).input_ids)
                lengths.append((length - tokenizer.model_max_length, length))
        # Of several text towers one may read less than the others.
        if lengths and min(lengths)[0] > 0:
            over, length = min(lengths)
            raise QueryError(
                f"the prompt is too long: {length} tokens; the model reads {length - over}"
            )


def check_installed() -> None:
    """
    Raises:
        NotSupportedError: the extra is not installed.
    """
    for package in _OWN_LIBRARIES:
        if find_spec(package) is None:
            raise NotSupportedError(f"{package} is not installed: pip install 'polysee[diffusers]'")


def _class_of(folder: Path, name: str, libraries: set[str]) -> Any:
    """The class of a pipeline.

    Raises:
        CheckpointError: `diffusers` has none of that name, or a component is another package's.
    """
    _hush()
    import diffusers
    from diffusers import pipelines

    for library in sorted(libraries.difference(_OWN_LIBRARIES)):
        if not hasattr(pipelines, library):
            raise CheckpointError(
                f"{folder / INDEX}: asks for code of its own ({library}); it is not run"
            )
    found = getattr(diffusers, name, None)
    if not (isinstance(found, type) and issubclass(found, diffusers.DiffusionPipeline)):
        raise CheckpointError(f"{folder / INDEX}: diffusers has no pipeline {name}")
    return found


def _hush() -> None:
    """Both libraries advise and draw bars of their own; what matters is raised, and progress is shown by the caller."""
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    disable_progress_bars()
    for name in ("DIFFUSERS_VERBOSITY", "TRANSFORMERS_VERBOSITY"):
        os.environ.setdefault(name, "error")
    from diffusers.utils import logging

    logging.disable_progress_bar()


@contextmanager
def _unwarned() -> Iterator[None]:
    """Old configurations and arguments of its own are no user's business."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _told(progress: Progress) -> Callable[..., dict[str, Any]]:
    """A pipeline's callback that tells its steps."""

    def tell(pipeline: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        total = getattr(pipeline, "num_timesteps", 0) or len(pipeline.scheduler.timesteps)
        progress(min(step + 1, total), total)
        return values

    return tell
