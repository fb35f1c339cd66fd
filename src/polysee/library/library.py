"""A person's media: index folders, and find what is in them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from polysee.errors import CheckpointError, ConfigError, LibraryError
from polysee.library.calibration import Calibration, load_calibration
from polysee.library.catalogue import Catalogue, vectors_name
from polysee.library.duplicates import DuplicateGroup, find_duplicates
from polysee.library.hits import SearchResult
from polysee.library.indexing import IndexReport, IndexRun, Progress
from polysee.library.lock import write_lock
from polysee.library.searching import Query, Search, Shelf
from polysee.library.weights import IMAGE_WEIGHT, TEXT_WEIGHT
from polysee.media.files import absolute, explain, is_folder

if TYPE_CHECKING:
    from PIL import Image

    from polysee.inference import Embedder
    from polysee.inference.loading import Device, Dtype

DEFAULT_MODEL = "polysee/align-nano"


def default_folder() -> Path:
    """Where a person's library stands when nothing else is said."""
    import platformdirs

    return Path(platformdirs.user_data_dir("polysee", appauthor=False)) / "library"


class Library:
    """A folder that holds what Polysee knows of a person's pictures; the pictures stay theirs.

    Args:
        path: the library's folder; the platform's data folder if None. It is made by `index`.
        model: what encodes pictures and queries, by id or folder, or an `Embedder`. If None, the
            one that the library was last indexed with, and "polysee/align-nano" for a new one.
            A library holds the vectors of several models side by side.
        dtype, device: as for `polysee.load`.
    Example:
        >>> library = Library("~/polysee-library")        # doctest: +SKIP
        >>> library.index(["~/Pictures"]).added           # doctest: +SKIP
        1203
        >>> [hit.path for hit in library.search("海边的日落", top=2)]    # doctest: +SKIP
        ['/home/mei/Pictures/2019/beach.jpg', '/home/mei/Pictures/sunset.heic']
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        model: str | Path | Embedder | None = None,
        *,
        dtype: Dtype = "auto",
        device: Device = "auto",
    ) -> None:
        self.path = Path(absolute(default_folder() if path is None else path))
        self._model = model
        self._dtype: Dtype = dtype
        self._device: Device = device
        self._embedder: Embedder | None = None
        self._shelf: Shelf | None = None

    def index(
        self,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        prune: bool = False,
        progress: Progress | None = None,
        ocr: bool = False,
        watermarks: bool = False,
    ) -> IndexReport:
        """Read folders and pictures into the library; what has not changed is skipped.

        It can be stopped at any moment, by any means; the next run goes on where this one was.

        Args:
            paths: folders, which are walked, and files.
            prune: forget files below `paths` that are gone, and erase what was kept of them.
            progress: called with how many files are done, and how many there are.
            ocr: also read the words in the pictures, so that searches find them.
            watermarks: also look for the watermark of a machine that made a picture, in those indexed before too;
                labels in the files are always read.
        Raises:
            ConfigError: a path is empty; or words are to be read, and rapidocr is not installed.
            LibraryError: the library is being written by another process, or cannot be written.
            NotSupportedError: the model is none of pictures and text.
        """
        if ocr:
            from polysee.media.ocr import check_installed

            check_installed()
        several = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
        if not all(os.fspath(path) for path in several):  # a script's variable that is not set
            raise ConfigError("an empty path: name a folder or a picture")
        embedder = self.embedder()
        try:
            self.path.mkdir(0o700, parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            reason = f"the library {self.path} cannot be made: {explain(error)}"
            raise LibraryError(reason) from error
        with write_lock(self.path):
            catalogue = Catalogue(self.path)
            run = IndexRun(catalogue, embedder, progress, ocr, watermarks)
            return run.run(several, prune)

    def search(
        self,
        query: str = "",
        image: str | os.PathLike[str] | Image.Image | None = None,
        exclude: Sequence[str] = (),
        folder: str | os.PathLike[str] | None = None,
        after: str | date | datetime | None = None,
        before: str | date | datetime | None = None,
        top: int = 20,
        everything: bool = False,
        text_weight: float = TEXT_WEIGHT,
        image_weight: float = IMAGE_WEIGHT,
        today: date | None = None,
        made_by_machine: bool | None = None,
    ) -> SearchResult:
        """Find pictures by a sentence, by a picture, or by both.

        Args:
            query: in Chinese or English; "without ..." and 没有 are understood, so are dates and
                places: "beach last summer", 去年夏天 海边, "in Paris".
            image: find pictures like this one.
            exclude: what must not show, beside what the query itself excludes.
            folder: only pictures in or below it.
            after, before: only pictures taken from `after` on and earlier than `before`: a date,
                or text such as "2023", "2023-10" or "2023-10-05". A picture that carries no date
                of its own has its file's.
            top: at most so many.
            everything: also what is not relevant enough to be shown otherwise.
            text_weight, image_weight: how much each counts when both are given.
            today: what "last summer" is relative to; the system's date if None.
            made_by_machine: only pictures that say that a machine made them, or only others; by their labels, and
                by watermarks where `index` looked for those.
        Raises:
            QueryError: nothing was asked for, or a date is not understood.
            LibraryError: the library is missing, or holds no vectors of this model.
            MediaError: `image` cannot be read.
        """
        started = time.perf_counter()
        if top < 1:
            raise ConfigError("top must be at least 1")
        shelf = cache(self._open_shelf)  # once a search, and not before the request is checked
        asked = Query.read(
            query,
            image,
            exclude,
            folder,
            after,
            before,
            text_weight,
            image_weight,
            today,
            lambda text: shelf().locate(text),
            made_by_machine,
        )
        search = Search(shelf(), self.embedder(), self._calibration, asked)
        found, model_seconds = search.run(top, everything)
        seconds = time.perf_counter() - started
        return SearchResult(
            found,
            asked.excluded,
            seconds,
            model_seconds,
            asked.dates,
            asked.excluded_dates,
            asked.located.names,
            asked.located.excluded,
            0 if made_by_machine is None else shelf().unread_origins,
            search.candidates,
        )

    def duplicates(
        self, folder: str | os.PathLike[str] | None = None, progress: Progress | None = None
    ) -> list[DuplicateGroup]:
        """Files that show the same: identical ones, variants, and shots of one burst.

        Nothing is deleted, and no model is loaded: what the library holds is enough.

        Args:
            folder: only files in or below it.
            progress: called with how many pictures are compared, and how many there are.
        Raises:
            LibraryError: the library is missing, or nothing is indexed yet.
        """
        catalogue = self._catalogue()
        tables = catalogue.vector_tables()
        if not tables:
            reason = f"nothing is indexed in {catalogue.folder} yet: run `polysee index` first"
            raise LibraryError(reason)
        shelf = Shelf.load(catalogue, catalogue.fullest(tables), ())
        where = None if folder is None else absolute(folder)
        return find_duplicates(shelf, catalogue.thumbnails, where, progress)

    def _catalogue(self) -> Catalogue:
        if not is_folder(self.path):
            raise LibraryError(f"there is no library at {self.path} yet: run `polysee index` first")
        return Catalogue(self.path)

    def thumbnails(self, hashes: Sequence[str]) -> dict[str, bytes]:
        """Small JPEG files of what was found, by `Hit.hash`."""
        return Catalogue(self.path).thumbnails(hashes)

    def embedder(self) -> Embedder:
        """The model, loaded on first use."""
        if self._embedder is None:
            model = self._model
            if model is None:
                model = self._remembered_model() or DEFAULT_MODEL
            if isinstance(model, str | os.PathLike):
                from polysee.inference.loading import load_embedder  # and with it torch

                model = load_embedder(_named(model), self._dtype, self._device)
            self._embedder = model
        return self._embedder

    def _remembered_model(self) -> str | None:
        """The model that the library was last indexed with."""
        model = Catalogue(self.path).settings["model"] if is_folder(self.path) else None
        if model is not None and Path(model).is_absolute() and not is_folder(model):
            raise LibraryError(
                f"the library {self.path} was last indexed with {model}, which is not there "
                "any more: name another model with --model"
            )
        return model

    @cached_property
    def _calibration(self) -> Calibration:
        """What judges the model's scores, read once."""
        embedder = self.embedder()
        calibration = load_calibration(embedder.folder)
        if calibration.judges and calibration.size != embedder.embedding_size:
            raise CheckpointError(f"{embedder.folder}: its calibration is another model's")
        return calibration

    def _open_shelf(self) -> Shelf:
        """What searches look at, kept in memory until the library changes."""
        catalogue = self._catalogue()
        embedder = self.embedder()
        vectors = vectors_name(embedder.hash)
        versions = catalogue.versions(["files", "media", "words", "origins", vectors])
        if self._shelf is None or self._shelf.versions != versions:
            if not versions[-1]:
                raise LibraryError(_no_vectors(catalogue, embedder))
            shelf = Shelf.load(catalogue, vectors, versions)
            if shelf.vectors.shape[1] != embedder.embedding_size:
                raise catalogue.damaged(f"{vectors}: vectors of another size")
            self._shelf = shelf
        return self._shelf


def _named(model: str | os.PathLike[str]) -> str:
    """A model's name as it can be kept: a folder must be found again from elsewhere."""
    from polysee.inference import bundled_models

    name = os.fspath(model)
    if name not in bundled_models() and is_folder(absolute(name)):
        return absolute(name)
    return name


def _no_vectors(catalogue: Catalogue, embedder: Embedder) -> str:
    names = catalogue.models()
    if not names:
        return f"nothing is indexed in {catalogue.folder} yet: run `polysee index` first"
    if embedder.id in names:
        return (
            f"the library {catalogue.folder} was indexed with other weights of {embedder.id}: "
            "run `polysee index` again"
        )
    return (
        f"the library {catalogue.folder} was indexed with {', '.join(names)}, not with "
        f"{embedder.id}: search with --model {names[0]}, or index with it first"
    )
