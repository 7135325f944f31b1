"""The numbers of a model that is given as PyTorch code: `torchvision:resnet18` or `package.module:callable`.

A copy of the model runs once on the meta device (shapes without numbers) under torch's FlopCounterMode, which counts
matrix products and convolutions wherever they are called, functional ones too. No weights, no download are needed, and
the model, its mode, its buffers, its hooks and the random state stay as they were.
"""

from __future__ import annotations

import copy
import random
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from cvtui.calc import Size
from cvtui.calc.module_table import ModuleRow, ModuleTable
from cvtui.engine.nn.module_source import build, usual_side
from cvtui.errors import RequestError
from cvtui.recipe.net_target import NetTarget, parse_target
from cvtui.text import error_line


def summarize_target(target: str, size: Size | None = None, classes: int | None = None) -> ModuleTable:
    """Summarize `torchvision:NAME`, `timm:NAME` or `package.module:callable`.

    RequestError when it can't be found, built or run.

    size: (H, W, C) or (N,), by default what torchvision trained the model with, else 224x224x3. classes: handed on as
    `num_classes`. The callable builds a model, or is one (then a copy without its numbers is looked at).
    """
    source = parse_target(target)
    with random_state_kept():
        model = _empty(source, classes)
        usual = usual_side(source)
        return summarize_module(model, size or (usual, usual, 3), target)


def _empty(source: NetTarget, classes: int | None) -> nn.Module:
    """Build the model without numbers; with them only where building reads what it has just drawn."""
    try:
        with _empty_parameters():
            return build(source, classes)
    except RequestError as error:
        if source.library or not isinstance(error.__cause__, NotImplementedError | RuntimeError):
            raise
        return build(source, classes)


def summarize_module(model: nn.Module, size: Size, target: str = "") -> ModuleTable:
    """Summarize a model for one image of this size; a copy is run, not the model itself.

    The copy is on the meta device, but where the code asks for numbers (`.item()`): there it is a real one.
    """
    twin = meta_copy(model).eval()
    with random_state_kept():
        try:
            calls, used, macs, kept = _run(twin, size, target)
        except RequestError:
            if any(tensor.is_meta for tensor in model.state_dict().values()):
                raise
            twin = copy.deepcopy(model).eval()
            calls, used, macs, kept = _run(twin, size, target, "cpu")
    rows = _rows(twin, calls, used)
    return ModuleTable(target, size, tuple(rows), sum(row.parameters for row in rows), macs, kept)


def meta_copy(model: nn.Module) -> nn.Module:
    """Make a deep copy in which every tensor has its shape but no numbers: even a huge model costs nothing."""
    memo: dict[int, Any] = {}
    for module in model.modules():
        held = [*module._parameters.values(), *module._buffers.values(), *_tensors_in(vars(module))]
        for tensor in held:
            if tensor is not None and id(tensor) not in memo:
                memo[id(tensor)] = _meta(tensor)
    return copy.deepcopy(model, memo)


def _tensors_in(attributes: dict[str, Any]) -> Iterator[Tensor]:
    """Tensors that are plain attributes, by themselves or in a list, tuple or dict."""
    for name, value in attributes.items():
        if name.startswith("_") and name in ("_parameters", "_buffers", "_modules"):
            continue
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else (value,)
        yield from (one for one in inside if isinstance(one, Tensor))


