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

from cvtui.engine.observe.ends_no_training import Survivor
from cvtui.engine.observe.forward_hooks import ForwardHooks, Handle, Subscription, first_tensor, may_compile
from cvtui.engine.observe.function_calls import ACTIVATIONS, MOST, FunctionCalls
from cvtui.engine.observe.gathered import GATHERED, Places
from cvtui.engine.observe.layer_extras import MISFITS, Later, RunningStatistics, gates, running_statistics
from cvtui.engine.observe.layer_kinds import RECURRENT, Layers, weight_of
from cvtui.engine.observe.layer_record import LayerRows, Pending, together
from cvtui.engine.observe.shards import is_shard, is_sharded
from cvtui.engine.observe.statistics import channel_sums
from cvtui.engine.observe.unseen import MOST_CALLS, unreadable, why_missing
from cvtui.engine.observe.weight_sample import WeightSample, has_closure
from cvtui.engine.runtime.memory import is_out_of_memory

DEAD_WINDOW = 5
"""Samples: a channel is dead when it was 0 for every image of all of them."""
_FUNCTIONS = frozenset(ACTIVATIONS.values())


class _Look:
    """Context of every look: what fails in it, for want of memory mostly, costs the sample and not the step."""

    def __init__(self, sample: LayerSample) -> None:
        self._sample = sample
        self._begun = 0.0
        self._plainly: Any = None

    def __enter__(self) -> None:
        sample = self._sample
        if sample.timed:
            self._begun = sample.clock()
        if sample.functions is not None:  # our own calls are none that FunctionCalls is to see: they took twice as long
            self._plainly = torch._C.DisableTorchFunction()
            self._plainly.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        sample = self._sample
        if self._plainly is not None:
            self._plainly.__exit__(kind, error, trace)
            self._plainly = None
        if sample.timed:
            sample.seconds += sample.clock() - self._begun
        if sample.survives(error):
            sample.drop()
            return True
        return False


