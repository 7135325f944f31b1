"""The steps of an epoch, one after another: as they come, or by a CUDA graph (graph.py)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from cvtui.engine.data.images import Images
from cvtui.engine.observe.recorder import StepRecorder
from cvtui.engine.train.state import TrainingState
from cvtui.engine.train.step import training_step


class Stepper:
    """Steps of a training, each run and recorded.

    for batch in stepper.batches():
        stepper.step(batch)
    """

    def __init__(self, training: TrainingState, recorder: StepRecorder) -> None:
        self.training = training
        self.recorder = recorder

    def stream(self) -> AbstractContextManager[Any]:
        """Return the context of a whole training: the queue of its kernels."""
        return nullcontext()

    def batches(self) -> Iterator[Any]:
        """Yield what `step` takes, for the rest of the epoch under way."""
        t = self.training
        return t.batches(t.epoch + 1, t.batch_index)

    def step(self, batch: Any) -> None:
        """Do one training step and record it; nothing is read back from the device."""
        self._step(batch, self.training.update_lr())

    def restart(self) -> None:
        """Forget what was captured of a step that is another one now."""

    def _step(self, batch: Images, rate: float) -> None:
        loss, logits = training_step(self.training, batch)
        self.recorder.step(rate, loss, logits=logits, labels=self.training.counted(batch.labels))
