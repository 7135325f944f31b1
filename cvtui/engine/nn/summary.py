"""The numbers of a model that is given as PyTorch code: `torchvision:resnet18` or `package.module:callable`.

A copy of the model runs once on the meta device (shapes without numbers) under torch's FlopCounterMode, which counts
matrix products and convolutions wherever they are called, functional ones too. No weights, no download are needed, and
the model, its mode, its buffers, its hooks and the random state stay as they were.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized

from cvtui.calc import Size
from cvtui.calc.module_table import ModuleRow, ModuleTable
from cvtui.calc.sizes import InputShape, as_read, image_shape
from cvtui.engine.nn.counted_run import CountedRun, ModuleCalls
from cvtui.engine.nn.meta_copy import empty_parameters, meta_copy, random_state_kept
from cvtui.engine.nn.module_source import build, usual_shapes
from cvtui.engine.nn.net_errors import CONVOLUTIONS
from cvtui.engine.nn.torchvision_models import detector_shape, is_detector
from cvtui.engine.runtime.model_tensors import deep_copy
from cvtui.errors import RequestError
from cvtui.recipe.net_target import NetTarget, parse_target


def summarize_target(
    target: str, size: Size | tuple[InputShape, ...] | None = None, classes: int | None = None
) -> ModuleTable:
    """Summarize `torchvision:NAME`, `timm:NAME` or `package.module:callable`; nothing is downloaded.

    size: (H, W, C) or (N,), or the shapes of all that its forward takes, by default what the library trained the model
    with, else 224x224x3. classes: handed on as `num_classes`. The callable builds a model, or is one (then a copy
    without its numbers is looked at). RequestError when it can't be found, built or run.
    """
    source = parse_target(target)
    with random_state_kept(), no_download(target):
        model, whole = _empty(source, classes)
        inputs = _shapes(size) or ((detector_shape(model),) if is_detector(model) else usual_shapes(source))
        try:
            return summarize_module(model, inputs, target)
        except RequestError as error:
            if whole or not _wants_numbers(error.__cause__):
                raise
        return summarize_module(build(source, classes), inputs, target)


def _empty(source: NetTarget, classes: int | None) -> tuple[nn.Module, bool]:
    """Build the model without numbers; with them (True) only where building reads what it has just drawn."""
    try:
        with empty_parameters():
            return build(source, classes), False
    except RequestError as error:
        cause = error.__cause__  # TypeErrors of tracers too; what is wrong with the code itself is raised once more
        if not (_wants_numbers(cause) if source.library else isinstance(cause, Exception)):
            raise
        return build(source, classes), True


def _wants_numbers(error: BaseException | None) -> bool:
    """Return True for what PyTorch raises where code asks a tensor without numbers for one."""
    return isinstance(error, NotImplementedError | RuntimeError) and "meta" in str(error)


def _shapes(size: Size | tuple[InputShape, ...] | None) -> tuple[InputShape, ...]:
    if size is None:
        return ()
    return tuple(one for one in size if isinstance(one, InputShape)) or (image_shape(cast(Size, size)),)


def summarize_module(
    model: nn.Module, size: Size | tuple[InputShape, ...], target: str = "", *, images: bool = False
) -> ModuleTable:
    """Summarize a model for one image of this size (or such inputs); a copy is run, not the model itself.

    The copy is on the meta device, but where the code asks for numbers (`.item()`): there it is a real one. images: it
    gets images, also where it begins with a recurrent layer or a 1-d convolution.
    """
    inputs = _shapes(size)
    own = inputs if images else _as_its_own(model, inputs)
    try:
        return _summarize(model, own, target)
    except RequestError:
        if own == inputs:
            raise
        with contextlib.suppress(RequestError):
            return _summarize(model, inputs, target)  # it takes images, and their rows by itself
        raise


def _summarize(model: nn.Module, inputs: tuple[InputShape, ...], target: str) -> ModuleTable:
    twin = meta_copy(model)
    twin.eval()  # from which a user's own may return nothing
    with random_state_kept():
        try:
            run = CountedRun(twin, inputs, target)
        except RequestError:
            if any(tensor.is_meta for tensor in model.state_dict().values()):
                raise
            twin = deep_copy(model)
            twin.eval()
            run = CountedRun(twin, inputs, target, "cpu")
    rows = _rows(twin, run)
    shown = as_read(inputs[0].shape) if len(inputs) == 1 else ()
    frozen = sum(p.numel() for p in twin.parameters() if not p.requires_grad and not is_lazy(p))
    return ModuleTable(
        target, shown, tuple(rows), sum(row.parameters for row in rows), run.macs, run.kept, inputs=inputs,
        frozen=frozen,
    )  # fmt: skip


def _as_its_own(model: nn.Module, inputs: tuple[InputShape, ...]) -> tuple[InputShape, ...]:
    """Return two numbers as C x L, where the net begins with a 1-d convolution or a recurrent layer."""
    first = next((one for one in model.modules() if isinstance(one, (*CONVOLUTIONS, nn.RNNBase))), None)
    if len(inputs) == 1 and isinstance(first, nn.Conv1d | nn.RNNBase):
        shape = inputs[0].shape
        if len(shape) == 3 and shape[0] == 1:
            return (InputShape(shape[1:]),)
    return inputs


def _rows(twin: nn.Module, run: CountedRun) -> list[ModuleRow]:
    """Make a row for each module that holds parameters, is a called layer, or has products of its own.

    In the order of the first call; what was never called stands behind what was registered before it.
    """
    rows: list[tuple[int, ModuleRow]] = []
    owner: dict[int, str] = {}
    place = 0
    for name, module in twin.named_modules():
        if "parametrizations" in name.split("."):
            continue  # counted with the layer whose weights they make
        name = name or type(module).__name__
        call = run.calls.get(module)
        place = call.order if call else place
        own, remarks = {}, _remarks(module, call, run)
        for key, parameter in _own_parameters(module):
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


def _own_parameters(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Parameters of a module without its children's, but with those that its weights are worked out from."""
    yield from module.named_parameters(recurse=False)
    if is_parametrized(module):
        made: Any = module.parametrizations
        yield from made.named_parameters()


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
        receptive_field=call.field if call else None,
    )


