"""Decoded sets in the user's cache folder: memory-mapped, taken only if size and time of every file are the same."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvtui.engine.data.depth import Depth
from cvtui.engine.data.file_decoding import DecodedFiles, Pixels
from cvtui.recipe.datasets.locate import data_folder

FORMAT = 1
"""Changes with whatever changes the pixels of a file."""
WORTH = 1000
"""Files: fewer are decoded as fast as they are found."""
DISK_SHARE = 0.25
"""Of the free disk: what would take more of it is not kept."""
MOST_SETS = 8
"""Sets that are kept; the one that was used least lately goes first."""


def cache_folder() -> Path:
    """Return the folder of all decoded sets: cvtui/decoded in the user's cache folder."""
    return data_folder("").parent / "decoded"


class DecodedCache:
    """The place of one set: these files, in this order, of this size.

    alone: files with more than 8 bits a value are on a scale of their own each (those of a large set).
    """

    def __init__(self, paths: Sequence[str], shape: tuple[int, int], bits: int, *, alone: bool = False) -> None:
        import PIL

        text = json.dumps([FORMAT, PIL.__version__, shape, "alone" if alone else bits, len(paths)])
        digest = hashlib.blake2b(text.encode(), digest_size=16)
        here = os.getcwd()
        whole = (path if path.startswith(os.sep) else os.path.join(here, path) for path in paths)
        digest.update(os.fsencode("".join(f"{path}\0" for path in whole)))  # at once: a fifth of the time of each alone
        self._paths = paths
        self.stamps = np.empty((0, 2), np.int64) if alone else stamps_of(paths)
        """Sizes and times, from before anything was decoded (`alone`: the decoding takes them)."""
        self.folder = cache_folder() / digest.hexdigest()
        self._count = len(paths)
        self._made: Path | None = None
        """A folder that is not complete yet."""

    def load(self, *, pixels: bool) -> DecodedFiles | None:
        """Return what is kept; None where nothing is, a file has changed, or its pixels are wanted and not kept."""
        try:
            with np.load(self.folder / "index.npz", allow_pickle=False) as index:
                stamps, sums, about = index["stamps"], index["sums"], json.loads(str(index["about"]))
            now = self.stamps if len(self.stamps) else stamps_of(self._paths)
            if not np.array_equal(stamps, now) or (pixels and not about["dtype"]):
                return None
            mapped = None
            if pixels:
                shape = (self._count, *about["shape"])
                size = int(np.prod(shape)) * np.dtype(about["dtype"]).itemsize
                if os.stat(self.folder / "pixels").st_size != size:  # np.memmap would make it as long again
                    return None
                mapped = np.memmap(self.folder / "pixels", about["dtype"], "r+", shape=shape)
            os.utime(self.folder)
            depth = Depth(*about["depth"]) if about["depth"] else None
            wrong = {int(number): words for number, words in about["wrong"].items()}
            return DecodedFiles(mapped, wrong, sums, depth, about["note"], tuple(about.get("deep", ())))
        except Exception:  # a file that was cut short, or changed, raises nearly anything: the set is decoded anew
            return None

    def allocate(self, shape: tuple[int, ...], dtype: Any) -> Pixels:
        """Allocate pixels in a file, which becomes the set's when it is saved. OSError where the disk has no room."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        made = self._folder_to_fill()
        if size > DISK_SHARE * shutil.disk_usage(made).free:
            raise OSError("the disk of the cache folder has too little room")
        with open(made / "pixels", "wb") as file:
            if hasattr(os, "posix_fallocate"):  # a full disk is found here, not when a page is written
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
        mapped = np.memmap(made / "pixels", dtype, "r+", shape=shape)
        _in_any_order(mapped)
        return mapped

    def save(self, found: DecodedFiles, stamps: NDArray[np.int64] | None = None) -> None:
        """Keep it for the next start; a disk that refuses costs the cache, not the run.

        stamps: of the files, where they were taken one by one.
        """
        about = {
            "dtype": str(found.pixels.dtype) if found.pixels is not None else "",
            "shape": found.pixels.shape[1:] if found.pixels is not None else None,
            "depth": found.depth, "note": found.note, "wrong": found.wrong,
            "deep": found.deep,
        }  # fmt: skip
        try:
            made = self._folder_to_fill()
            stamps = self.stamps if stamps is None else stamps
            np.savez(made / "index.npz", stamps=stamps, sums=found.sums, about=np.array(json.dumps(about)))
            shutil.rmtree(self.folder, ignore_errors=True)
            os.replace(made, self.folder)
            self._made = None
            _make_room(made.parent)
        except OSError:
            self.drop()

    def _folder_to_fill(self) -> Path:
        if self._made is None:
            root = cache_folder()
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._made = Path(tempfile.mkdtemp(prefix="new-", dir=root))
        return self._made

    def drop(self) -> None:
        """Remove what was not saved."""
        if self._made is not None:
            shutil.rmtree(self._made, ignore_errors=True)
            self._made = None


def _in_any_order(mapped: np.memmap[Any, Any]) -> None:
    """Keep the kernel from reading around each page that is written for the first time.

    There is nothing to read: 1,024 pictures of 32x32 all over a new file take 0.01 s so, and 0.04 to 0.6 s otherwise.
    """
    if hasattr(mmap, "MADV_RANDOM"):
        mapped._mmap.madvise(mmap.MADV_RANDOM)  # type: ignore[attr-defined]


def stamps_of(paths: Sequence[str]) -> NDArray[np.int64]:
    """Return size and time (ns) of each file; −1 of one that is not there."""
    return np.array([stamp_of(path) for path in paths], np.int64).reshape(len(paths), 2)


def stamp_of(path: str) -> tuple[int, int]:
    """Return size and time (ns) of a file; −1 of one that is not there."""
    try:
        status = os.stat(path)
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _make_room(root: Path) -> None:
    """Remove the sets that were used least lately, where there are too many."""
    with os.scandir(root) as entries:
        kept = sorted((entry.stat().st_mtime, entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    for _, path in kept[:-MOST_SETS]:
        shutil.rmtree(path, ignore_errors=True)
