"""One watched model of a script: its steps, epochs and evaluations, as `cvtui.watch` is told of them."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.custom_loop.first_and_last import Stopped
from cvtui.engine.custom_loop.watched_run import WatchedRun
from cvtui.engine.observe.accuracy import right
from cvtui.engine.observe.copies import is_traced, keep_out, let_in
from cvtui.engine.observe.forward_hooks import batch_of
from cvtui.engine.run_script.answers import Labelled, labelled
from cvtui.engine.run_script.ended import StoppedFromScreen
from cvtui.engine.run_script.evaluations import Evaluation
from cvtui.engine.run_script.forward import Forward, outputs_of, own_loss, reference, sum_of
from cvtui.engine.run_script.given_batches import KnownEvaluation
from cvtui.engine.run_script.inner import follow_inner, inner_of
from cvtui.engine.run_script.loss_call import Call
from cvtui.engine.run_script.loss_sight import Sight
from cvtui.engine.run_script.options import Options
from cvtui.engine.run_script.search import GIVERS, Batches, FirstBatches, iterators
from cvtui.engine.runtime.allocator import keep_freed_memory
from cvtui.engine.watch import watch
from cvtui.text import harmless

UNTOUCHED = 20
"""Steps of a second model, after which one that made none of its own is taken to be done with."""
NOTED_BESIDE, COLDER = 2.5e-5, 0.05
"""Seconds, and share of a step, that hooks on model, optimizer, loader and `backward` take of a noted one, beside what
is timed: in turns with unwatched ones a perceptron's of 0.2 ms took 33 to 50 µs more, a net's of 1 ms 60 to 110."""


class Hub(Protocol):
    """What a session shares with others of the same script."""

    sight: Sight

    def guarded(self, what: Callable[..., None], *given: Any) -> None:
        """Do something of ours; an error of it ends the watching, never the script."""

    def judge(self) -> None:
        """Judge the last forward pass."""

    def forward(self, begun: Forward) -> None:
        """Take note of one that begins."""

    def after(self, output: Tensor | None, labels: Tensor | None, loss: Tensor | None) -> None:
        """Take its output, and the labels and the loss of a model that knows them itself."""

    def forget_losses(self) -> bool:
        """Drop losses whose update was left out; False within a step."""

    def is_first_within(self) -> bool:
        """Return True for the first pass within an optimizer's step, behind others whose losses are kept."""

    def rest(self, session: Session) -> None:
        """See no more of the next step than its loss, where nothing else could come of it."""

    def wake(self, ended: bool = False) -> None:
        """See all again."""


