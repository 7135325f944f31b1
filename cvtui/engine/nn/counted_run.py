"""One forward pass of a model, with what each of its modules put out and multiplied."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import ParametrizationList

from cvtui.calc.sizes import InputShape, as_read
from cvtui.calc.table import ReceptiveField
from cvtui.engine.nn.field_trace import FieldTrace
from cvtui.engine.nn.net_errors import way_out
from cvtui.engine.nn.torchvision_models import dense_part, is_detector
from cvtui.engine.runtime.model_tensors import attribute_tensors
from cvtui.errors import RequestError


class ModuleCalls(NamedTuple):
    """What was seen of one module over all its calls."""

    order: int
    times: int
    macs: int
    output: tuple[int, ...]
    activations: int
    field: ReceptiveField | None = None
    """What a unit of the last call's output sees; None where that is not known."""


class _Kept:
    """Bytes of the tensors that autograd keeps for the backward pass, each once, parameters and the input apart."""

    def __init__(self, besides: Iterable[Tensor]) -> None:
        self.sizes: dict[int, int] = {}
        self._besides = {tensor.untyped_storage()._cdata for tensor in besides if not is_lazy(tensor)}
        self._held: list[Tensor] = []  # so that no storage's place is given away

    def pack(self, tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage()._cdata
        if place not in self._besides:
            self.sizes[place] = tensor.untyped_storage().nbytes()
            self._held.append(tensor.detach())
        return tensor


class CountedRun:
    """One forward pass of one image, and what was seen of it. RequestError, with the way out, where it fails."""

    def __init__(self, twin: nn.Module, inputs: tuple[InputShape, ...], target: str, device: str = "meta") -> None:
        self.calls: dict[nn.Module, ModuleCalls] = {}
        self.kept = 0
        """Bytes kept for the backward pass."""
        self._twin, self._inputs, self._device = twin, inputs, device
        self._target = target or type(twin).__name__
        self._inner: list[int] = [0]  # FLOPs of the children, for each module that is being run
        self._began: list[tuple[nn.Module, int]] = []
        self._order: dict[nn.Module, int] = {}
        self._not_per_image = 0
        # Imported here: it asks for parts of PyTorch that no training of an expression needs, 0.5 s of its start.
        from torch.utils.flop_counter import FlopCounterMode

        self._counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten._trilinear: _bilinear_flops})
        constants = [*twin.parameters(), *twin.buffers(), *attribute_tensors(twin)]
        self._trace = FieldTrace(one for one in constants if not is_lazy(one))
        self._known = set(twin.modules())
        self.detector = is_detector(twin)
        """A detection model, of which the part that runs once a picture was run."""
        self._run()

    @property
    def used(self) -> set[int]:
        """The ids of the parameters that a function was given."""
        return self._trace.used

    @property
    def macs(self) -> int:
        """All MACs of the pass, those that work weights out apart: they are done once however many images there are."""
        return (self._counter.get_total_flops() - self._not_per_image) // 2

    def _enter(self, module: nn.Module, _: Any) -> None:
        if module in self._known:
            self._order.setdefault(module, len(self._order))
            self._began.append((module, self._counter.get_total_flops()))
            self._inner.append(0)

    def _leave(self, module: nn.Module, _: Any, output: Any) -> None:
        if module not in self._known:
            return
        flops = self._counter.get_total_flops() - self._began.pop()[1]
        own = flops - self._inner.pop()
        self._inner[-1] += flops
        if isinstance(module, ParametrizationList):
            self._not_per_image += flops
        before = self.calls.get(module, ModuleCalls(self._order[module], 0, 0, (), 0))
        outputs = _outputs(output)
        sizes = [one.shape for one in outputs]
        first = tuple(sizes[0][1:]) if sizes else ()
        if outputs and not self._trace.channels_last(outputs[0]):
            first = as_read(first)
        numbers = sum(shape.numel() // max(shape[0], 1) for shape in sizes if len(shape))
        field = self._trace.seen(outputs[0]) if outputs else None
        self.calls[module] = ModuleCalls(
            before.order, before.times + 1, before.macs + own // 2, first, before.activations + numbers, field
        )

    def _run(self) -> None:
        kept = _Kept(self._twin.parameters())
        fast = torch.backends.mha.get_fastpath_enabled()
        hooks = [register_module_forward_pre_hook(self._enter), register_module_forward_hook(self._leave)]
        try:
            # The fused attention of eval mode hides its products from the counter.
            torch.backends.mha.set_fastpath_enabled(False)
            with (
                self._counter, self._trace, torch.device(self._device), torch.enable_grad(), warnings.catch_warnings(),
                torch.autograd.graph.saved_tensors_hooks(kept.pack, lambda tensor: tensor),
            ):  # fmt: skip
                warnings.simplefilter("ignore")
                run = dense_part(self._twin) if self.detector else self._twin
                arguments = self._arguments()
                if len(arguments) == 1 and arguments[0].dim() == 4 and not self._inputs[0].integers:
                    self._trace.begin(arguments[0])
                run(*arguments)
        except (Exception, SystemExit) as error:
            raise self._refused(error) from error
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
            for hook in hooks:
                hook.remove()
        self.kept = sum(kept.sizes.values())

    def _arguments(self) -> list[Tensor]:
        """Zeros of the shapes, floats in the precision of the net's own weights."""
        kind = next((p.dtype for p in self._twin.parameters() if p.is_floating_point()), torch.float32)
        return [torch.zeros((1, *one.shape), dtype=torch.int64 if one.integers else kind) for one in self._inputs]

    def _refused(self, error: BaseException) -> RequestError:
        module = self._began[-1][0] if self._began else self._twin
        name = next((name for name, one in self._twin.named_modules() if one is module), "")
        message, shapes = way_out(error, self._twin, self._inputs, (name, module), "--input")
        return RequestError(f"{self._target}: {message}", hint=f"--input {shapes}" if shapes else "")


def _bilinear_flops(first: Any, weight: Any, *_: Any, **__: Any) -> int:
    """x₁ᵀ W x₂ in two steps: inputs₁ · inputs₂ · outputs, then inputs₂ · outputs."""
    outputs, inputs1, inputs2 = weight
    images = first[:-1].numel() if first is not None else 1
    return int(2 * images * (inputs1 + 1) * inputs2 * outputs)


def _outputs(output: Any) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, dict):
        output = tuple(output.values())
    return [one for one in output if isinstance(one, Tensor)] if isinstance(output, list | tuple) else []
