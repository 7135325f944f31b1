"""Collect diagnostic facts from the first training steps.

Nothing is read back from the device on a step: what is computed there waits until the log is flushed. Nothing that is
trained changes by a bit: values are looked at, no random number is drawn, every buffer stays.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.observe.batch_labels import BatchLabels
from cvtui.engine.observe.both_modes import BothModes, evaluated_twice
from cvtui.engine.observe.charges import Calls
from cvtui.engine.observe.copies import is_traced
from cvtui.engine.observe.ends_no_training import ends_no_training
from cvtui.engine.observe.eval_updates import EvalUpdates
from cvtui.engine.observe.fingerprints import Fingerprints
from cvtui.engine.observe.finite_inputs import FiniteInputs
from cvtui.engine.observe.first_batch import FirstBatch
from cvtui.engine.observe.first_norm import FirstNorm
from cvtui.engine.observe.first_signs import FirstSigns
from cvtui.engine.observe.first_updates import UNMOVED, FirstUpdates, remove_all
from cvtui.engine.observe.first_validation import FirstValidation
from cvtui.engine.observe.forward_hooks import (
    Glance,
    Subscription,
    first_tensor,
    forward_hooks,
    is_compiled,
    may_compile,
    uncompiled,
)
from cvtui.engine.observe.joined_batches import Joined, JoinedBatches
from cvtui.engine.observe.lasting import lasting
from cvtui.engine.observe.linear_pairs import LinearPairs
from cvtui.engine.observe.loss_probe import LossProbe
from cvtui.engine.observe.model_facts import LeftOut, optimizer_facts, weight_facts, weight_numbers
from cvtui.engine.observe.model_inputs import given
from cvtui.engine.observe.scores import scores_of
from cvtui.engine.observe.weight_sample import has_closure
from cvtui.engine.observe.within_memory import WithinMemory
from cvtui.engine.optim.groups import held_by
from cvtui.runlog.events import Facts
from cvtui.text import error_line

STEPS = 5
"""First steps that are observed with hooks."""
BATCHES = 10
"""First batches whose labels are counted."""
LATE = 1000
"""Steps of a loop that tells no epoch, after which its first one is taken to be over."""
LOOKED_FOR = 3
"""Epoch at whose end a copy of a model that is never evaluated is looked for, once: among all objects, in 70 ms."""


class Probe:
    """Observer of the first training steps.

        probe = Probe(model, optimizer)
        forward, backward, optimizer.step()
        probe.step(loss, labels)              # after each step
        facts = probe.take()                  # at a flush: a record, or None
        probe.close()

    scan_inputs: look at every batch for values that are not finite, as long as the run goes (one sum a step).
    calls: where its hooks are charged.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer | Sequence[Optimizer],
        *,
        scan_inputs: bool = False,
        layer_rates: dict[str, float] | None = None,
        calls: Calls | None = None,
    ) -> None:
        self.model = model
        self.calls = calls
        self.optimizers = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer)
        self.scan_inputs = scan_inputs
        self.left = False
        """It had to leave."""
        self._within_memory = WithinMemory()
        self.number = 0
        self.noted: Sized = ()
        """Steps told beside these `number` ones, of which no more is known yet (custom_loop/quick_steps.py)."""
        self.seen = 0
        """Steps seen so far."""
        self._static = optimizer_facts(model, self.optimizers)
        self._static["layer_rates"] = layer_rates or {}
        self._left_out = LeftOut(model, self.optimizers)
        self._weights = weight_numbers(model)
        self._reported_static = False
        self._reported_batches = False
        self._labels = BatchLabels()
        self._first = FirstBatch(self.optimizers, self._within_memory)
        self._finite = FiniteInputs(scan_inputs)
        self._updates = FirstUpdates(model, self.optimizers, lambda: not self._quiet, self._within_memory)
        self._pairs = LinearPairs(model, self._within_memory)
        self._loss = LossProbe(model, self.optimizers)
        self._signs = FirstSigns(model, self.optimizers)
        self._norm = FirstNorm(model)
        self._eval_updates = EvalUpdates(model, self.optimizers, calls)
        self._both_modes = BothModes()
        self._epochs = 0
        self._new_epoch = False
        self._reported: set[str] = set()
        self.batch: tuple[Tensor, Tensor] | None = None
        """The first batch as the model got it, and its labels."""
        self._root: list[Subscription] = []
        self._quiet = False
        # (No dataset was given that could be compared.)
        self._prints = Fingerprints(scan_inputs, self._within_memory)
        self._batches = JoinedBatches(self._look_at_batches)
        self._validation = FirstValidation(self._first, self._prints, self._within_memory)
        self._hook()

    # ------------------------------------------------------------------ hooks

    def _hook(self) -> None:
        """Register all hooks."""
        self._hooks, root = forward_hooks(self.model), uncompiled(self.model)
        hooks = self._hooks
        self._root.append(hooks.before(root, self._before_forward))
        self._glance = Glance(root, self._at_a_glance)
        self._after = hooks.after(root, self._after_forward)
        if not is_compiled(self.model):
            self._pairs.hook()
        self._updates.hook(self._before_update, self._after_update)

    @property
    def is_early(self) -> bool:
        """True as long as each step's gradients and update are looked at."""
        return self.seen < BATCHES or self._updates.are_watched or self._new_epoch

    @property
    def can_rest(self) -> bool:
        """True once a batch now and then tells as much as each one: after the first epoch."""
        known = self._reported_batches and (self._epochs > 0 or self.number >= LATE)
        plain = not self._hooks.traced and not may_compile()
        return known and plain and self._prints.is_done and not self.is_early and not self.left

    def rest(self) -> None:
        """Look at no batch that is trained on until `look_again`."""
        for one in self._root:
            one.remove()
        if self._root and not self._validation.is_reported:
            self._glance.put_on()

    def look_again(self) -> None:
        """Look at each batch."""
        self._glance.remove()
        if not self.left:
            for one in self._root:
                one.put_on()

    def _at_a_glance(self, module: nn.Module, inputs: Any, kwargs: Any = None) -> None:
        """Leave out what is trained on: an evaluation may come in the middle of a rest, and is short."""
        if not ((learns := torch.is_grad_enabled()) and module.training) and not is_traced():
            if learns:
                self.look_again()  # updates may come behind it, and training mode must be seen to be back
            self._before_forward(module, given(inputs, kwargs))

    def close(self) -> None:
        self._glance.remove()
        self._after.remove()
        self._updates.close()
        remove_all(self._root)
        self._pairs.close()
        self._norm.close()
        self._eval_updates.close()
        self._loss.close()

    @ends_no_training
    def _before_forward(self, module: nn.Module, inputs: Any) -> None:
        images = first_tensor(inputs)
        if self._quiet or (images is not None and (not images.dim() or not images.numel())):
            return
        number = self.number + len(self.noted)
        if not torch.is_grad_enabled():
            if images is not None:
                self._validation.take(number, self.seen, module, images)
            return
        self._validation.evaluations.trained(number)
        self._eval_updates.forward(module.training, number)
        self._updates.forward()
        if self.seen < BATCHES:
            self._loss.before_forward()
            self._left_out.in_forward(self.model)
            with self._within_memory():
                self._signs.before_forward(images)
        if self._new_epoch:
            self._new_epoch = False
            self._signs.new_epoch(number)
        if images is None:
            return  # nothing that looks like them was given
        self._batches.take(number, images)
        if self.seen <= STEPS and not is_compiled(self.model):
            self._updates.casts.before_forward(images)
        if not self.seen and not self._first.has_inputs:
            self._first.take_inputs(module, images, inputs)

    def _look_at_batches(self, batches: Joined) -> None:
        self._prints.train(batches)
        self._finite.take(batches)

    @ends_no_training
    def _after_forward(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        self._pairs.forward_done()
        if not torch.is_grad_enabled() or self._quiet:
            return
        output = scores_of(output)
        self._signs.after_forward()
        self._loss.after_forward(output)
        if not self.seen:
            self._first.take_output(output)

    def leave(self, error: Exception) -> None:
        """Look no more: what a model or a loop does, that nobody has thought of, must not end its training."""
        self.left, self.seen = True, max(self.seen, BATCHES)
        self._within_memory.trouble = (
            f"the doctor's look at the first steps ended ({error_line(error)}); training continues"
        )
        self.close()

    def trouble(self) -> str:
        """Return the message about missing memory, or that it had to leave, once; else ""."""
        return self._within_memory.news()

    @ends_no_training
    def _before_update(self, optimizer: Optimizer, *call: Any) -> None:
        held = held_by(optimizer)
        late = has_closure(*call)  # what lies there are the gradients of the step before
        with self._within_memory():
            self._signs.before_update(set() if late else held)
        if not late:
            self._updates.look(optimizer, held, self.number)

    @ends_no_training
    def _after_update(self, optimizer: Optimizer, *call: Any) -> None:
        if has_closure(*call):
            self._updates.look(optimizer, held_by(optimizer), self.number, asked=True)
        self._updates.made()
        with self._within_memory():
            self._signs.after_update()

    # ------------------------------------------------------------------ what the recorder tells

    @ends_no_training
    def step(
        self,
        loss: Tensor | float,
        labels: Tensor | None,
        logits: Tensor | None = None,
        accuracy: Tensor | float | None = None,
    ) -> None:
        """Take one step's loss and, where they are known, its labels (N) and the accuracy that was told."""
        self.number += 1
        self._eval_updates.step(self.number)
        if self._updates.are_watched and self.seen + 1 >= STEPS:
            self._updates.settle(self.number)  # (watched no longer, once one was made)
        if self._reported_batches:
            return
        self.seen += 1
        if self.seen == 1:
            self._left_out.look_again(self.model, self.optimizers)
        if self.seen <= BATCHES:
            if labels is not None and not labels.is_floating_point():
                labels = labels.long()  # (bool, or int32)
            labels = self._loss.step(loss, labels, accuracy)
        if labels is not None and (labels.dim() != 1 or labels.is_floating_point()):
            labels = None
        if self.seen == 1:
            self._first_step(loss, labels, logits)
        if labels is not None and self.seen <= BATCHES:
            self._labels.add(labels)
            self._prints.label(self.number - 1, labels)
        if self.seen == BATCHES:
            self._after.remove()

    def _first_step(self, loss: Tensor | float, labels: Tensor | None, logits: Tensor | None) -> None:
        self._first.end(loss, labels, logits)
        images = self._first.images
        if labels is not None and images is not None:
            self.batch = (images, lasting(labels)[: len(images)])
        self._pairs.close()

    @ends_no_training
    def take(self) -> Facts | None:
        """Return what is new, read from the device now."""
        facts: dict[str, Any] = {}
        self._batches.pour()
        if not self._reported_static and self.seen >= 1:
            self._reported_static = True
            first = self._read_first()
            facts |= self._static | self._first.fields | first | self._pairs.first_layer()
            facts["weights"] = weight_facts(self._weights)
            facts["modules"], facts["linear_pairs"] = self._pairs.modules(), self._pairs.pairs
            self._weights = []
        if not self._reported_batches and self.seen >= BATCHES:
            self._reported_batches = True
            facts |= self._read_batches()
        elif not self._reported_batches and self.seen >= STEPS and "early" not in self._first.fields:
            self._first.fields["early"] = True
            facts |= self._read_batches()
        if self._validation.evaluations.is_settled(self.number):
            facts |= self._validation.facts()
        facts |= self._finite.facts() | self._read_modes() | self._signs.set_back()
        return Facts(step=self.number, **facts) if facts else None

    @ends_no_training
    def remaining(self) -> Facts | None:
        """Return what a run that ended within its first steps left behind."""
        facts = {} if self._reported_batches or not self.seen else self._read_batches()
        facts |= self._validation.facts() | self._read_modes(ended=True)
        self._reported_batches = True
        return Facts(step=self.number, **facts) if facts else None

    def _read_modes(self, ended: bool = False) -> dict[str, Any]:
        """Tell once that the optimizer made no update, and at which step training went on in evaluation mode."""
        facts: dict[str, Any] = {}
        late = self.number >= UNMOVED or self._epochs > 1 or (ended and self.seen >= STEPS)
        if late and not self._updates.count and "updates" not in self._reported:
            facts |= self._signs.no_update()
        if self._eval_updates.eval_step is not None and "eval_step" not in self._reported:
            facts["eval_step"] = self._eval_updates.eval_step
        if "updates_in_eval" not in self._reported:
            facts |= self._eval_updates.facts()
        if "accumulated" not in self._reported:
            facts |= self._updates.passes()
        self._reported |= set(facts)
        if self._epochs > 1 and self._validation.is_reported and not self.scan_inputs:
            remove_all(self._root)
        return facts

    def _read_first(self) -> dict[str, Any]:
        facts, labels = self._first.read(self._guessed_labels)
        return facts | self._loss.facts(labels, facts.get("first_loss")) | self._norm.facts()

    def _guessed_labels(self, count: int) -> Tensor | None:
        """Take the labels that the gradients show into account; returns those of the first batch of `count` images."""
        found = self._loss.labels()
        if found:
            self._first.fields["labels_from"] = "gradient"
        for one in found:
            self._labels.add(one)
        return found[0] if found and len(found[0]) == count and len(self._labels) == len(found) else None

    def _read_batches(self) -> dict[str, Any]:
        if self._loss.waiting:
            self._guessed_labels(0)
        facts = self._loss.answered(last=self._reported_batches)
        facts |= self._signs.facts(self._labels.all()) | self._labels.facts()
        by_hand = None if self._left_out.unknown else self._left_out.set_by_hand()
        facts |= self._left_out.facts(self._updates.without) | self._updates.facts(by_hand)
        return facts

    # ------------------------------------------------------------------ both modes

    @ends_no_training
    def mode_losses(self) -> Facts | None:
        """Look at the first batch with the weights of an epoch's end; the model is left as it was.

        Its loss in training and in evaluation mode (of a model with batch norm, where labels are known), and after the
        first epoch whether evaluation mode answers twice alike; epochs of a few steps share a look. None where nothing
        was found.
        """
        self._epochs += 1
        self._validation.evaluations.epoch()
        self._new_epoch = self._epochs == 1
        facts: dict[str, Any] = {}
        if is_compiled(self.model):
            return None
        self._quiet = True
        self._batches.pour()
        try:
            facts |= self._prints.epoch_done(self._epochs)
            if self._epochs == 1 and self._first.images is not None:
                facts |= evaluated_twice(self.model, self._first.images, self._first.ask)
            if self._epochs >= LOOKED_FOR and not self._validation.was_seen:
                facts |= self._signs.follower(self.model)
            if self.batch is not None:
                facts |= self._both_modes.facts(self.model, *self.batch, self.number, self._first.ask)
        finally:
            self._quiet = False
        return Facts(step=self.number, **facts) if any(fact is not None for fact in facts.values()) else None
