"""Run a net without leaving a trace in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from cvtui.engine.nn.meta_copy import random_state_kept


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Restore buffers (batch-norm statistics) and random states (PyTorch's, Python's, NumPy's) afterwards."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    devices = {parameter.device for parameter in model.parameters() if parameter.device.type == "cuda"}
    with random_state_kept(), torch.random.fork_rng(devices=[device.index for device in devices]):
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)
