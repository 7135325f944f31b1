"""Batches that processes read ahead, by PyTorch's DataLoader; a stop is heard while one is waited for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing import util
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from cvtui.engine.data.file_decoding import begin_worker
from cvtui.engine.runtime import stop_asked

AHEAD = 4
"""Batches that each worker reads before they are asked for."""
LOOK_EVERY = 0.2
"""Seconds of waiting between two looks whether the run is to stop: a slow disk may take minutes."""
TIMED_OUT = "DataLoader timed out"
"""How PyTorch's error begins; the next call goes on waiting for the same batch."""
SOCKET, LONGEST_SOCKET = "pymp-12345678/listener-12345678", 103
"""Of the name below TMPDIR through which a worker hands a batch over; bytes that kernels take of the whole."""


def read_ahead(
    items: Dataset[Any],
    batches: list[list[int]],
    workers: int,
    collate: Callable[[list[Any]], Any],
    context: str | None = None,
) -> Iterator[Any]:
    """Yield what `collate` makes of the items of each batch, in their order."""
    _let_sockets_fit()
    loader: DataLoader[Any] = DataLoader(
        items,
        batch_sampler=batches,
        num_workers=workers,
        prefetch_factor=AHEAD,
        collate_fn=collate,
        worker_init_fn=begin_worker,
        multiprocessing_context=context,
        timeout=LOOK_EVERY,
        # The workers' seeds, which are not used: without it they'd come out of the generator that is dropout's.
        generator=torch.Generator(),
    )
    read = iter(loader)
    while True:
        try:
            batch = next(read)
        except StopIteration:
            return
        except RuntimeError as error:
            if not str(error).startswith(TIMED_OUT):
                raise
            stop_asked.look()
            continue
        yield batch


def _let_sockets_fit() -> None:
    """Let workers' sockets lie in /tmp where their names would be too long below TMPDIR.

    A worker that can't make one tells nobody: its batch would be waited for without an end.
    """
    name = os.path.join(tempfile.gettempdir(), SOCKET)
    if len(os.fsencode(name)) <= LONGEST_SOCKET or not os.access("/tmp", os.W_OK):
        return
    before, tempfile.tempdir = tempfile.tempdir, "/tmp"
    try:
        util.get_temp_dir()  # made once; the workers are told it
    finally:
        tempfile.tempdir = before
