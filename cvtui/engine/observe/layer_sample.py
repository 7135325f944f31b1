"""Layer statistics of one sampled step: hooks on every layer that computes and on the optimizers.

Means and norms are exact over all values; everything else is of at most 2,048 values a tensor (gathered.py), and
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

from cvtui.engine.observe.forward_hooks import ForwardHooks, Handle, first_tensor, may_compile
from cvtui.engine.observe.function_calls import ACTIVATIONS, MOST, FunctionCalls
from cvtui.engine.observe.gathered import Places
from cvtui.engine.observe.layer_extras import RunningStatistics, gates, running_statistics
from cvtui.engine.observe.layer_kinds import RECURRENT, Layers, weight_of
from cvtui.engine.observe.layer_record import LayerRows, Pending, together
from cvtui.engine.observe.statistics import alive_channels, flat_view, is_flat, norms_of
from cvtui.engine.runtime.memory import is_out_of_memory

DEAD_WINDOW = 5
"""Samples: a channel is dead when it was 0 for every image of all of them."""
MOST_CALLS = 8
"""Calls of one layer in a step that get a row each."""
_FUNCTIONS = frozenset(ACTIVATIONS.values())
_MISFITS = (RuntimeError, MemoryError, ValueError, TypeError, IndexError, KeyError, AttributeError)
"""What a number that only some layers have may raise on a layer that is called in another way than PyTorch's own."""