def _is_leaf(module: nn.Module) -> bool:
    return all(name == "parametrizations" for name, _ in module.named_children())


def _remarks(module: nn.Module, call: ModuleCalls | None, run: CountedRun) -> list[str]:
    own = [id(parameter) for _, parameter in _own_parameters(module)]
    if call is None:
        if not own:
            return []
        if isinstance(module, torch.jit.ScriptModule):
            return ["TorchScript: its products are in the whole's row"]
        if run.detector:
            return ["not counted: how often it runs depends on the picture"]
        return ["used by its parent"] if run.used.intersection(own) else ["never called"]
    remarks = [f"called {call.times} times"] if call.times > 1 and (own or _is_leaf(module)) else []
    if is_parametrized(module):
        made: Any = module.parametrizations
        remarks += [
            f"{name} worked out by {', '.join(type(one).__name__.strip('_') for one in made[name])}" for name in made
        ]
    if call.macs and not _is_leaf(module):
        script = isinstance(module, torch.jit.ScriptModule)
        remarks.append("TorchScript: the products of all its layers" if script else "products outside of its layers")
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
def no_download(target: str) -> Iterator[None]:
    """Refuse what code would fetch through torch.hub, which torchvision's builders do when they are given weights."""

    def refuse(url: str, *_: Any, **__: Any) -> None:
        raise RequestError(f"{target}: would download {url}; no weights are needed to calculate", hint="weights=None")

    fetch, said = torch.hub.download_url_to_file, io.StringIO()
    torch.hub.download_url_to_file = refuse
    try:
        with redirect_stderr(said):
            yield
    finally:
        torch.hub.download_url_to_file = fetch
        # torch.hub says "Downloading: …" before it does
        sys.stderr.writelines(line for line in said.getvalue().splitlines(True) if not line.startswith("Downloading: "))
