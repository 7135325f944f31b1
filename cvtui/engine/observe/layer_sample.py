"""Layer statistics of sampled steps: hooks on every layer that computes and on the optimizers.

Norms and means are exact over all values; everything else is of at most 2,048 values a tensor (gathered.py), and
`LayerStats.sampled` says of how many one was taken. The step itself only copies those values; they are described when
the log is flushed. A sample holds some 8 KB a tensor beside the step, and where even these are not to be had, it is
lost and the step goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.nn.model import Net
from cvtui.engine.observe.forward_hooks import (
    ForwardHooks,
    Subscription,
    first_tensor,
    is_within_transform,
    may_compile,
)
from cvtui.engine.observe.function_calls import ACTIVATIONS, MOST, FunctionCalls
from cvtui.engine.observe.guarded_looks import GuardedLooks
from cvtui.engine.observe.layer_extras import MISFITS, Later, gates, running_copies, running_statistics
from cvtui.engine.observe.layer_kinds import RECURRENT, Layers
from cvtui.engine.observe.layer_record import Pending
from cvtui.engine.observe.layer_rows import LayerRows
from cvtui.engine.observe.norm_sample import NormSample, RunningTogether, can_be_joined
from cvtui.engine.observe.output_reader import OutputReader
from cvtui.engine.observe.plain_hooks import PlainHooks
from cvtui.engine.observe.shards import is_sharded
from cvtui.engine.observe.unseen import MOST_CALLS, unreadable, why_missing
from cvtui.engine.observe.weight_sample import WeightSample, has_closure
from cvtui.engine.runtime.memory import is_out_of_memory

FEW_ANSWERS = 1 << 14
"""Scores that are copied; of more the classes are worked out at the step."""
_FUNCTIONS = frozenset(ACTIVATIONS.values())


class LayerSample(GuardedLooks, OutputReader):
    """Hooks of sampled steps, one after the other, and the numbers that they gather.

    They are made once, and are on the model from `begin` to `unhook`.

    root: the model whose forward pass begins a look anew. plainly: nothing compiles or traces it in a step.
    """

    def __init__(
        self,
        layers: Layers,
        root: nn.Module,
        hooks: ForwardHooks,
        optimizers: Sequence[Optimizer],
        clock: Callable[[], float],
        plainly: bool = False,
    ) -> None:
        GuardedLooks.__init__(self, clock)
        OutputReader.__init__(self)
        self.step = -1
        self.root, self.hooks = root, hooks
        self.layers, self.optimizers = layers, optimizers
        self.alive: dict[str, deque[Tensor]] = {}
        """The last samples' living channels by layer."""
        self.known: dict[str, str] = {}
        """Why outputs of layers are not seen in any step."""
        self._kinds = {name: kind for name, (kind, _) in layers.items()}
        self._subscriptions: list[Subscription] = []
        self._of_functions: list[Subscription] = []
        self._plainly = plainly
        self._plain: PlainHooks | None = None
        """All hooks of a model that runs plainly, put on together."""
        self._net = root if plainly and isinstance(root, Net) else None
        """It tells its layers' outputs itself."""
        self._on: list[Subscription] | PlainHooks = []
        """Those that are on."""
        self._of_steps: PlainHooks | None = None
        self._calls = FunctionCalls(self._activation, self._attended, self._is_quiet)
        learning = {name: module for name, (_, module) in layers.items() if module._parameters}
        self.of_weights = WeightSample(optimizers, self.places, learning, {} if is_sharded(root) else None)
        norms = {name: module for name, (kind, module) in layers.items() if kind == "batchnorm"}
        self._alone = set() if can_be_joined(norms) else set(norms)
        """Batch norms that are not looked at together: they are called several times in a pass, say."""
        self._norms = NormSample({name: norm for name, norm in norms.items() if name not in self._alone})
        self._clear()

    def _clear(self) -> None:
        """Forget what the step before has left."""
        self.outputs: dict[str, list[LayerRows]] = {}
        self.calls: dict[str, int] = {}
        self.called: list[tuple[str, LayerRows]] = []
        """Activations that are functions: the layer before, and what was copied."""
        self.unseen: dict[str, str] = {}
        """Why a layer's output was not seen."""
        self.lost = False
        self._shut = False
        """Nothing more is looked at: it is lost, or the weights were updated."""
        self.of_weights.clear()
        self.seconds = 0.0
        self.updated: set[int] = set()
        """Optimizers that have stepped."""
        self.answers: tuple[Tensor, int] | None = None
        """Predicted class of each image, or its scores, and the number of classes."""
        self._last = ""
        self._tokens = False
        self._inside = ""
        """A layer that calls an activation itself, while it runs."""
        self._attending: list[str] = []
        self._attention: dict[str, Later | None] = {}
        self._running: dict[str, tuple[Tensor, Tensor] | None] = {}
        """Of the batch norms that go alone, before the pass."""
        self._together: RunningTogether | None = None
        """And of the others."""

    # ------------------------------------------------------------------ hooks

    def begin(self, step: int, functions: bool = False, timed: bool = True) -> None:
        """Put all hooks on. functions: see F.relu and its like too."""
        self._clear()
        self.timed = timed
        self.step = step
        self.functions = self._calls if functions else None
        self._calls.seen = 0
        self.of_weights.find()
        if self._net is not None and not (functions or self.known or self._alone or may_compile()):
            vars(self._net)["look"] = self  # (a module looks at what is set: 10 µs)
        elif self._plainly and not functions and not may_compile():
            self._on = self._plain = self._plain or self._plain_hooks()
            self._plain.put_on()
        else:
            if not self._subscriptions:
                self._subscribe()
            self.hooks.notice_compiled()
            self._on = [*self._subscriptions, *(self._of_functions if functions else ())]
            for subscription in self._on:
                subscription.put_on()
        self._of_steps = self._of_steps or PlainHooks.around_steps(
            self.optimizers, self._before_update, self._after_update
        )
        self._of_steps.put_on()

    def _plain_hooks(self) -> PlainHooks:
        """Make the hooks of a model that runs plainly, and whose functions are not looked at."""
        hooks = PlainHooks()
        hooks.before(self.root, self._reset)
        for name, (kind, module) in self.layers.items():
            if (before := self._before(name, kind)) is not None:
                hooks.before(module, before)
            hooks.after(module, self._forward_hook(name, kind))
        hooks.after(self.root, self._look_at_answers)
        return hooks

    def _subscribe(self) -> None:
        hooks, always, of_functions = self.hooks, self._subscriptions, self._of_functions
        always.append(hooks.before(self.root, self._reset))
        always.append(hooks.after(self.root, self._look_at_answers))
        for name, (kind, module) in self.layers.items():
            before = self._before(name, kind)
            if before is not None:
                always.append(hooks.before(module, before, inside=False))
            elif kind in _FUNCTIONS or not type(module).__module__.startswith("torch.nn."):
                of_functions.append(hooks.before(module, self._entering(name), inside=False))
            always.append(hooks.after(module, self._forward_hook(name, kind)))
        of_functions.append(hooks.before(self.root, self._see_functions, inside=False))
        of_functions.append(hooks.after(self.root, self._see_no_functions, inside=False, always=True))
        for subscription in of_functions:
            subscription.remove()

    def unhook(self) -> None:
        if self._net is not None:
            vars(self._net).pop("look", None)
        for subscription in [self._on] if isinstance(self._on, PlainHooks) else self._on:
            subscription.remove()
        self._on = []
        if self._of_steps is not None:
            self._of_steps.remove()
        self._see_no_functions()

    def _looking(self) -> bool:
        return torch.is_grad_enabled() and not self._shut

    def drop(self) -> None:
        """Let go of this sample, which failed."""
        self.lost = self._shut = True
        for held in (self.outputs, self.of_weights.learnt, self._attention, self._running):
            held.clear()
        self.called.clear()
        self._together = None

    def _reset(self, *_: Any) -> None:
        if self._looking():
            for held in (self.outputs, self.calls, self._attention):
                held.clear()
            self.called.clear()
            self._last = self._inside = ""
            self._attending.clear()
            if self._norms.norms and not (self.hooks.traced or may_compile()):  # (a graph writes them after our look)
                self._guard(self._look_at_norms)

    def _look_at_norms(self) -> None:
        self._together = self._norms.before()

    def _see_functions(self, *_: Any) -> None:
        # A model that was compiled since is called with its own hooks outside of its graph.
        if self.functions is not None and self._looking() and not may_compile():
            self.functions.begin()

    def _see_no_functions(self, *_: Any) -> None:
        if self.functions is not None:
            self.functions.end()

    def _look_at_answers(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        if self._looking():
            self._guard(self._take_answers, output)

    def _take_answers(self, output: Any) -> None:
        if self._together is not None:
            self._together.stepped()
        if isinstance(output, Tensor) and output.dim() == 2 and output.numel():
            scores = output.detach()
            self.answers = scores.clone() if scores.numel() <= FEW_ANSWERS else scores.argmax(1), scores.shape[1]

    # ------------------------------------------------------------------ outputs (of a Net: nn.model.Look)

    begin_pass = _reset

    def see(self, name: str, output: Tensor) -> None:
        """Take the output of a layer."""
        kind = self._kinds.get(name)
        if kind is None or not self._looking() or not output.numel():
            return
        if self.timed:
            with self._look_within:
                self.outputs[name] = [self._look(name, kind, output.detach())]
            return
        try:  # (as `_guard` does, in less calls)
            self.outputs[name] = [self._look(name, kind, output.detach())]
        except Exception as error:
            if not self.survives(error):
                raise
            self.drop()

    def end_pass(self, output: Tensor) -> None:
        """Take the net's answers."""
        self._look_at_answers(self.root, (), output)

    def _before(self, name: str, kind: str) -> Any:
        """Return what is done before a layer runs; None where nothing is."""
        if kind == "attention":
            return lambda *_: self._attending.append(name)
        if kind == "batchnorm" and name in self._alone:

            def keep(norm_: nn.Module, _inputs: Any) -> None:
                if self._looking():
                    self._running[name] = running_copies(norm_)

            return keep
        return None

    def _entering(self, name: str) -> Any:
        def enter(*_: Any) -> None:
            self._inside = name

        return enter

    def _forward_hook(self, name: str, kind: str) -> Any:
        attends, dense, convolves = kind == "attention", kind == "fc", kind.startswith("conv")
        has_extras = kind in ("attention", "batchnorm", *RECURRENT)

        def seen(module: nn.Module, inputs: Any, output: Any) -> None:
            if is_within_transform():
                return
            if attends:
                self._attending[:] = self._attending[: -1 if self._attending[-1:] == [name] else None]
            else:
                self._last, self._inside = name, ""
                self._tokens = dense or (self._tokens and not convolves)
            tensor = output if type(output) is Tensor else first_tensor(output)
            why = unreadable(tensor) if torch.is_grad_enabled() else "it ran without gradients (no_grad)"
            if why and not self.updated:
                self.unseen[name] = why
            if why or tensor is None or self._shut:
                return
            call = self.calls[name] = self.calls.get(name, 0) + 1
            if call > MOST_CALLS:
                return
            self._guard(self._take, name, kind, tensor.detach(), (module, inputs) if has_extras else None)

        return seen

    def _take(self, name: str, kind: str, output: Tensor, extras: tuple[nn.Module, Any] | None) -> None:
        rows = self._look(name, kind, output)
        if extras is not None:
            self._add_extras(rows, *extras, output)
        if name in self.outputs:
            self.outputs[name].append(rows)
        else:
            self.outputs[name] = [rows]

    @torch.no_grad()
    def _add_extras(self, rows: LayerRows, module: nn.Module, inputs: Any, output: Tensor) -> None:
        """Add the numbers that only this kind of layer has."""
        try:
            if rows.kind == "attention":
                rows.numbers["output_norm"] = torch.linalg.vector_norm(output, dim=-1, dtype=torch.float32).mean()
                rows.later = self._attention.pop(rows.name, None)
            elif rows.kind in RECURRENT:
                with torch.autocast(output.device.type, enabled=False):
                    rows.numbers |= gates(module, inputs)
            elif (before := self._running.pop(rows.name, None)) is not None:
                rows.running = running_statistics(before, module)
            elif (self._together is None or self.calls[rows.name] > 1) and rows.name in self._norms.norms:
                self._go_alone(rows.name)
        except MISFITS as error:
            if is_out_of_memory(error):
                raise

    def _go_alone(self, name: str) -> None:
        """Give a batch norm hooks of its own from the next sample on: it runs several times, or not in a whole pass."""
        if self.hooks.traced:  # (another hook would have it compiled anew)
            return
        self._alone.add(name)
        self._norms = NormSample({one: norm for one, norm in self._norms.norms.items() if one != name})
        self._plain = None
        self._subscriptions.clear()
        self._of_functions.clear()

    # ------------------------------------------------------------------ functions

    def _is_quiet(self) -> bool:
        return bool(self._inside) or not self._looking() or len(self.called) >= MOST

    def _activation(self, kind: str, output: Tensor) -> None:
        """Take the output of an activation that is no module."""
        if unreadable(output):
            return
        with self._look_within:
            self._add_function(kind, self._look(self._name_of(kind), kind, output.detach()))

    def _name_of(self, kind: str) -> str:
        base = f"{self._last or 'input'}/{kind}"
        number = sum(rows.name.partition("#")[0] == base for _, rows in self.called) + 1
        return base if number == 1 else f"{base}#{number}"

    def _add_function(self, kind: str, rows: LayerRows) -> None:
        rows.kind = kind
        self.called.append((self._last, rows))

    def _attended(self, numbers: Callable[[], Later | None]) -> None:
        """Take what an attention looks at, of the module that is running; without one it gets a row of its own."""
        if not self._looking():
            return
        with self._look_within:
            self._add_attention(numbers)

    def _add_attention(self, numbers: Callable[[], Later | None]) -> None:
        try:
            device = next(iter(self.of_weights.weights.values())).device.type if self.of_weights.weights else "cpu"
            with torch.no_grad(), torch.autocast(device, enabled=False):
                found = numbers()
            if self._attending:
                self._attention[self._attending[-1]] = found
            elif found is not None and len(self.called) < MOST:
                self._add_function("attention", LayerRows(self._name_of("attention"), "attention", later=found))
        except MISFITS as error:
            if is_out_of_memory(error):
                raise

    # ------------------------------------------------------------------ weights

    def _before_update(self, optimizer: Optimizer, *call: Any) -> None:
        if not self.lost:
            self._guard(self.of_weights.look_before, optimizer, not has_closure(*call))

    def _after_update(self, optimizer: Optimizer, *_: Any) -> None:
        self.updated.add(id(optimizer))
        self._shut = self._shut or len(self.updated) >= len(self.optimizers)
        if self.of_weights.learnt:
            self._guard(self.of_weights.look_at_update)

    # ------------------------------------------------------------------ the result

    def gathered(self) -> Pending:
        """Return all that was copied."""
        held = self.outputs, self.called, self.of_weights.learnt, self._together, self.alive, self.answers
        return Pending(self.step, self._kinds, *held, self._missing())

    def _missing(self) -> dict[str, str]:
        """Say why the output of a layer is missing, or of which calls, by its name."""
        most = max(self.calls.values(), default=0)
        if len(self.outputs) == len(self.layers) and most <= MOST_CALLS:
            return {}
        used, reasons = set(self.of_weights.with_gradients()), self.unseen | self.known
        return why_missing(self.layers, self.calls, self.outputs.keys(), used, reasons)
