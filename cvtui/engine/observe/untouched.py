"""Run a net without leaving a trace in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType

import torch
from torch import nn

from cvtui.engine.nn.meta_copy import random_state_kept
from cvtui.engine.nn.model import Net
from cvtui.engine.observe.held_values import keep_values
from cvtui.engine.runtime.plain_random import seed_global
from cvtui.engine.runtime.seeds import VALIDATION, stream_seed


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Restore afterwards what a pass changes.

    Buffers (batch-norm statistics), what the modules' code counts or keeps besides, and random states (PyTorch's,
    Python's, NumPy's). RuntimeError within a call that Lightning leads to another method: a pass would use that up.
    """
    if any(map(_is_redirected, model.modules())):
        raise RuntimeError("the net's forward stands for another method in this call")
    put_back = keep_values(model)
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    with _random_kept(model):
        try:
            yield
        finally:
            put_back()
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)


def _is_redirected(module: nn.Module) -> bool:
    """Return True where Lightning (DDP, FSDP) has put `training_step` in `forward`'s place, for one call."""
    forward = vars(module).get("forward")
    return type(forward) is FunctionType and forward.__module__.startswith(("lightning", "pytorch_lightning"))


@contextmanager
def drawn_apart(model: nn.Module, seed: int, rank: int = 0) -> Iterator[None]:
    """Seed what a model draws in a validation, the same each time; the numbers of the training stay where they are.

    So a validation that is broken off, and made once more after a resume, changes nothing. (What is drawn there is
    drawn by code: no layer of a net expression draws in evaluation mode.)
    """
    if isinstance(model, Net):
        yield
        return
    put_back = keep_values(model)
    with _random_kept(model):
        seed_global(stream_seed(seed, VALIDATION, rank))
        try:
            yield
        except BaseException:
            put_back()
            raise


@contextmanager
def _random_kept(model: nn.Module) -> Iterator[None]:
    devices = {parameter.device for parameter in model.parameters() if parameter.device.type == "cuda"}
    with random_state_kept(), torch.random.fork_rng(devices=[device.index for device in devices]):
        yield