class LayerSample(Survivor):
    """Hooks of sampled steps, one after the other, and the numbers that they gather.

    They are made once, and are on the model from `begin` to `unhook`.

    root: the model whose forward pass begins a look anew.
    """

    def __init__(
        self,
        layers: Layers,
        root: nn.Module,
        hooks: ForwardHooks,
        optimizers: Sequence[Optimizer],
        clock: Callable[[], float],
    ) -> None:
        self.clock = clock
        self.step = -1
        self.root = root
        self.hooks = hooks
        self.layers = layers
        self.optimizers = optimizers
        self.alive: dict[str, deque[Tensor]] = {}
        """The last samples' living channels by layer."""
        self.places = Places()
        self._learning = {name: module for name, (_, module) in layers.items() if module._parameters}
        self._shards: dict[str, nn.Parameter | None] | None = {} if is_sharded(root) else None
        """Of a sharded model: the weights that the optimizer trains, by layer."""
        self.known: dict[str, str] = {}
        """Why outputs of layers are not seen in any step."""
        self._subscriptions: list[Subscription] = []
        self._of_functions: list[Subscription] = []
        self.handles: list[Handle] = []
        self.functions: FunctionCalls | None = None
        self._calls = FunctionCalls(self._activation, self._attended, self._is_quiet)
        self.of_weights = WeightSample(optimizers, self.places)
        self._look_within = _Look(self)
        self.timed = True
        """Its hooks are timed: of samples that have no plain steps beside them yet."""
        self._clear()

    def _clear(self) -> None:
        """Forget what the step before has left."""
        self.outputs: dict[str, list[LayerRows]] = {}
        self.calls: dict[str, int] = {}
        self.called: list[tuple[str, LayerRows]] = []
        """Activations that are functions: the layer before, and what was copied."""
        self.living: dict[str, Tensor] = {}
        self.unseen: dict[str, str] = {}
        """Why a layer's output was not seen."""
        self.lost = False
        """There was no memory for it: nothing comes of this sample."""
        self.of_weights.clear()
        self.seconds = 0.0
        """What the hooks took, where they are timed."""
        self.updated: set[int] = set()
        """Optimizers that have stepped."""
        self.answers: tuple[Tensor, int] | None = None
        """Predicted class of each image, and the number of classes."""
        self._last = ""
        self._tokens = False
        """The last layer with weights was a linear one: its channels lie along the last axis."""
        self._inside = ""
        """A layer that calls an activation itself, while it runs."""
        self._attending: list[str] = []
        self._attention: dict[str, Later | None] = {}
        self._running: dict[str, RunningStatistics | None] = {}

    # ------------------------------------------------------------------ hooks

    def begin(self, step: int, functions: bool = False, timed: bool = True) -> None:
        """Put all hooks on. functions: see F.relu and its like too."""
        self._clear()
        self.timed = timed
        self.step = step
        self.functions = self._calls if functions else None
        self._calls.seen = 0
        for name, module in self._learning.items():
            weight = weight_of(module)
            if self._shards is not None:  # an evaluation before it may have left the module its gathered weights
                weight = self._shards.setdefault(name, weight) if is_shard(weight) else self._shards.get(name)
            if weight is not None:
                self.of_weights.weights[name] = weight
        if not self._subscriptions:
            self._subscribe()
        self.hooks.notice_compiled()
        for subscription in (*self._subscriptions, *(self._of_functions if functions else ())):
            subscription.put_on()
        for optimizer in self.optimizers:
            self.handles.append(optimizer.register_step_pre_hook(self._before_update))
            self.handles.append(optimizer.register_step_post_hook(self._after_update))

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
        for subscription in (*self._subscriptions, *(self._of_functions if self.functions is not None else ())):
            subscription.remove()
        for handle in self.handles:
            handle.remove()
        self.handles.clear()
        self._see_no_functions()

    def _looking(self) -> bool:
        return torch.is_grad_enabled() and not self.lost and len(self.updated) < len(self.optimizers)

    def drop(self) -> None:
        """Let go of this sample, which failed."""
        self.lost = True
        for held in (self.outputs, self.living, self.of_weights.learnt, self._attention, self._running):
            held.clear()
        self.called.clear()

    def _reset(self, *_: Any) -> None:
        if self._looking():
            for held in (self.outputs, self.calls, self.living, self._attention):
                held.clear()
            self.called.clear()
            self._last = self._inside = ""
            self._attending.clear()

    def _see_functions(self, *_: Any) -> None:
        # A model that was compiled since is called with its own hooks outside of its graph.
        if self.functions is not None and self._looking() and not may_compile():
            self.functions.begin()

    def _see_no_functions(self, *_: Any) -> None:
        if self.functions is not None:
            self.functions.end()

    def _look_at_answers(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        if not self._looking() or not isinstance(output, Tensor) or output.dim() != 2 or not output.numel():
            return
        with self._look_within:
            self.answers = output.detach().argmax(1), output.shape[1]

    # ------------------------------------------------------------------ outputs

    def _before(self, name: str, kind: str) -> Any:
        """Return what is done before a layer runs; None where nothing is."""
        if kind == "attention":
            return lambda *_: self._attending.append(name)
        if kind == "batchnorm":

            def keep(norm_: nn.Module, _inputs: Any) -> None:
                if self._looking():
                    self._running[name] = running_statistics(norm_)

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
            if attends:
                self._attending[:] = self._attending[: -1 if self._attending[-1:] == [name] else None]
            else:
                self._last, self._inside = name, ""
                self._tokens = dense or (self._tokens and not convolves)
            tensor = output if type(output) is Tensor else first_tensor(output)
            why = unreadable(tensor) if torch.is_grad_enabled() else "it ran without gradients (no_grad)"
            if why and not self.updated:
                self.unseen[name] = why
            if why or tensor is None or not self._looking():
                return
            call = self.calls[name] = self.calls.get(name, 0) + 1
            if call > MOST_CALLS:
                return
            with self._look_within:
                values = tensor.detach()
                rows = self._look(name, kind, values)
                if has_extras:
                    self._add_extras(rows, module, inputs, values)
                if call == 1:
                    self.outputs[name] = [rows]
                else:
                    self.outputs[name].append(rows)

        return seen

    def _look(self, name: str, kind: str, output: Tensor) -> LayerRows:
        values = self.places.gather(output)
        rows = LayerRows(name, kind, values)
        total = self._look_for_life(name, output) if kind == "relu" else None
        count = output.numel()
        if count > GATHERED:
            rows.notice(count)
            # All of them: one NaN shows. (A sum takes half the time of a mean, which is two kernels.)
            rows.numbers["mean"] = output.sum(dtype=torch.float32) if total is None else total
            rows.count = count
        return rows

    def _look_for_life(self, name: str, output: Tensor) -> Tensor | None:
        """Note which channels of a ReLU are above 0 anywhere; return the output's sum, where it is exact enough."""
        last = self._tokens and output.dim() > 2
        whole = output.reshape(-1, output.shape[-1]) if last else output
        sums = channel_sums(whole)
        now = sums != 0
        before = self.living.get(name)
        self.living[name] = now if before is None or before.shape != now.shape else before | now
        return sums.sum() if whole.dtype == torch.float32 else None

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
            elif (running := self._running.pop(rows.name, None)) is not None:
                running.stepped(module)
                rows.running = running
        except MISFITS as error:
            if is_out_of_memory(error):
                raise

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

    @torch.no_grad()
    def _before_update(self, optimizer: Optimizer, *call: Any) -> None:
        if not self.lost:
            with self._look_within:
                self.of_weights.look_before(optimizer, gradients=not has_closure(*call))

    @torch.no_grad()
    def _after_update(self, optimizer: Optimizer, *_: Any) -> None:
        self.updated.add(id(optimizer))
        if self.of_weights.learnt:
            with self._look_within:
                self.of_weights.look_at_update()

    # ------------------------------------------------------------------ the result

    @torch.no_grad()
    def gathered(self) -> Pending:
        """Return all that was copied, layer by layer."""
        found = [rows for after, rows in self.called if not after]
        for name, (kind, _) in self.layers.items():
            calls = self.outputs.get(name, [])
            if name in self.of_weights.learnt:
                calls = [together(kind, calls[0] if calls else None, self.of_weights.learnt[name]), *calls[1:]]
            for number, rows in enumerate(calls[1:], 2):
                rows.name = f"{name}#{number}"
            found += calls
            found += [rows for after, rows in self.called if after == name]
        for rows in found:
            if rows.name in self.living:
                rows.alive = self._last_alive(rows.name)
        return Pending(self.step, found, self.answers, self._missing())

    def _last_alive(self, name: str) -> list[Tensor]:
        """Return the living channels of the last samples, this one's among them."""
        now = self.living[name]
        window = self.alive.setdefault(name, deque(maxlen=DEAD_WINDOW))
        if window and window[-1].shape != now.shape:
            window.clear()
        window.append(now)
        return list(window)

    def _missing(self) -> dict[str, str]:
        """Say why the output of a layer is missing, or of which calls, by its name."""
        most = max(self.calls.values(), default=0)
        if len(self.outputs) == len(self.layers) and most <= MOST_CALLS:
            return {}
        used = {name for name, rows in self.of_weights.learnt.items() if "grad_norm" in rows.numbers}
        return why_missing(self.layers, self.calls, self.outputs.keys(), used, self.unseen | self.known)
