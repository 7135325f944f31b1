"""Collect diagnostic facts from the first training steps.

Nothing is read back from the device on a step: what is computed there waits until the log is flushed. Nothing that is
trained changes by a bit: values are looked at, no random number is drawn, every buffer stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.observe.batch_labels import BatchLabels
from cvtui.engine.observe.both_modes import BothModes, has_batch_norm, mixing, repeats_differ
from cvtui.engine.observe.capped_gradients import all_alike, capped, largest_and_share
from cvtui.engine.observe.charges import Calls
from cvtui.engine.observe.copies import is_traced
from cvtui.engine.observe.ends_no_training import ends_no_training
from cvtui.engine.observe.eval_updates import EvalUpdates
from cvtui.engine.observe.evaluations import Evaluations
from cvtui.engine.observe.fingerprints import Fingerprints
from cvtui.engine.observe.finite_inputs import FiniteInputs
from cvtui.engine.observe.first_batch import FirstBatch
from cvtui.engine.observe.first_norm import FirstNorm
from cvtui.engine.observe.first_signs import FirstSigns
from cvtui.engine.observe.forward_hooks import (
    Glance,
    Handle,
    Subscription,
    first_tensor,
    forward_hooks,
    is_compiled,
    may_compile,
    uncompiled,
)
from cvtui.engine.observe.kept_casts import KeptCasts
from cvtui.engine.observe.lasting import lasting
from cvtui.engine.observe.layer_kinds import plain_name
from cvtui.engine.observe.linear_pairs import LinearPairs
from cvtui.engine.observe.loss_probe import LossProbe
from cvtui.engine.observe.model_facts import LeftOut, optimizer_facts, weight_facts, weight_numbers
from cvtui.engine.observe.scores import scores_of
from cvtui.engine.observe.shards import is_sharded, own_shard
from cvtui.engine.observe.stale_gradients import StaleGradients
from cvtui.engine.observe.statistics import moments
from cvtui.engine.observe.update_passes import UpdatePasses
from cvtui.engine.observe.weight_sample import has_closure
from cvtui.engine.observe.wrapped_bytes import jumps
from cvtui.engine.optim.groups import held_by
from cvtui.engine.runtime.memory import is_out_of_memory
from cvtui.runlog.events import Facts
from cvtui.text import error_line, rounded_or_none

STEPS = 5
"""First steps that are observed with hooks."""
BATCHES = 10
"""First batches whose labels are counted."""
LATE = 1000
"""Steps of a loop that tells no epoch, after which its first one is taken to be over."""
UNMOVED = 64
"""Steps without one update, after which the optimizer is taken to be never asked."""


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
        self.number = 0
        self.seen = 0
        """Steps seen so far."""
        self._static = optimizer_facts(model, self.optimizers)
        self._static["layer_rates"] = layer_rates or {}
        self._left_out = LeftOut(model, self.optimizers)
        self._weights = weight_numbers(model)
        self._reported_static = False
        self._reported_batches = False
        self._reported_validation = False
        self._labels = BatchLabels()
        self._first = FirstBatch(self.optimizers, self._within_memory)
        self._validation: Tensor | None = None
        self._evaluations = Evaluations()
        self._finite = FiniteInputs(scan_inputs)
        self._updates = 0
        self._without: set[str] | None = None
        self._pairs = LinearPairs(model, self._within_memory)
        self._loss = LossProbe(model, self.optimizers)
        self._signs = FirstSigns(model, self.optimizers)
        self._norm = FirstNorm(model)
        self._eval_updates = EvalUpdates(model, self.optimizers, calls)
        self._both_modes = BothModes()
        self._epochs = 0
        self._new_epoch = False
        self._mode: bool | None = None
        """Training mode of the last forward pass with gradients."""
        self._eval_step: int | None = None
        self._update_handles: list[Handle] = []
        self._reported: set[str] = set()
        self.batch: tuple[Tensor, Tensor] | None = None
        """The first batch as the model got it, and its labels."""
        self._trouble = ""
        self._reported_trouble = False
        self._handles: list[Handle] = []
        self._root: list[Subscription] = []
        self._quiet = False
        # (No dataset was given that could be compared.)
        self._prints = Fingerprints(scan_inputs, self._within_memory)
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
        for optimizer in self.optimizers:
            self._handles.append(optimizer.register_step_pre_hook(self._before_update))
            self._update_handles.append(optimizer.register_step_post_hook(self._after_update))
        held = held_by(*self.optimizers)
        # zero_grad leaves the others alone
        # (FSDP puts gradients into shards, by no hook on them.)
        whole = not is_sharded(self.model)
        wanted = [p for p in self.model.parameters() if whole and p.requires_grad and id(p) in held]
        self._stale = StaleGradients(wanted, lambda: self._updates > 0 and not self._quiet, self._within_memory)
        self._passes = UpdatePasses(wanted[:1], lambda: not self._quiet, self._within_memory)
        self._casts = KeptCasts(self._within_memory)
        self._capped: Tensor | None = None
        self._handles += self._stale.handles + self._passes.handles

    @property
    def is_early(self) -> bool:
        """True as long as each step's gradients and update are looked at."""
        return self.seen < BATCHES or bool(self._handles or self._update_handles) or self._new_epoch

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
        if self._root:
            self._glance.put_on()

    def look_again(self) -> None:
        """Look at each batch."""
        self._glance.remove()
        if not self.left:
            for one in self._root:
                one.put_on()

    def _at_a_glance(self, module: nn.Module, inputs: Any) -> None:
        """Leave out what is trained on: an evaluation may come in the middle of a rest, and is short."""
        if not (torch.is_grad_enabled() and module.training) and not is_traced():
            self._before_forward(module, inputs)

    def close(self) -> None:
        self._glance.remove()
        self._after.remove()
        for handles in (self._handles, self._root, self._update_handles):
            _remove(handles)
        self._pairs.close()
        self._norm.close()
        self._eval_updates.close()
        self._loss.close()

    @ends_no_training
    def _before_forward(self, module: nn.Module, inputs: Any) -> None:
        images = first_tensor(inputs)
        if self._quiet or (images is not None and (not images.dim() or not images.numel())):
            return
        if not torch.is_grad_enabled():
            if images is not None:
                self._look_at_validation(module, images)
            return
        self._mode = module.training
        self._evaluations.trained()
        self._eval_updates.forward(module.training)
        self._passes.forward()
        if self.seen < BATCHES:
            self._loss.before_forward()
            self._left_out.in_forward(self.model)
            with self._within_memory():
                self._signs.before_forward(images)
        if self._new_epoch:
            self._new_epoch = False
            self._signs.new_epoch(self.number)
        if images is None:
            return  # given by name (pixel_values=…): what hooks aren't told
        self._prints.train(images)
        if self.seen <= STEPS and not is_compiled(self.model):
            self._casts.before_forward(images)
        self._finite.take(self.number, images)
        if not self.seen and not self._first.has_inputs:
            self._first.take_inputs(module, images)

    def _look_at_validation(self, module: nn.Module, images: Tensor) -> None:
        if self.seen and not self._evaluations.take(self.number, module.training):
            if self._evaluations.is_habit and not self._reported_validation:
                self._validation = None
                self._prints.forget_evaluated()
            return
        if self.seen:
            self._prints.evaluate(images)
        if self._validation is None and self.seen:
            with self._within_memory():
                self._validation = torch.cat([moments(images.detach())[:4].float(), jumps(images)])
                self._first.fields["validation_mode"] = module.training

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

    @contextmanager
    def _within_memory(self) -> Iterator[None]:
        """Leave out what there is no memory for; it ends no training."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self._trouble = self._trouble or "no memory for all that the doctor looks at; training continues"

    def leave(self, error: Exception) -> None:
        """Look no more: what a model or a loop does, that nobody has thought of, must not end its training."""
        self.left, self.seen, self._reported_trouble = True, max(self.seen, BATCHES), False
        self._trouble = f"the doctor's look at the first steps ended ({error_line(error)}); training continues"
        self.close()

    def trouble(self) -> str:
        """Return the message about missing memory, or that it had to leave, once; else ""."""
        if not self._trouble or self._reported_trouble:
            return ""
        self._reported_trouble = True
        return self._trouble

    @ends_no_training
    def _before_update(self, optimizer: Optimizer, *call: Any) -> None:
        held = held_by(optimizer)
        late = has_closure(*call)  # what lies there are the gradients of the step before
        with self._within_memory():
            self._signs.before_update(set() if late else held)
        if not late:
            self._look_at_gradients(optimizer, held)

    def _look_at_gradients(self, optimizer: Optimizer, held: set[int], asked: bool = False) -> None:
        self._stale.before_update(held)
        self._passes.before_update(held, self.number, asked)
        if self._updates == 1 and self._capped is None:
            with self._within_memory():
                own = (p.grad for group in optimizer.param_groups for p in group["params"])
                self._capped = largest_and_share(own_shard(one) for one in own if one is not None)
        without = {name for name, p in self.model.named_parameters() if p.requires_grad and p.grad is None}
        self._without = without if self._without is None else self._without & without

    @ends_no_training
    def _after_update(self, optimizer: Optimizer, *call: Any) -> None:
        if has_closure(*call):
            self._look_at_gradients(optimizer, held_by(optimizer), True)
        self._updates += 1
        with self._within_memory():
            self._signs.after_update()
        self._casts.updated()

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
        self._evaluations.step()
        self._eval_updates.step(self.number)
        if self._mode is False or self._handles or self._update_handles:
            self._follow_modes()
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
        if self.seen == BATCHES:
            self._after.remove()

    def _first_step(self, loss: Tensor | float, labels: Tensor | None, logits: Tensor | None) -> None:
        self._first.end(loss, labels, logits)
        images = self._first.images
        if labels is not None and images is not None:
            self.batch = (images, lasting(labels)[: len(images)])
        self._pairs.close()

    def _follow_modes(self) -> None:
        """Note a step in evaluation mode, and watch no longer for an update once one was made."""
        if self._mode is False and self._eval_step is None:
            self._eval_step = self.number - 1
        if self.seen + 1 < STEPS:
            return
        if self._update_handles and (self._updates or self.number > UNMOVED):
            _remove(self._update_handles)
        if self._handles and (self._passes.known or self.number > UNMOVED):
            _remove(self._handles)

    @ends_no_training
    def take(self) -> Facts | None:
        """Return what is new, read from the device now."""
        facts: dict[str, Any] = {}
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
        if self._evaluations.is_settled(self.number):
            facts |= self._read_validation()
        facts |= self._finite.facts() | self._read_modes() | self._signs.set_back()
        return Facts(step=self.number, **facts) if facts else None

    @ends_no_training
    def remaining(self) -> Facts | None:
        """Return what a run that ended within its first steps left behind."""
        facts = {} if self._reported_batches or not self.seen else self._read_batches()
        facts |= self._read_validation() | self._read_modes(ended=True)
        self._reported_batches = True
        return Facts(step=self.number, **facts) if facts else None

    def _read_validation(self) -> dict[str, Any]:
        if self._reported_validation or self._validation is None:
            return {}
        self._reported_validation = True
        numbers = self._validation.tolist()
        mean, std = (rounded_or_none(number, 6) for number in numbers[:2])
        mode = self._first.fields["validation_mode"]
        jumps = self._first.jumps(numbers[4])
        return {"validation_mean": mean, "validation_std": std, "validation_mode": mode, "jumps": jumps}

    def _read_modes(self, ended: bool = False) -> dict[str, Any]:
        """Tell once that the optimizer made no update, and at which step training went on in evaluation mode."""
        facts: dict[str, Any] = {}
        late = self.number >= UNMOVED or self._epochs > 1 or (ended and self.seen >= STEPS)
        if late and not self._updates and "updates" not in self._reported:
            facts |= self._signs.no_update()
        if self._eval_step is not None and "eval_step" not in self._reported:
            facts["eval_step"] = self._eval_step
        if "updates_in_eval" not in self._reported:
            facts |= self._eval_updates.facts()
        if self._passes.known and "accumulated" not in self._reported:
            facts["accumulated"] = self._passes.accumulated()
            facts["thrown_away"], facts["emptied"] = self._passes.thrown_away(), self._passes.emptied()
            facts["steps_together"] = self._passes.steps_together()
        self._reported |= set(facts)
        if self._epochs > 1 and self._reported_validation and not self.scan_inputs:
            _remove(self._root)
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
        facts |= self._left_out.facts(self._without)
        if (stale := self._stale.median()) is not None:
            facts["stale_gradient"] = rounded_or_none(stale, 6)
        if cut := capped(self._capped):
            facts["capped_gradient"] = cut
        if all_alike(self._capped):
            facts["gradient_of_one_number"] = True
        if (behind := self._casts.most()) is not None:
            facts["stale_casts"] = behind
        without = {plain_name(name) for name in self._without or ()} - self._left_out.set_by_hand()
        if without and not self._left_out.unknown:
            facts["no_gradient"] = sorted(without)[:50]
            facts["no_gradient_count"] = len(without)
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
        self._evaluations.epoch()
        self._new_epoch = self._epochs == 1
        facts: dict[str, Any] = {}
        if is_compiled(self.model):
            return None
        self._quiet = True
        try:
            facts |= self._prints.epoch_done(self._epochs)
            if self._epochs == 1 and self._first.images is not None:
                facts["evaluations_differ"] = repeats_differ(self.model, self._first.images)
                if facts["evaluations_differ"] == 0:
                    facts |= mixing(self.model, self._first.images)
            if self.batch is not None and has_batch_norm(self.model):
                facts |= self._both_modes.facts(self.model, *self.batch, self.number)
        finally:
            self._quiet = False
        return Facts(step=self.number, **facts) if any(fact is not None for fact in facts.values()) else None


def _remove(handles: list[Any]) -> None:
    while handles:
        handles.pop().remove()
