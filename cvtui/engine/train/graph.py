"""Capture the training step as a CUDA graph, once per batch size, and replay it.

On a small net nearly all of a step's time goes to launching its kernels one by one; a replay launches all at once. What
is captured: gather, augment, preprocess, forward, loss, backward, the gradients' norm, clipping, the guard against NaN,
the update, and the step's numbers for the log. The learning rate is a tensor; PyTorch moves the state of the random
numbers (dropout) from replay to replay as the kernels one by one would; those of augmentation are drawn on the CPU and
copied before. The running mean of the weights, whose decay changes from step to step, is one kernel after the graph.

Every loss is that of the uncaptured step to the last bit, so both may alternate: the first steps, the steps that are
watched, and batches of a size not met before run uncaptured.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

import torch
from torch import Tensor

from cvtui.engine.data.augment import Drawn
from cvtui.engine.data.images import Images
from cvtui.engine.observe.recorder import StepRecorder
from cvtui.engine.optim.fused_base import FusedOptimizer
from cvtui.engine.runtime.memory import free_on_gpu
from cvtui.engine.runtime.plain_random import plain_state
from cvtui.engine.train.checkpoint import checksum
from cvtui.engine.train.state import TrainingState
from cvtui.engine.train.step import Stepper, training_step
from cvtui.runlog.events import Log
from cvtui.runlog.writer import FLUSH_STEPS

WARM_STEPS = 3
"""Uncaptured steps of a batch size before it is captured: libraries choose and allocate in them."""
SETS = 2.2
"""Of a step's memory that must be free: the graph keeps its own, and uncaptured steps go on between replays."""
ROWS = 2 * FLUSH_STEPS
"""Steps whose numbers wait on the device, at most: the log is flushed before."""


class Replayable(Protocol):
    def replay(self) -> None:
        """Run what was captured, on the tensors that it was captured with."""


Capture = Callable[[Callable[[], None]], Replayable]
"""Record the kernels of a function without running them. RuntimeError where one can't be recorded."""


class CudaCapture:
    """Capture on one stream; all graphs share their memory, since one runs at a time."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool: Any = None

    def __call__(self, body: Callable[[], None]) -> Replayable:
        generator = torch.cuda.default_generators[self.device.index or 0]
        before = generator.clone_state()
        graph = torch.cuda.CUDAGraph()
        try:
            # thread_local: a thread that scans the data may use the device meanwhile
            with torch.cuda.graph(graph, pool=self._pool, stream=self.stream, capture_error_mode="thread_local"):
                body()
        except BaseException:
            generator.graphsafe_set_state(before)  # else: "Offset increment outside graph capture"
            raise
        self._pool = graph.pool()
        return graph

    def forget(self) -> None:
        """Take other memory for the next capture: that of graphs that are gone can't be taken once more."""
        self._pool = None

    @contextmanager
    def queue(self) -> Iterator[None]:
        """Run everything on the stream that is captured: autograd ties its nodes to the stream that they began on."""
        outer = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(outer)
        try:
            with torch.cuda.stream(self.stream):
                yield
        finally:
            outer.wait_stream(self.stream)


