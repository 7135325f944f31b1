"""Batches that processes read ahead, by PyTorch's DataLoader; a stop is heard while one is waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


def read_ahead(
    items: Dataset[Any],
    batches: list[list[int]],
    workers: int,
    collate: Callable[[list[Any]], Any],
    context: str | None = None,
) -> Iterator[Any]:
    """Yield what `collate` makes of the items of each batch, in their order."""
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
