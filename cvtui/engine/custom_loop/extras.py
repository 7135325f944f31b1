"""What `cvtui.watch` records beside the steps: own scalars, output sizes, the machine, accuracies in percent."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from torch.optim import Optimizer

from cvtui.engine.custom_loop.schedulers import Schedulers
from cvtui.engine.observe.clock import Clock
from cvtui.engine.observe.data_waits import LoaderWaits
from cvtui.engine.observe.first_steps import BATCHES, Probe
from cvtui.engine.observe.layer_kinds import watched_layers
from cvtui.engine.observe.live_doctor import LiveDoctorWriter
from cvtui.engine.observe.machine import MachineMeter
from cvtui.engine.observe.output_sizes import OutputSizes
from cvtui.engine.observe.own_scalars import OwnScalars
from cvtui.engine.observe.percent import PercentAccuracy
from cvtui.engine.observe.shards import class_name
from cvtui.runlog.events import Facts, Layer, Log, Record


class Loop(Protocol):
    """A custom loop as its extras see it."""

    model: nn.Module
    optimizers: list[Optimizer]
    clock: Clock
    step_count: int


class LoopExtras:
    """Fact source of a custom loop: asked at each flush, for one record at a time."""

    def __init__(self, folder: Path, loop: Loop, writer: LiveDoctorWriter, probe: Probe) -> None:
        self._loop, self._writer, self._probe = loop, writer, probe
        device = next((parameter.device for parameter in loop.model.parameters()), torch.device("cpu"))
        self._waits = LoaderWaits(loop)
        self._machine = MachineMeter(
            folder, device, lambda: loop.step_count, lambda: loop.clock.seconds(), self._waits
        )  # fmt: skip
        self._sizes = OutputSizes(loop.model)
        self._schedulers = Schedulers(loop.optimizers)
        self.scalars = OwnScalars()
        self.training, self.validation = PercentAccuracy(), PercentAccuracy()
        """Of the steps' accuracies, and of the epochs'."""
        self._told_percent = self._first_steps_are_judged = False
        self._ready: deque[Record] = deque()

    def log(self, step: int, values: dict[str, Any]) -> None:
        """Take scalars of the loop's own; they are written at the next flush, or here where very many wait."""
        self.scalars.add(step, values)
        if self.scalars.is_full and (record := self.scalars.take()) is not None:
            self._writer.write(record)

    def epoch(self) -> None:
        """Leave what came since the last flush out of the steps' times: a validation may be among it."""
        self._waits.leave_out()
        self._schedulers.look()

    def take(self) -> Record | None:
        """Return the next record that is ready."""
        return self._next(ended=False)

    def _next(self, *, ended: bool) -> Record | None:
        if not self._ready:
            found = [self._sizes.take(), self.scalars.take(), self._machine.take(), *self._percent(ended)]
            self._ready.extend(filter(None, found))
            if message := self.scalars.message():
                self._ready.append(self._line(message))
        return self._ready.popleft() if self._ready else None

    def _percent(self, ended: bool) -> list[Record]:
        """Say that accuracies come in percent, once the first steps have shown whether they are counted wrongly."""
        unit = self.training if self.training.seen is not None else self.validation
        if self._told_percent or unit.seen is None or (self._probe.seen < BATCHES and not ended):
            return []
        if not (self._first_steps_are_judged or ended):  # the doctor looks at what this flush writes behind it
            self._first_steps_are_judged = True
            return []
        self._told_percent = True
        facts = Facts(step=self._loop.step_count, accuracy_unit="percent")
        return [facts] if self._writer.has_found("F49") else [facts, self._line(unit.words())]

    def _line(self, text: str) -> Log:
        return Log(time=time.time(), text=text, step=self._loop.step_count)

    def close(self) -> None:
        """Take the hooks off and write what is left."""
        self._waits.close()
        self._sizes.close()
        while (record := self._next(ended=True)) is not None:
            self._writer.write(record)
        if facts := self._schedulers.facts():
            self._writer.write(Facts(step=self._loop.step_count, **facts))


def layers_of(model: nn.Module) -> list[Layer]:
    """Return every watched layer, and every other module with parameters of its own, in the model's order."""
    watched = {id(module): name for name, (_, module) in watched_layers(model).items()}
    layers = []
    for name, module in model.named_modules():
        count = sum(parameter.numel() for parameter in module.parameters(recurse=False))
        if id(module) in watched or count:
            layers.append(
                Layer(
                    name=watched.get(id(module), name or class_name(module).lower()),
                    expression=f"{class_name(module)}({module.extra_repr()})"[:60],
                    output=[],
                    parameters=count,
                    macs=0,
                    watched=id(module) in watched,
                )
            )
    return layers