class _GraphState:
    """Step state of the step that is captured: its random numbers lie on the device, and nothing is counted."""

    def __init__(self, training: TrainingState, drawn: list[list[Tensor]]) -> None:
        self._training = training
        self._drawn = drawn
        self.model, self.loss, self.optimizer = training.model, training.loss, training.optimizer
        self.before_update = training.before_update
        self.micro_batch, self.scaler = training.micro_batch, training.scaler
        self.shared_passes = None  # several ranks train without graphs

    def inputs(self, pixels: Tensor) -> Tensor:
        t = self._training
        return t.preprocess(t.augment.apply(pixels, self._drawn) if t.augment else pixels)

    def mixed(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return inputs, labels

    def autocast(self) -> AbstractContextManager[Any]:
        return self._training.autocast()

    def updated(self) -> None:
        """Count nothing: TrainingState.updated is called at each replay."""


@dataclass
class _Graph:
    """One captured step and the tensors that it reads."""

    index: Tensor
    """Numbers of the images, in the training set."""
    drawn: list[list[Tensor]]
    """Random numbers of each augmentation."""
    graph: Replayable | None = None


class GraphStepper(Stepper):
    """Steps by replays of a captured step, uncaptured where they must be."""

    def __init__(self, training: TrainingState, recorder: StepRecorder, capture: Capture) -> None:
        super().__init__(training, recorder)
        assert isinstance(training.data.train, Images)
        self._images = training.data.train
        self._capture_with = capture
        device = training.device
        self._kind = torch.float32 if device.type == "cuda" else torch.float64
        self.rates = torch.zeros(0, device=device, dtype=self._kind)
        """Learning rate of each distinct share (a parameter group's `factor`)."""
        self._factors: list[float] = []
        self._rate = math.nan
        self._rows = torch.zeros(ROWS, 3, device=device)
        self._row = torch.zeros(1, dtype=torch.int64, device=device)
        self._views = [(row[0], row[1], row[2:]) for row in self._rows.unbind()]
        self._next = 0
        self._seen: Counter[int] = Counter()
        self._graphs: dict[int, _Graph] = {}
        self._drawn: dict[str, Any] | None = None
        """Where the random numbers of Python and NumPy were before the first step."""
        self.off = ""
        """Why nothing more is captured; "" as long as it is."""

    def stream(self) -> AbstractContextManager[Any]:
        return self._capture_with.queue() if isinstance(self._capture_with, CudaCapture) else nullcontext()

    def batches(self) -> Iterator[Tensor]:
        """Yield the numbers of the images of each batch."""
        t = self.training
        return t.index_batches(t.epoch + 1, t.batch_index)

    def step(self, batch: Tensor) -> None:
        t = self.training
        rate = t.update_lr()
        size = batch.shape[0]
        known = self._graphs.get(size)
        if known is None and self._is_ready(size):
            known = self._capture(size)
        if known is None or known.graph is None or self.recorder.watch.is_looking:
            self._seen[size] += 1
            self._drawn = self._drawn or (plain_state() if t.held is not None else None)
            self._step(self._images.batch(batch), rate)
        else:
            self._replay(known, known.graph, batch, rate)

    def _is_ready(self, size: int) -> bool:
        """Return True if a batch size was met often enough, and no hook is there that must not be captured."""
        hooked = self.recorder.watch.is_looking or self.recorder.needs_host or self._hooked()
        return not self.off and self._seen[size] >= WARM_STEPS and not hooked

    def _hooked(self) -> bool:
        hooks = [*self.training.optimizer._optimizer_step_post_hooks.values()]
        return any(getattr(hook, "on_host", False) for hook in hooks)

    def _replay(self, known: _Graph, graph: Replayable, index: Tensor, rate: float) -> None:
        t = self.training
        known.index.copy_(index)
        for tensor, drawn in zip(chain(*known.drawn), chain(*self._draw(index.shape[0])), strict=True):
            tensor.copy_(drawn, non_blocking=True)
        if rate != self._rate:
            self._rate = rate
            self._fill_rates(rate)
        graph.replay()
        t.updated()
        loss, norm, accuracy = self._views[self._next]
        self._next = (self._next + 1) % ROWS
        self.recorder.step_reduced(rate, loss, norm, accuracy, index.shape[0])

    def _fill_rates(self, rate: float) -> None:
        """Put each share of this step's rate on the device."""
        if self._factors == [1.0]:
            self.rates.fill_(rate)
        else:
            shares = torch.tensor([rate * factor for factor in self._factors], dtype=self._kind)
            self.rates.copy_(shares, non_blocking=True)

    def restart(self) -> None:
        """Drop the captured steps: parameters came to the optimizer; each batch size is captured anew."""
        self._graphs.clear()
        self._seen.clear()
        self.rates, self._factors, self._rate = self.rates[:0], [], math.nan
        if isinstance(self._capture_with, CudaCapture):
            self._capture_with.forget()

    def _capture(self, size: int) -> _Graph:
        t = self.training
        if not self._factors:
            self._factors = sorted({group["factor"] for group in t.optimizer.param_groups}, reverse=True)
            self.rates = torch.zeros(len(self._factors), device=t.device, dtype=self._kind)
        known = self._graphs[size] = self._inputs(size)
        if why := self._not_replayed():
            self._give_up(why)
        elif not self._can_update():
            self._give_up("the optimizer's rule has no kernel that takes its rate from the device")
        elif self._lacks_memory():
            self._give_up("there is no memory for a second set of activations")
        else:
            begun = time.perf_counter()
            try:
                known.graph = self._capture_with(lambda: self._body(known))
            except RuntimeError as error:
                self._give_up(" ".join(str(error).split())[:160])
            else:
                seconds = time.perf_counter() - begun
                text = f"steps of {size:,} images are a CUDA graph from here on (captured in {seconds:.2f} s)"
                self.recorder.write(Log(time=time.time(), text=text, step=t.step))
        return known

    def _not_replayed(self) -> str:
        """Return what the net's code does in Python in each step, and would not do in a replay; "" where nothing."""
        held = self.training.held
        if held is None:
            return ""
        values, lost = held.both()
        if names := [*values, *lost]:
            return f"the net's code sets {', '.join(names[:3])} in each step, which a replay would not"
        if self._drawn is not None and checksum(self._drawn) != checksum(plain_state()):
            return "the net's code draws from the random numbers of Python or NumPy, which a replay would not"
        return ""

    def _inputs(self, size: int) -> _Graph:
        device = self.training.device
        drawn = [[x.to(device) for x in numbers] for numbers in self._draw(size)]
        return _Graph(torch.zeros(size, dtype=torch.int64, device=device), drawn)

    def _draw(self, size: int) -> list[Drawn]:
        """Draw this step's random numbers for a batch, on the CPU."""
        augment = self.training.augment
        return augment.draw((size, *self._images.pixels.shape[1:]), self.training.step) if augment else []

    def _body(self, known: _Graph) -> None:
        """Do the step that is captured, and write its numbers into the next row."""
        t = self.training
        groups = t.optimizer.param_groups
        rates = [group["lr"] for group in groups]
        for group in groups:
            group["lr"] = self.rates[self._factors.index(group["factor"])]
        try:
            batch = self._images.batch(known.index)
            loss, logits = training_step(_GraphState(t, known.drawn), batch)
        finally:
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate
        norm = self.recorder.norm.take_whole()
        assert norm is not None  # a net has weights
        with torch.no_grad():
            right = (logits.argmax(1) == batch.labels).float().mean()
            row = torch.stack([loss.detach().float(), norm.float(), right])
            self._rows.index_copy_(0, self._row, row[None])
            self._row.add_(1).remainder_(ROWS)

    def _can_update(self) -> bool:
        optimizer = self.training.optimizer
        return isinstance(optimizer, FusedOptimizer) and optimizer._found() is not None

    def _lacks_memory(self) -> bool:
        """Return True if the most that a step has held so far does not fit in once more."""
        device = self.training.device
        if device.type != "cuda":
            return False
        step = torch.cuda.max_memory_allocated(device) - torch.cuda.memory_allocated(device)
        return free_on_gpu(device) < SETS * step

    def _give_up(self, why: str) -> None:
        self.off = why
        text = f"graph: the step is not captured: {why}"
        self.recorder.write(Log(time=time.time(), text=text, step=self.training.step))


AUGMENTED = False
"""Capture augmentation too: not before a GPU has shown that its bits stay (tests/engine/test_gpu.py asks it)."""


def why_not(training: TrainingState) -> str:
    """Return why a training's step can't be captured, or ""; found before anything is tried."""
    from cvtui.engine.runtime.plain import plain

    if plain():
        return "CVTUI_PLAIN=1 is set"
    if not isinstance(training.data.train, Images):
        return "images are read as they are needed"
    if training.label_table is not None:
        return "pictures in several classes were not tried in a graph on a GPU yet"
    if training.mix:
        return f"{training.mix.names} draws on the CPU"
    if training.augment and not AUGMENTED:
        return "its augmentation was not tried in a graph on a GPU yet"
    if training.scaler is not None:
        return "the scaled loss of float16 was not tried in a graph on a GPU yet"
    if training.micro_batch:
        return "accumulated gradients were not tried in a graph on a GPU yet"
    if training.augment.each:
        return f"{training.augment.each} changes one image after another"
    if not isinstance(training.optimizer, FusedOptimizer):
        return f"{training.checked.optimizer.name} has no kernel that takes its rate from the device"
    return ""


def stepper_of(training: TrainingState, recorder: StepRecorder) -> Stepper:
    """Make the stepper that the recipe's `graph` asks for; on CUDA the log says why where nothing is captured."""
    if training.recipe.graph == "off" or training.device.type != "cuda":
        return Stepper(training, recorder)
    if why := why_not(training):
        text = f"graph: the step is not captured: {why}"
        recorder.writer.write(Log(time=time.time(), text=text, step=training.step))
        return Stepper(training, recorder)
    return GraphStepper(training, recorder, CudaCapture(training.device))
