"""Decode many image files at once, into memory that worker processes share, or looked through only.

Threads would do for large images (Pillow lets go of the interpreter while it decodes); of small ones half of the time
is spent in Python, where threads wait for each other.
"""

from __future__ import annotations

import mmap
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cvtui.engine.data.decode import Unreadable, decode, look
from cvtui.engine.data.depth import Depth, ValueRange
from cvtui.engine.runtime import stop_asked
from cvtui.errors import RequestError
from cvtui.runlog.worker_process import usable_cores

WORTH_PROCESSES = 2000
"""Files: fewer are decoded before processes have started."""
CHUNK = 64
"""Files that a worker takes at once."""
LOOK_EVERY = 0.1
"""Seconds between two looks whether the run is to stop."""

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
Allocate = Callable[[tuple[int, ...], Any], Pixels]
"""(shape, dtype) -> an array of zeros."""


class DecodedFile(NamedTuple):
    """What is known of one file after it was decoded."""

    number: int
    wrong: str = ""
    """Why it can't be read."""
    deep: ValueRange | None = None
    """Range of its values, where they have more than 8 bits and the set's scale is not known yet."""
    sums: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    """Of its pixels, and of their squares, per channel."""


class DecodedFiles(NamedTuple):
    """All files of a set, decoded."""

    pixels: Pixels | None
    """N x H x W x 3; rows of files that can't be read are 0. None: they were looked through only."""
    wrong: dict[int, str]
    sums: NDArray[np.int64]
    """N x 2 x 3: sums of the pixels and of their squares, per channel; 0 of files that can't be read."""
    depth: Depth | None
    """Scale of files with more than 8 bits a value, where there are some."""
    note: str = ""
    """How they were read."""
    deep: tuple[int, ...] = ()
    """Of a large set without a common scale: files with more than 8 bits a value."""


def decode_files(
    paths: Sequence[str], shape: tuple[int, int], allocate: Allocate | None, bits: int, step: Callable[[int], None]
) -> DecodedFiles:
    """Decode all; those with more than 8 bits a value twice, since their one scale follows from all of them.

    allocate: makes the memory for the pixels; None: they are looked through only. step: called with a count of files.
    """
    job = _Job(paths, shape, None)
    size = (len(paths), *shape, 3)
    if allocate is not None:
        job.pixels = allocate(size, np.uint8)
    rows = list(_run(job, range(len(paths)), step))
    wrong = {row.number: row.wrong for row in rows if row.wrong}
    sums = np.zeros((len(paths), 2, 3), np.int64)
    _add(sums, rows)
    deep = {row.number: row.deep for row in rows if row.deep is not None}
    if not deep:
        return DecodedFiles(job.pixels, wrong, sums, None)
    found = ValueRange.union(deep.values())
    job.depth = depth = Depth.fitting(found, bits)
    if not depth.exact:
        sums[:, 0] *= 257
        sums[:, 1] *= 257**2
        if allocate is not None and job.pixels is not None:
            bytes_before = job.pixels
            job.pixels = allocate(size, np.uint16)
            for start in range(0, len(paths), 1024):
                job.pixels[start : start + 1024] = bytes_before[start : start + 1024]
                job.pixels[start : start + 1024] *= 257
    rows = list(_run(job, sorted(deep), step))
    wrong |= {row.number: row.wrong for row in rows if row.wrong}
    _add(sums, rows)
    told = "" if depth.exact and not bits else depth.note(found, bits)
    return DecodedFiles(job.pixels, wrong, sums, depth, told)


def shared_memory(shape: tuple[int, ...], dtype: Any) -> Pixels:
    """Allocate memory that forked processes write into."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(mmap.mmap(-1, max(1, size)), dtype, int(np.prod(shape))).reshape(shape)


def _add(sums: NDArray[np.int64], rows: Sequence[DecodedFile]) -> None:
    for row in rows:
        if row.sums is not None:
            sums[row.number] = row.sums


class _Job:
    def __init__(self, paths: Sequence[str], shape: tuple[int, int], pixels: Pixels | None) -> None:
        self.paths, self.shape, self.pixels = paths, shape, pixels
        self.depth: Depth | None = None
        self.ended = shared_memory((1,), np.uint8)
        """1: nobody waits for it any more, in whichever process."""

    def row(self, number: int) -> DecodedFile:
        path = self.paths[number]
        try:
            image = look(path, self.shape) if self.depth is None else decode(path, self.shape, self.depth)
        except Unreadable as error:
            return DecodedFile(number, str(error) or "it can't be read")
        if isinstance(image, ValueRange):
            return DecodedFile(number, deep=image)
        if self.pixels is not None:
            self.pixels[number] = image
        flat = image.reshape(-1, 3).astype(np.int64)
        return DecodedFile(
            number, sums=(tuple(flat.sum(0).tolist()), tuple(np.einsum("ij,ij->j", flat, flat).tolist()))
        )

    def rows(self, numbers: Sequence[int]) -> list[DecodedFile]:
        return [self.row(number) for number in numbers if not self.ended[0]]


_job: _Job | None = None
"""In a forked process: what it works on."""


def _run(job: _Job, numbers: Sequence[int], step: Callable[[int], None]) -> Iterator[DecodedFile]:
    chunks = [numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK)]
    with _workers(job, len(numbers)) as over:
        try:
            for rows in over(chunks):
                step(len(rows))
                yield from rows
        except BaseException:  # an end that was asked for waits for no more files
            job.ended[0] = 1
            raise


def _rows_of_job(numbers: Sequence[int]) -> list[DecodedFile]:
    assert _job is not None
    return _job.rows(numbers)


@contextmanager
def _workers(job: _Job, count: int) -> Iterator[Callable[[Any], Iterator[list[DecodedFile]]]]:
    """Start processes where they are worth it, else threads. RequestError for a process that was killed."""
    global _job
    cores = usable_cores()
    if count < WORTH_PROCESSES or sys.platform != "linux" or cores < 2:
        with ThreadPoolExecutor(cores) as threads:
            yield partial(_in_order, threads, job.rows)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    _job = job
    try:
        with ProcessPoolExecutor(cores, multiprocessing.get_context("fork"), initializer=begin_worker) as pool:
            yield partial(_in_order, pool, _rows_of_job)
    except BrokenProcessPool:
        raise RequestError(
            "data: a process that decoded images was killed, most likely for want of memory",
            hint="a smaller --size takes less, and so do fewer processes beside this one",
        ) from None
    finally:
        _job = None


def _in_order(
    pool: Executor, work: Callable[[Sequence[int]], list[DecodedFile]], chunks: Sequence[Sequence[int]]
) -> Iterator[list[DecodedFile]]:
    """Yield what `work` makes of each chunk, as `Executor.map` does, and look meanwhile whether to stop."""
    futures = [pool.submit(work, chunk) for chunk in chunks]
    try:
        for future in futures:
            while not future.done():
                wait([future], LOOK_EVERY)
                stop_asked.look()
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


def begin_worker(_number: int = 0) -> None:
    """Leave signals to the process that started this one: a batch system sends them to all, and that one ends this.

    (A worker of a DataLoader that SIGTERM ends makes the run fail in place of stopping with a checkpoint.)
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        end_with_parent()


def end_with_parent() -> None:
    """Ask the kernel to end this process with the one that forked it, however that ends."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