class LayerSample:
    """Hooks of one step, and the numbers they gathered.

    root: the model whose forward pass begins a look anew.
    alive: the last samples' living channels by layer, shared between samples. functions: see F.relu and its like too.
    """

    def __init__(
        self,
        step: int,
        layers: Layers,
        root: nn.Module,
        hooks: ForwardHooks,
        optimizers: Sequence[Optimizer],
        alive: dict[str, deque[Tensor]],
        places: Places,
        clock: Callable[[], float],
        functions: bool = False,
    ) -> None:
        self.clock = clock
        self.step = step
        self.root = root
        self.hooks = hooks
        self.layers = layers
        self.optimizers = optimizers
        self.alive = alive
        self.places = places
        self.outputs: dict[str, list[LayerRows]] = {}
        self.calls: dict[str, int] = {}
        self.called: list[tuple[str, LayerRows]] = []
        """Activations that are functions: the layer before, and what was copied."""
        self.living: dict[str, Tensor] = {}
        self.unseen: dict[str, str] = {}
        """Why a layer's output was not seen."""
        weights = ((name, weight_of(module)) for name, (_, module) in layers.items())
        self.weights = {name: weight for name, weight in weights if weight is not None}
        self.lost = False
        """There was no memory for it: nothing comes of this sample."""
        self.learnt: dict[str, LayerRows] = {}
        """Weights and gradients by layer."""
        self.handles: list[Handle] = []
        self.seconds = 0.0
        self.updated: set[int] = set()
        """Optimizers that have stepped."""
        self.answers: tuple[Tensor, int] | None = None
        """Predicted class of each image, and the number of classes."""
        self.functions = FunctionCalls(self._activation, self._attended, self._is_quiet) if functions else None
        self._last = ""
        self._tokens = False
        """The last layer with weights was a linear one: its channels lie along the last axis."""
        self._inside = ""
        """A layer that calls an activation itself, while it runs."""
        self._attending: list[str] = []
        self._attention: dict[str, dict[str, Tensor]] = {}
        self._running: dict[str, RunningStatistics | None] = {}

    # ------------------------------------------------------------------ hooks

    def hook(self) -> None:
        """Register all hooks."""
        hooks = self.hooks
        self.handles.append(hooks.before(self.root, self._reset))
        self.handles.append(hooks.after(self.root, self._look_at_answers))
        for name, (kind, module) in self.layers.items():
            before = self._before(name, kind, module)
            if before is not None:
                self.handles.append(hooks.before(module, before, inside=False))
            self.handles.append(hooks.after(module, self._forward_hook(name, kind)))
        if self.functions is not None:
            self.handles.append(hooks.before(self.root, self._see_functions, inside=False))
            self.handles.append(hooks.after(self.root, self._see_no_functions, inside=False, always=True))
        for optimizer in self.optimizers:
            self.handles.append(optimizer.register_step_pre_hook(self._before_update))
            self.handles.append(optimizer.register_step_post_hook(self._after_update))

    def unhook(self) -> None:
        for handle in self.handles:
            handle.remove()
        self.handles.clear()
        self._see_no_functions()

    def _looking(self) -> bool:
        return torch.is_grad_enabled() and not self.lost and len(self.updated) < len(self.optimizers)

    def _give_up(self, error: BaseException) -> None:
        """Drop this sample when memory ran out. Raises any other error."""
        if not is_out_of_memory(error):
            raise error
        self.lost = True
        for held in (self.outputs, self.living, self.learnt, self._attention, self._running):
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
        begun = self.clock()
        try:
            with torch.no_grad():
                self.answers = output.argmax(1), output.shape[1]
        except (RuntimeError, MemoryError) as error:
            self._give_up(error)
        self.seconds += self.clock() - begun

    # ------------------------------------------------------------------ outputs

    def _before(self, name: str, kind: str, module: nn.Module) -> Any:
        """Return what is done before a layer runs; None where nothing is."""
        if kind == "attention":
            return lambda *_: self._attending.append(name)
        if kind == "batchnorm":

            def keep(norm_: nn.Module, _inputs: Any) -> None:
                if self._looking():
                    with torch.no_grad():
                        self._running[name] = running_statistics(norm_)

            return keep
        if self.functions is not None and (kind in _FUNCTIONS or not type(module).__module__.startswith("torch.nn.")):

            def enter(*_: Any) -> None:
                self._inside = name

            return enter
        return None

    def _forward_hook(self, name: str, kind: str) -> Any:
        def seen(module: nn.Module, inputs: Any, output: Any) -> None:
            if kind == "attention":
                self._attending[:] = self._attending[: -1 if self._attending[-1:] == [name] else None]
            else:
                self._last, self._inside = name, ""
                self._tokens = kind == "fc" or (self._tokens and not kind.startswith("conv"))
            tensor = first_tensor(output)
            why = _unreadable(tensor) if torch.is_grad_enabled() else "it ran without gradients (no_grad)"
            if why and not self.updated:
                self.unseen[name] = why
            if why or tensor is None or not self._looking():
                return
            self.calls[name] = self.calls.get(name, 0) + 1
            if self.calls[name] > MOST_CALLS:
                return
            begun = self.clock()
            try:
                with torch.no_grad():
                    rows = self._look(name, kind, tensor.detach())
                    rows.numbers |= self._extras(name, kind, module, inputs, tensor.detach())
                    self.outputs.setdefault(name, []).append(rows)
            except (RuntimeError, MemoryError) as error:
                self._give_up(error)
            self.seconds += self.clock() - begun

        return seen

    def _look(self, name: str, kind: str, output: Tensor) -> LayerRows:
        rows = LayerRows(name, kind, self.places.gather(output))
        rows.notice(output.numel())
        if rows.sampled is not None:
            values = flat_view(output) if is_flat(output) else output
            rows.numbers["mean"] = values.mean(dtype=torch.float32)
        if kind == "relu":
            last = self._tokens and output.dim() > 2
            now = alive_channels(output.reshape(-1, output.shape[-1]) if last else output)
            before = self.living.get(name)
            self.living[name] = now if before is None or before.shape != now.shape else before | now
        return rows

    def _extras(self, name: str, kind: str, module: nn.Module, inputs: Any, output: Tensor) -> dict[str, Tensor]:
        """Return the numbers that only this kind of layer has."""
        try:
            if kind == "attention":
                size = torch.linalg.vector_norm(output, dim=-1, dtype=torch.float32).mean()
                return {"output_norm": size, **self._attention.pop(name, {})}
            if kind in RECURRENT:
                with torch.autocast(output.device.type, enabled=False):
                    return gates(module, inputs)
            before = self._running.pop(name, None) if kind == "batchnorm" else None
            return {} if before is None else before.numbers(module)
        except _MISFITS as error:
            if is_out_of_memory(error):
                raise
            return {}

    # ------------------------------------------------------------------ functions

    def _is_quiet(self) -> bool:
        return bool(self._inside) or not self._looking() or len(self.called) >= MOST

    def _activation(self, kind: str, output: Tensor) -> None:
        """Take the output of an activation that is no module."""
        if _unreadable(output):
            return
        begun = self.clock()
        try:
            with torch.no_grad():
                self._add_function(kind, self._look(self._name_of(kind), kind, output.detach()))
        except (RuntimeError, MemoryError) as error:
            self._give_up(error)
        self.seconds += self.clock() - begun

    def _name_of(self, kind: str) -> str:
        base = f"{self._last or 'input'}/{kind}"
        number = sum(rows.name.partition("#")[0] == base for _, rows in self.called) + 1
        return base if number == 1 else f"{base}#{number}"

    def _add_function(self, kind: str, rows: LayerRows) -> None:
        rows.kind = kind
        self.called.append((self._last, rows))

    def _attended(self, numbers: Callable[[], dict[str, Tensor]]) -> None:
        """Take what an attention looks at, of the module that is running; without one it gets a row of its own."""
        if not self._looking():
            return
        begun = self.clock()
        try:
            device = next(iter(self.weights.values())).device.type if self.weights else "cpu"
            with torch.no_grad(), torch.autocast(device, enabled=False):
                found = numbers()
            if self._attending:
                self._attention[self._attending[-1]] = found
            elif found and len(self.called) < MOST:
                self._add_function("attention", LayerRows(self._name_of("attention"), "attention", numbers=found))
        except _MISFITS as error:
            if is_out_of_memory(error):
                self._give_up(error)
        self.seconds += self.clock() - begun

    # ------------------------------------------------------------------ weights

    @torch.no_grad()
    def _before_update(self, optimizer: Optimizer, *_: Any) -> None:
        if self.lost:
            return
        begun = self.clock()
        try:
            self._look_at_gradients(optimizer)
        except (RuntimeError, MemoryError) as error:
            self._give_up(error)
        self.seconds += self.clock() - begun

    def _look_at_gradients(self, optimizer: Optimizer) -> None:
        seen: dict[str, Tensor] = {}
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        others = {
            id(p)
            for one in self.optimizers
            if one is not optimizer
            for group in one.param_groups
            for p in group["params"]
        }
        for name, weight in self.weights.items():
            if id(weight) in others and id(weight) not in held:
                continue  # looked at in the step of its own
            rows = self.learnt[name] = LayerRows(name, "", described=weight.dim() > 1)
            rows.notice(weight.numel())
            if id(weight) in held:  # what another optimizer trains does not move in this one's step
                rows.before, rows.update_sampled = self.places.gather(weight.detach()), rows.sampled
            gradient = weight.grad
            if gradient is not None and not gradient.is_sparse:
                seen[name] = gradient.detach()
                if rows.described:
                    rows.gradient = self.places.gather(seen[name])
        for name, one in zip(seen, norms_of(list(seen.values())), strict=True):
            self.learnt[name].numbers["grad_norm"] = one

    @torch.no_grad()
    def _after_update(self, optimizer: Optimizer, *_: Any) -> None:
        self.updated.add(id(optimizer))
        if not self.learnt:
            return
        begun = self.clock()
        try:
            self._look_at_update()
        except (RuntimeError, MemoryError) as error:
            self._give_up(error)
        self.seconds += self.clock() - begun

    def _look_at_update(self) -> None:
        fresh = [rows for rows in self.learnt.values() if rows.weights is None]
        weights = [self.weights[rows.name].detach() for rows in fresh]
        for rows, weight, now in zip(fresh, weights, norms_of(weights), strict=True):
            rows.numbers["weight_norm"] = now
            rows.weights = self.places.gather(weight)

    # ------------------------------------------------------------------ the result

    @torch.no_grad()
    def gathered(self) -> Pending:
        """Return all that was copied, layer by layer."""
        found = [rows for after, rows in self.called if not after]
        for name, (kind, _) in self.layers.items():
            calls = self.outputs.get(name, [])
            if name in self.learnt:
                calls = [together(kind, calls[0] if calls else None, self.learnt[name]), *calls[1:]]
            for number, rows in enumerate(calls[1:], 2):
                rows.name = f"{name}#{number}"
            found += calls
            found += [rows for after, rows in self.called if after == name]
        for rows in found:
            if rows.name in self.living:
                rows.alive = self._last_alive(rows.name)
        return Pending(self.step, found, self.answers, self._why_unseen())

    def _last_alive(self, name: str) -> list[Tensor]:
        """Return the living channels of the last samples, this one's among them."""
        now = self.living[name]
        window = self.alive.setdefault(name, deque(maxlen=DEAD_WINDOW))
        if window and window[-1].shape != now.shape:
            window.clear()
        window.append(now)
        return list(window)

    def _why_unseen(self) -> dict[str, str]:
        """Say why the output of a layer is missing, or of which calls, by its name."""
        told = {}
        owners = {id(child): module for _, module in self.layers.values() for child in module.children()}
        for name, (_, module) in self.layers.items():
            times = self.calls.get(name, 0)
            if times > MOST_CALLS:
                told[name] = f"called {times:,} times in this step; the first {MOST_CALLS} are shown"
            elif name not in self.outputs:
                parent = owners.get(id(module))
                used = name in self.learnt and "grad_norm" in self.learnt[name].numbers
                why = "not called in this step"
                if used and parent is not None:
                    why = f"{type(parent).__name__} uses its weights without calling it"
                elif used:
                    why = "its weights are used without calling it"
                told[name] = self.unseen.get(name) or why
        return told


def _unreadable(output: Tensor | None) -> str:
    """Say why an output has no statistics; "" where it has."""
    if output is None:
        return "its output is no tensor"
    if not output.is_floating_point():
        return f"its output is {str(output.dtype).removeprefix('torch.')}, no floating-point numbers"
    if output.layout is not torch.strided:
        return "its output is sparse or nested"
    return "" if output.numel() else "its output is empty"
