"""A loop under `cvtui.watch` as its recorder sees it, and as commands from a screen move it."""

from __future__ import annotations

from typing import Protocol

from torch import nn
from torch.optim import Optimizer

from cvtui.engine.custom_loop.epochs import Epochs
from cvtui.engine.custom_loop.told import RateFollower
from cvtui.engine.observe.clock import Clock, EpochSums
from cvtui.engine.observe.feature_map_writer import FeatureMapWriter
from cvtui.engine.observe.parameter_groups import ParameterGroups
from cvtui.engine.observe.recorder import StepRecorder
from cvtui.engine.train import checkpoint
from cvtui.runlog.events import CheckpointSaved
from cvtui.runlog.folder import RunFolder


class WatchedLoop(Protocol):
    """What is asked of the watched run (watched_run.py)."""

    model: nn.Module
    optimizers: list[Optimizer]
    groups: ParameterGroups
    folder: RunFolder
    clock: Clock
    step_count: int
    epochs: Epochs
    _rate: RateFollower
    _recorder: StepRecorder
    _maps: FeatureMapWriter


class UserLoop:
    """A watched run as its recorder sees it (RecordedTraining) and as commands move it (ControlledRun)."""

    def __init__(self, run: WatchedLoop) -> None:
        self._run = run
        self.model = run.model
        self.optimizer = run.optimizers[0]
        self.optimizers = run.optimizers
        self.clock = run.clock

    @property
    def step(self) -> int:
        return self._run.step_count

    @property
    def sums(self) -> EpochSums:
        return self._run.epochs.sums

    def set_lr(self, value: float) -> float:
        """Set the first group's rate and scale all others along; return the first one's before."""
        before = self._run.groups.set_all(value)
        self._run._rate.expect(before, value)
        return before

    def set_group_lr(self, name: str, value: float) -> str:
        """Set the rate of one group; return the message."""
        before = self._run.groups.set_one(name, value)
        if before is None:
            known = ", ".join(known for known, _ in self._run.groups.named())
            return f"no parameter group {name!r}: there are {known}"
        return f"rate of {name} {before:.3g} → {value:.3g}"

    def look(self, number: int) -> str:
        return self._run._maps.look(number, self.step)

    def save(self) -> str:
        """Save the model's state_dict as a checkpoint; return the message."""
        run = self._run
        name = f"step-{run.step_count:06d}.pt"
        try:
            checkpoint.save({"model": self.model.state_dict(), "step": run.step_count}, run.folder.checkpoints / name)
        except OSError as error:
            return f"not saved: {error.strerror or error}"
        path = f"{run.folder.checkpoints.name}/{name}"
        run._recorder.write(CheckpointSaved(step=run.step_count, epoch=run.epochs.count, path=path, reason="asked"))
        return f"saved at step {run.step_count:,}"
