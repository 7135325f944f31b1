"""Nothing is read back from the device on a step: on a GPU each reading waits until all kernels before it are done.

Tested on the CPU, which stands in for a GPU: the code takes the ways that it takes there, and whatever hands a tensor's
value to Python (`.item()`, `.tolist()`, `.cpu()`, `if tensor:` …) is an error, but at a flush of the recorder.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from cvtui.engine.observe import recorder, statistics, watch_budget
from cvtui.engine.train.control import Signals
from cvtui.engine.train.trainer import Trainer
from cvtui.runlog.events import LayersSampled, Steps
from cvtui.runlog.writer import EventWriter
from tests.engine import making

READING = {
    "item", "tolist", "numpy", "cpu", "__bool__", "__int__", "__float__", "__index__", "__array__",
    "nonzero", "unique", "equal", "allclose", "masked_select", "is_nonzero", "synchronize",
}  # fmt: skip
READING_OPS = ("_local_scalar_dense", "is_nonzero", "nonzero", "equal", "masked_select", "_unique2")


class Waited(Exception):
    """The host waited for the device."""


class _InPython(TorchFunctionMode):
    def __init__(self, allowed: Callable[[], bool]) -> None:
        super().__init__()
        self.allowed = allowed

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(function, "__name__", "")
        if name in READING and not self.allowed():
            raise Waited(name)
        return function(*args, **(kwargs or {}))


class _InOperations(TorchDispatchMode):
    def __init__(self, allowed: Callable[[], bool]) -> None:
        super().__init__()
        self.allowed = allowed

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.overloadpacket.__name__
        if name in READING_OPS and not self.allowed():
            raise Waited(name)
        return function(*args, **(kwargs or {}))


@contextmanager
def as_on_a_gpu(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Make readings an error while this lasts, but inside a flush; yields the steps that had one."""
    monkeypatch.setattr(statistics, "on_cpu", lambda _: False)
    monkeypatch.setattr(watch_budget, "SHARE", math.inf)
    assert trainer.guard is not None
    trainer.guard._on_cpu = False
    inside = [0]
    flushed: list[int] = []
    flush = trainer.recorder.flush

    def counted() -> None:
        inside[0] += 1
        flushed.append(trainer.training.step)
        try:
            flush()
        finally:
            inside[0] -= 1

    monkeypatch.setattr(recorder, "FLUSH_SECONDS", math.inf)  # on a machine that is slow today each step takes as long
    monkeypatch.setattr(trainer.recorder, "flush", counted)
    with _InPython(lambda: inside[0] > 0), _InOperations(lambda: inside[0] > 0):
        yield flushed


@contextmanager
def looping(path: Path, **changes: Any) -> Iterator[tuple[Trainer, Any]]:
    folder = making.folder(path, **changes)
    with EventWriter(folder) as writer:
        trainer = Trainer(making.training(**changes), folder, writer, Signals())
        trainer.training.model.train()
        yield trainer, folder
        trainer.close()


RECIPE = {"net": "conv8-bn-relu-pool-drop0.2-fc32-tanh-fc", "batch_size": 32, "watch_every": 5, "optimizer": "adamw"}
EVERY = "flip, shift(1), crop(1), rotate, cutout(2), jitter"


@pytest.mark.parametrize(
    "changes",
    [{}, {"clip": 1.0}, {"ema": 0.9}, {"augment": EVERY, "preprocess": "zca"}, {"optimizer": "momentum"}],
    ids=str,
)
def test_a_step_reads_nothing_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]) -> None:
    # (Under a dispatch mode of a script's nothing is looked at: the one here only asks what is read.)
    monkeypatch.setattr("cvtui.engine.observe.forward_hooks.is_traced", lambda: False)
    with looping(tmp_path, **{**RECIPE, **changes}) as (trainer, folder), as_on_a_gpu(trainer, monkeypatch) as flushed:
        trainer.train_epoch()
    steps = trainer.training.step
    assert steps == 45
    assert 0 < len(flushed) < 20, "it is the flushes that are rare"
    records = making.records(folder)
    assert sum(len(record.loss) for record in records if isinstance(record, Steps)) == steps
    samples = [record for record in records if isinstance(record, LayersSampled)]
    assert len(samples) == 9
    assert all(layer.histogram is not None for sample in samples for layer in sample.layers)


@pytest.mark.parametrize("reading", ["item", "float", "if", "tolist", "nonzero"])
def test_it_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reading: str) -> None:
    def reads(_module: Any, _inputs: Any, output: torch.Tensor) -> None:
        found = output.detach().mean()
        match reading:
            case "item":
                found.item()
            case "float":
                float(found)
            case "if":
                bool(found > 0)
            case "tolist":
                found.tolist()
            case "nonzero":
                (output > 0).nonzero()

    with looping(tmp_path, **RECIPE) as (trainer, _):
        trainer.training.model.register_forward_hook(reads)
        with as_on_a_gpu(trainer, monkeypatch), pytest.raises(Waited):
            trainer.train_epoch()