def _meta(tensor: Tensor) -> Tensor:
    lazy: Any = next((kind for kind in (UninitializedParameter, UninitializedBuffer) if isinstance(tensor, kind)), None)
    if lazy is not None:
        twin: Tensor = lazy(requires_grad=tensor.requires_grad, device="meta", dtype=tensor.dtype)
        return twin
    twin = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
    return nn.Parameter(twin, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else twin


@contextmanager
def _empty_parameters() -> Iterator[None]:
    """Every parameter that is registered in here moves to the meta device at once, so none is ever filled.

    `torch.device("meta")` would be simpler, but then builders can't calculate with tensors (RegNet's widths, the
    `linspace(…).tolist()` of stochastic depth).
    """
    register = nn.Module.register_parameter
    moved: dict[int, tuple[nn.Parameter, Tensor]] = {}  # with the original, whose id must not be given away

    def register_empty(self: nn.Module, name: str, param: nn.Parameter | None) -> None:
        if param is not None and not param.is_meta:
            _, twin = moved.setdefault(id(param), (param, _meta(param)))
            param = cast(nn.Parameter, twin)
        register(self, name, param)

    nn.Module.register_parameter = register_empty  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.register_parameter = register  # type: ignore[method-assign]


# Running.


class _Calls(NamedTuple):
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


def _run(
    twin: nn.Module, size: Size, target: str, device: str = "meta"
) -> tuple[dict[nn.Module, _Calls], set[int], int, int]:
    """One forward pass of one image.

    Returns each module's calls and own MACs, the ids of the parameters used, all MACs, bytes kept for backward.
    """
    shape = (1, *size) if len(size) == 1 else (1, size[2], size[0], size[1])
    calls: dict[nn.Module, _Calls] = {}
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
            before = calls.get(module, _Calls(order[module], 0, 0, (), 0))
            sizes = [one.shape for one in _outputs(output)]
            first = _as_read(sizes[0]) if sizes else ()
            numbers = sum(shape.numel() // max(shape[0], 1) for shape in sizes if len(shape))
            calls[module] = _Calls(
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


# The table.


def _rows(twin: nn.Module, calls: dict[nn.Module, _Calls], used: set[int]) -> list[ModuleRow]:
    """Make a row for each module that holds parameters, is a called layer, or has products of its own.

    In the order of the first call; what was never called stands behind what was registered before it.
    """
    rows: list[tuple[int, ModuleRow]] = []
    owner: dict[int, str] = {}
    place = 0
    for name, module in twin.named_modules():
        name = name or type(module).__name__
        call = calls.get(module)
        place = call.order if call else place
        own, remarks = {}, _remarks(module, call, used)
        for key, parameter in module.named_parameters(recurse=False):
            if id(parameter) in owner:
                remarks.append(f"{key} is that of {owner[id(parameter)]}, counted there")
            else:
                owner[id(parameter)] = name
                own[key] = 0 if is_lazy(parameter) else parameter.numel()
        leaf = _is_leaf(module)
        if own or remarks or (call and (leaf or call.macs)):
            biases = sum(count for key, count in own.items() if "bias" in key)
            rows.append((place, _row(name, module, call, sum(own.values()) - biases, biases, "; ".join(remarks))))
    return [row for _, row in sorted(rows, key=lambda one: one[0])]


def _row(name: str, module: nn.Module, call: _Calls | None, weights: int, biases: int, note: str) -> ModuleRow:
    return ModuleRow(
        name=name,
        expression=_expression(module),
        output=call.output if call else (),
        weights=weights,
        biases=biases,
        macs=call.macs if call else 0,
        activations=call.activations if call and _is_leaf(module) else 0,
        fan_in=_fan_in(module),
        note=note,
    )


def _is_leaf(module: nn.Module) -> bool:
    return next(module.children(), None) is None


def _remarks(module: nn.Module, call: _Calls | None, used: set[int]) -> list[str]:
    own = [id(parameter) for parameter in module.parameters(recurse=False)]
    if call is None:
        return [] if not own else ["used by its parent"] if used.intersection(own) else ["never called"]
    remarks = [f"called {call.times} times"] if call.times > 1 and (own or _is_leaf(module)) else []
    if call.macs and not _is_leaf(module):
        remarks.append("products outside of its layers")
    return remarks


def _fan_in(module: nn.Module) -> int:
    """Numbers that go into one output number: Conv F²·C / groups, Linear its inputs."""
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor) or is_lazy(weight) or weight.dim() < 2 or isinstance(module, nn.Embedding):
        return 0
    if getattr(module, "transposed", False):  # its weight is (in, out / groups, F, F)
        return weight[:, 0].numel() // int(getattr(module, "groups", 1))
    return weight[0].numel()


def _expression(module: nn.Module) -> str:
    """Return the module's own line, without what PyTorch would print for its children."""
    extra = module.extra_repr() if _is_leaf(module) else ""
    return f"{type(module).__name__}({extra})" if extra else type(module).__name__


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Python's, numpy's (where it is loaded) and torch's CPU generators as they were, whatever building draws."""
    python, numpy = random.getstate(), sys.modules.get("numpy")
    drawn = numpy.random.get_state() if numpy else None
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(python)
            if numpy:
                numpy.random.set_state(drawn)