class Session:
    """A model under the watch, from its first forward pass with gradients on."""

    def __init__(
        self,
        model: nn.Module,
        optimizers: list[Optimizer],
        options: Options,
        hub: Hub,
        share: float,
        first: FirstBatches,
    ) -> None:
        self.model, self.optimizers, self._hub = model, optimizers, hub
        self._first_batches: FirstBatches | None = first
        self._training: Batches | None = first.batches
        self._dataset: Any = None
        stem = options.name or time.strftime("%Y-%m-%d-%H%M%S-") + options.program
        given = optimizers[0] if len(optimizers) == 1 else optimizers
        keep_freed_memory()
        self.run = watch(model, given, name=stem, runs=options.runs, every=options.every).__enter__()
        self.folder: Path | None = getattr(self.run.folder, "path", None)
        self.leads = isinstance(self.run, WatchedRun)  # else a rank that has joined rank 0's run
        self.calls = self.run._calls if self.leads else None
        if isinstance(self.run, WatchedRun):
            self.run._quick.beside, self.run._quick.colder = NOTED_BESIDE, COLDER
        """Account of what is done for the script."""
        self.steps = 0
        self._parts: list[Labelled] = []
        self._stepped: set[int] = set()
        self._loader_ended = False
        self._lost = False
        """The loader has ended, and none that goes on is found: an evaluation ends an epoch."""
        self._first_image: Tensor | None = None
        self._last_images = reference(None)
        """Of the last training forward pass, since the last step."""
        self.evaluation = Evaluation(self._training, None)
        self._noted: set[str] = set()
        self._noted_losses = hub.sight.noted
        self._known = KnownEvaluation(hub.sight.given)
        self._quiet = False
        """Forward passes are not the script's own, or are told by `call_around`."""
        self._ended = False
        self._seen_steps = self._seen_at = 0
        self.is_resting = False
        """The step under way is only noted."""
        self._forwards = 0
        """In training, since the last step."""
        self.size, self.labels_each, self._several = 1, 0, False
        """Of the batch: images, labels an image; some steps had several: all steps count alike in an epoch."""
        self._form: Any = None
        """Shapes of a batch's outputs and labels beside its size: those of many steps are read at once."""
        self._held = next(p for group in optimizers[0].param_groups for p in group["params"])
        keep_out()
        self._before = model.register_forward_pre_hook(self._before_forward, prepend=True, with_kwargs=True)
        self._after = model.register_forward_hook(self._after_forward, with_kwargs=True)
        self._mode = inner_of(model)
        self._inner = follow_inner(model, self._before_forward, self._after_forward)
        self._share = share

    def _find_training(self, first: FirstBatches) -> None:
        """Take the loader that was found, at the second training forward pass."""
        self._training, self._first_batches = first.at_next_step(), None
        if self._training is not None:
            self._dataset = self._training.dataset
        if not self.evaluation:
            self.evaluation = Evaluation(self._training, self._first_image)
        self._tell_what_was_found()

    def _tell_what_was_found(self) -> None:
        if self._training is not None:
            length = f", {self._training.length:,} batches an epoch" if self._training.length else ""
            self.note(f"cvtui run: batches from a DataLoader of {type(self._dataset).__name__}{length}")
        else:
            self.note("cvtui run: no DataLoader found: an evaluation ends an epoch")
        if self._share < 1:
            self.note(
                f"{1 - self._share:.0%} of what the optimizer trains lies outside of {type(self.model).__name__}: "
                "those layers are not seen"
            )

    def note(self, text: str) -> None:
        """Write a line into the log, once."""
        if text and text not in self._noted:
            self._noted.add(text)
            self.run.log(harmless(text))

    # ------------------------------------------------------------------ forward passes

    def _before_forward(self, module: nn.Module, args: Any, kwargs: Any = None) -> None:
        if self.is_resting:
            if torch.is_grad_enabled() and self._mode.training:
                images = args[0] if args else None
                if not isinstance(images, Tensor):
                    images = batch_of(args, kwargs or {})
                if images is not None and (shape := images.shape):
                    self.size = shape[0]
                noted = self._noted_losses
                if type(images) is Tensor and not (noted.found or noted.stepping or noted.again):
                    noted.images, noted.thread = weakref.ref(images), threading.get_ident()
                else:
                    noted.forward(images, self._held)
                return
            self._hub.wake()
        elif self._known.answers is not None and not self._quiet:
            if not torch.is_grad_enabled():
                return
            self._known.answers = None
        # (PyTorch calls a hook without kwargs that was taken off while it goes through them.)
        if not (self._quiet or self._ended or is_traced()):
            self._hub.guarded(self._take_inputs, module, args, kwargs or {})

    def call_around(self, code: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call the code of a model that was compiled in place; hooks of its own are none that PyTorch would call."""
        self._before_forward(self.model, args, kwargs)
        quiet, self._quiet = self._quiet, True
        try:
            output = code(*args, **kwargs)
        finally:
            self._quiet = quiet
        self._after_forward(self.model, args, kwargs, output)
        return output

    def _take_inputs(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        self._hub.judge()
        begun = Forward(self, torch.is_grad_enabled(), self._mode.training)
        images = batch_of(args, kwargs)
        if begun.learns and begun.training:
            self._before_training(begun, images)
        else:
            self.evaluation.begin(images)
            begun.images = images
            if not self._inner and self._known.begins(self.evaluation, images):
                return
        self._hub.forward(begun)
        if (
            module is self.model and next(reversed(module._forward_hooks), None) != self._after.id
        ):  # behind the hooks that came on since
            self._after.remove()
            self._after = module.register_forward_hook(self._after_forward, with_kwargs=True)

    def _before_training(self, begun: Forward, images: Tensor | None) -> None:
        same, within = images is not None and self._last_images() is images, self._hub.is_first_within()
        begun.adds = within and not same and self._held.grad is not None
        if self._held.grad is None:
            begun.again = same
            if not begun.again and self._hub.forget_losses():
                self._parts.clear()
        self._last_images = reference(images)
        self._forwards += 1
        self.size = images.shape[0] if images is not None and images.dim() else 1
        if self._first_image is None and images is not None and images.dim() and len(images):
            self._first_image = images[0].detach().clone()
            self.evaluation = Evaluation(self._training, self._first_image)
        elif self._first_batches is not None:
            self._find_training(self._first_batches)
        if self._training is not None and (self._lost or self._training.is_over()):
            self._loader_ended = not self._lost
            self._next_batches(self._training)
        self.close_epoch()
        self.evaluation.since = GIVERS.count

    def _next_batches(self, ended: Batches) -> None:
        """Find the next epoch's iterator; without one look again at each step, among new objects alone."""
        for young in (True,) if self._lost else (True, False):
            living = [one for one in map(Batches, iterators(young)) if not one.is_over()]
            for following in sorted(living, key=lambda one: one.dataset is not self._dataset):
                if following.dataset is self._dataset or following.is_alike(ended):
                    self._training, self._dataset, self._lost = following, following.dataset, False
                    return
        self._lost = True

    def _after_forward(self, module: nn.Module, args: Any, *rest: Any) -> None:
        if self._known.answers is not None and not self._quiet:
            if self._known.take(self.evaluation, args, rest[-1]):
                return
            if not (self._ended or is_traced()):
                self._hub.guarded(self._take_inputs, module, args, rest[0] if len(rest) > 1 else {})
        if not (self.is_resting or self._quiet or self._ended or is_traced()):
            self._hub.guarded(self._take_output, rest[0] if len(rest) > 1 else {}, rest[-1])

    def _take_output(self, kwargs: Any, output: Any) -> None:
        labels = kwargs.get("labels")
        self._hub.after(outputs_of(output), labels if isinstance(labels, Tensor) else None, own_loss(output))
        self._known.look(output)
        self._hub.sight.begin()

    def judged(self, forward: Forward, calls: list[Call], compared: list[tuple[Tensor, Tensor]], learnt: bool) -> None:
        """Take what came of a forward pass; learnt: `backward` was called after it."""
        if learnt:
            pair = labelled([call for call in calls if call.learns], forward.output) or forward.own_pair()
            if pair is not None:
                self._parts.append(pair)
        elif not (forward.learns and forward.training):
            self.evaluation.add(forward.own_calls() or calls, forward.output, compared, forward.images)
            self.evaluation.saw(self._known.would_do(calls))

    # ------------------------------------------------------------------ steps and epochs

    def stepped(self, optimizer: Optimizer, losses: list[Tensor]) -> None:
        """Take a step of one of the optimizers; the last of them makes it a step of the run."""
        self._stepped.add(id(optimizer))
        if len(self._stepped) == len(self.optimizers):
            self.record(losses)

    def due(self, optimizer: Optimizer) -> bool:
        """Return True if this optimizer steps anew before all others have."""
        return id(optimizer) in self._stepped

    def record(self, losses: list[Tensor]) -> None:
        """Record a step of the run. StoppedFromScreen where that was asked for."""
        self._stepped.clear()
        self._last_images = reference(None)
        parts, self._parts = self._parts, []
        forwards, self._forwards = self._forwards, 0
        if not losses or self._ended:
            return
        self._several = self._several or len(parts) > 1
        self._tell(self._tell_step, sum_of(losses), parts)
        self.labels_each = len(parts[0].labels) // self.size if len(parts) == 1 and not self._several else 0
        if forwards == len(losses) == len(self.optimizers) == 1:
            self._rest()

    def _tell(self, what: Callable[..., None], *given: Any) -> None:
        """Tell the run of a step. StoppedFromScreen where that was asked for."""
        self.steps += 1
        try:
            what(*given)
        except Stopped as stopped:
            self.end(stopped)
            raise StoppedFromScreen(str(stopped)) from None

    def _rest(self) -> None:
        """See no more of the next step than its loss, where it is only noted, short and like all others."""
        run = self.run
        if (
            isinstance(run, WatchedRun)
            and run.notes_next()
            and not (self._ended or self._lost or self._first_batches is not None)
        ):
            self._hub.rest(self)
            if self.is_resting:
                self.note("cvtui run: steps are short: accuracies are those of the steps that are looked at")
                if not run.notes_next():  # (the line ended the row)
                    self._hub.wake()

    def rested(self, losses: list[Tensor]) -> None:
        """Record a step of which the loss alone was seen."""
        run = self.run
        self.evaluation.since = GIVERS.count
        if losses:
            self._tell(run.rested, sum_of(losses), max(1, self.size * self.labels_each))
        if len(losses) != 1 or not run.notes_next():
            self._hub.wake()

    def woken(self, ended: bool) -> None:
        """Take note that all is seen again; ended: a loader has given its last batch."""
        self.is_resting = False
        if ended and self._training is not None:
            self._training.is_over()

    def _tell_step(self, loss: Tensor, parts: list[Labelled]) -> None:
        run = self.run
        if isinstance(run, WatchedRun) and len(parts) == 1 and not self._several:
            logits, labels = parts[0]
            form = logits.shape[1:], labels.shape[1:], logits.dtype
            self._form = self._form or form
            if form == self._form:
                run.step_of(loss, logits, labels)
                return
        accuracy = None
        if parts:
            with torch.no_grad():
                accuracy = torch.cat([right(*part) for part in parts]).mean()
        run.step(loss=loss, accuracy=accuracy, labels=None if len(parts) != 1 or self._several else parts[0].labels)

    def close_epoch(self) -> None:
        """Record an evaluation, and the end of an epoch, where one came since the last step."""
        ended, self._loader_ended = self._loader_ended, False
        if not self.steps or not (self.evaluation or ended):
            return
        evaluation, self.evaluation = self.evaluation, Evaluation(self._training, self._first_image)
        loss, accuracy, note = evaluation.result() if evaluation else (None, None, "")
        if (answered := self._known.end(evaluation)) and self.calls is not None:
            self.calls.add(answered * NOTED_BESIDE)
        self.note(note)
        self._quiet = True
        try:
            if ended or self._lost or self._training is None:
                self.run.epoch(val_loss=loss, val_accuracy=accuracy)
            else:
                found: dict[str, Any] = {"val_loss": loss, "val_accuracy": accuracy}
                self.run.log("", **{name: value for name, value in found.items() if value is not None})
        finally:
            self._quiet = False

    def end(self, error: BaseException | None) -> None:
        """End the run; the model is as it was."""
        if self._ended:
            return
        self._ended = True
        self._before.remove()
        self._after.remove()
        for handle in self._inner:
            handle.remove()
        let_in()
        if isinstance(error, SystemExit):
            error = None if error.code in (None, 0) else RuntimeError(f"the script exited with {error.code}")
        if self._training is not None and not self._lost and self._training.is_done():
            self._loader_ended = True
        if error is None:
            self.close_epoch()
        if not self.steps:
            self.note("cvtui run: no step of the optimizer was seen after a backward()")
        self.run.__exit__(type(error) if error is not None else None, error, None)

    def terminate(self, reason: str) -> None:
        """End the run as stopped for this reason."""
        self.end(Stopped(reason))

    @property
    def has_ended(self) -> bool:
        """True from the moment that its end is being written."""
        return self._ended

    def idle_since(self, steps: int) -> bool:
        """Return True if this model made no step while another made `UNTOUCHED`; steps: the other's so far."""
        if self.steps != self._seen_steps:
            self._seen_steps, self._seen_at = self.steps, steps
        return steps - self._seen_at >= UNTOUCHED

    def holds(self, optimizer: Optimizer) -> bool:
        return optimizer is self.optimizers[0] or any(one is optimizer for one in self.optimizers)
