"""The numbers of a model that is given as PyTorch code: `torchvision:resnet18` or `package.module:callable`.

A copy of the model runs once on the meta device (shapes without numbers) under torch's FlopCounterMode, which counts
matrix products and convolutions wherever they are called, functional ones too. No weights, no download are needed, and
the model, its mode, its buffers, its hooks and the random state stay as they were.
"""

from __future__ import annotations

import copy

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from cvtui.calc import Size
from cvtui.calc.module_table import ModuleRow, ModuleTable
from cvtui.engine.nn.counted_run import ModuleCalls, counted_run
from cvtui.engine.nn.meta_copy import empty_parameters, meta_copy, random_state_kept
from cvtui.engine.nn.module_source import build, usual_side
from cvtui.errors import RequestError
from cvtui.recipe.net_target import NetTarget, parse_target


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
        with empty_parameters():
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
            calls, used, macs, kept = counted_run(twin, size, target)
        except RequestError:
            if any(tensor.is_meta for tensor in model.state_dict().values()):
                raise
            twin = copy.deepcopy(model).eval()
            calls, used, macs, kept = counted_run(twin, size, target, "cpu")
    rows = _rows(twin, calls, used)
    return ModuleTable(target, size, tuple(rows), sum(row.parameters for row in rows), macs, kept)


def _rows(twin: nn.Module, calls: dict[nn.Module, ModuleCalls], used: set[int]) -> list[ModuleRow]:
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


def _row(name: str, module: nn.Module, call: ModuleCalls | None, weights: int, biases: int, note: str) -> ModuleRow:
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


def _remarks(module: nn.Module, call: ModuleCalls | None, used: set[int]) -> list[str]:
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
