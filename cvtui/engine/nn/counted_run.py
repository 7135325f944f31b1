"""One forward pass of a model, with what each of its modules put out and multiplied."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from cvtui.calc import Size
from cvtui.errors import RequestError
from cvtui.text import error_line


class ModuleCalls(NamedTuple):
    """What was seen of one module over all its calls."""

    order: int
    times: int
    macs: int
    output: tuple[int, ...]
    activations: int


class _UseSeen(TorchFunctionMode):
    """Remembers every parameter that a function of torch is given, for modules whose weights their parent uses."""

    def __init__(self) -> None:
        super().__init__()
        self.used: set[int] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.used.update(id(one) for one in (*args, *(kwargs or {}).values()) if isinstance(one, nn.Parameter))
        return func(*args, **(kwargs or {}))


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


def counted_run(
    twin: nn.Module, size: Size, target: str, device: str = "meta"
) -> tuple[dict[nn.Module, ModuleCalls], set[int], int, int]:
    """One forward pass of one image.

    Returns each module's calls and own MACs, the ids of the parameters used, all MACs, bytes kept for backward.
    """
    shape = (1, *size) if len(size) == 1 else (1, size[2], size[0], size[1])
    calls: dict[nn.Module, ModuleCalls] = {}
    inner: list[int] = [0]  # MACs of the children, for each module that is being run
    began: list[int] = []
    order: dict[nn.Module, int] = {}
    counter, seen = FlopCounterMode(display=False), _UseSeen()
    known = set(twin.modules())

    def enter(module: nn.Module, _: Any) -> None:
        if module in known:
            order.setdefault(module, len(order))
            began.append(counter.get_total_flops())
            inner.append(0)

    def leave(module: nn.Module, _: Any, output: Any) -> None:
        if module in known:
            flops = counter.get_total_flops() - began.pop()
            own = flops - inner.pop()
            inner[-1] += flops
            before = calls.get(module, ModuleCalls(order[module], 0, 0, (), 0))
            sizes = [one.shape for one in _outputs(output)]
            first = _as_read(sizes[0]) if sizes else ()
            numbers = sum(shape.numel() // max(shape[0], 1) for shape in sizes if len(shape))
            calls[module] = ModuleCalls(
                before.order, before.times + 1, before.macs + own // 2, first, before.activations + numbers
            )

    kept = _Kept(twin.parameters())
    fast = torch.backends.mha.get_fastpath_enabled()
    hooks = [register_module_forward_pre_hook(enter), register_module_forward_hook(leave)]
    try:
        # The fused attention of eval mode hides its products from the counter.
        torch.backends.mha.set_fastpath_enabled(False)
        with (
            counter, seen, torch.device(device), torch.enable_grad(), warnings.catch_warnings(),
            torch.autograd.graph.saved_tensors_hooks(kept.pack, lambda tensor: tensor),
        ):  # fmt: skip
            warnings.simplefilter("ignore")
            twin(torch.zeros(shape))
    except (Exception, SystemExit) as error:
        raise RequestError(
            f"{target or type(twin).__name__} on {'x'.join(map(str, size))}: {error_line(error)}"
        ) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for hook in hooks:
            hook.remove()
    return calls, seen.used, counter.get_total_flops() // 2, sum(kept.sizes.values())


def _outputs(output: Any) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, dict):
        output = tuple(output.values())
    return [one for one in output if isinstance(one, Tensor)] if isinstance(output, list | tuple) else []


def _as_read(shape: torch.Size) -> tuple[int, ...]:
    """One image's output, a map as H, W, C."""
    if len(shape) == 4:
        return shape[2], shape[3], shape[1]
    return tuple(shape[1:])
