"""A net that is given as PyTorch code, made ready to train on a recipe's images: its head fits, it gives logits."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from cvtui.calc import Size
from cvtui.calc.module_table import ModuleTable
from cvtui.calc.sizes import image_shape
from cvtui.calc.table import size_text
from cvtui.engine.nn.meta_copy import meta_copy, random_state_kept
from cvtui.engine.nn.module_source import build, check_classifier, load_code
from cvtui.engine.nn.net_errors import way_out
from cvtui.engine.nn.summary import summarize_module
from cvtui.engine.runtime.seeds import WEIGHTS, stream_seed
from cvtui.errors import RequestError
from cvtui.recipe.net_target import NetTarget, parse_target

Counted: TypeAlias = Callable[[nn.Module], contextlib.AbstractContextManager[None]]


class ModuleNet(NamedTuple):
    """A model that is ready to train."""

    model: nn.Module
    table: ModuleTable
    told: tuple[str, ...]
    """What was changed of it, a line each."""


class ForwardPass(NamedTuple):
    """What one forward pass showed."""

    output: Any
    last: str
    """Name of the last fc or 1x1 conv that was called and has as many outputs as the model; "" for none."""


def build_module(net: str, size: Size, classes: int, seed: int = 0, counted_in: Counted | None = None) -> ModuleNet:
    """Build a target for images of `size` (H, W, C) and that number of classes; its weights are drawn by `seed`.

    counted_in: makes a context in which the finished model is counted.
    A head of another width is replaced: the last fc or 1x1 conv that was called. What is no tensor of logits (an
    output with `logits`, a tuple, a dict) is reduced to them. RequestError, in one line, for whatever can't be trained.
    """
    target = parse_target(net)
    check_classifier(target)
    with random_state_kept():
        torch.manual_seed(stream_seed(seed, WEIGHTS))  # a model may be made when its module is imported
        load_code(target)
        torch.manual_seed(stream_seed(seed, WEIGHTS))
        model = build(target, classes, size)
        _check_weights(model, target, size)
        told = _fit_head(model, target, size, classes)
    if not any(p.requires_grad for p in model.parameters()):  # a new head of a frozen net does
        raise RequestError(f"{target}: none of its parameters requires a gradient, so there is nothing to train")
    with counted_in(model) if counted_in is not None else contextlib.nullcontext():
        table = summarize_module(model, size, str(target))
    return ModuleNet(model, table, told)


def _check_weights(model: nn.Module, target: NetTarget, size: Size) -> None:
    """Give lazy layers their sizes, and check that all weights and buffers are float32. RequestError."""
    if any(is_lazy(tensor) for tensor in (*model.parameters(), *model.buffers())):
        _real_pass(model, target, size)
    named = (*model.named_parameters(), *model.named_buffers())
    other = next(((name, t) for name, t in named if t.is_floating_point() and t.dtype != torch.float32), None)
    if other is not None:
        kind = str(other[1].dtype).removeprefix("torch.")
        what = f"{kind} weights" if isinstance(other[1], nn.Parameter) else f"a {kind} buffer {other[0]}"
        raise RequestError(f"{target}: has {what}; training is in float32: return model.float()")


def _fit_head(model: nn.Module, target: NetTarget, size: Size, classes: int) -> tuple[str, ...]:
    """Make the model put out N x classes; return what was changed."""
    told = []
    seen = _look(model, target, size)
    logits = first_logits(seen.output)
    if logits is None:
        raise RequestError(f"{target}: puts out a {type(seen.output).__name__}; an image classifier gives N x classes")
    if seen.output is not logits or logits.dim() != 2:
        if logits.dim() > 2 and logits.shape[2:].numel() != 1:
            raise RequestError(
                f"{target}: puts out N x {size_text(logits.shape[1:])}; an image classifier gives N x classes"
            )
        model.register_forward_hook(only_logits)
    if logits.dim() < 2:
        raise RequestError(f"{target}: puts out {logits.dim()} axes; an image classifier gives N x classes")
    width = logits.shape[1]
    if width != classes:
        if not seen.last:
            raise RequestError(
                f"{target}: puts out {width:,} numbers, the data has {classes:,} classes, and it has no last fc or "
                f"1x1 conv to replace; let it take num_classes"
            )
        replace_head(model, seen.last, classes)
        told.append(f"head {seen.last}: {width:,} outputs → {classes:,}, drawn anew")
    return tuple(told)


def replace_head(model: nn.Module, name: str, classes: int) -> None:
    """Put a fresh layer with `classes` outputs in the place of an fc or 1x1 conv."""
    old = model.get_submodule(name)
    bias = old.bias is not None
    if isinstance(old, nn.Linear):
        new: nn.Module = nn.Linear(old.in_features, classes, bias)
    else:
        assert isinstance(old, nn.Conv2d)
        new = nn.Conv2d(old.in_channels, classes, 1, bias=bias)
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, new)


def called_head(model: nn.Module, net: str, size: Size) -> str:
    """Return the name of the last fc or 1x1 conv that is called and puts out the logits; "" for none."""
    with random_state_kept():
        return _look(model, parse_target(net), size).last


def first_logits(output: Any) -> Tensor | None:
    """Return the logits of what a model puts out: itself, its `logits`, or the first tensor of a tuple or dict."""
    if isinstance(output, Tensor):
        return output
    found = getattr(output, "logits", None)
    if isinstance(found, Tensor):
        return found
    if isinstance(output, Mapping):
        named = output.get("logits", output.get("out"))
        return named if isinstance(named, Tensor) else next((v for v in output.values() if isinstance(v, Tensor)), None)
    if isinstance(output, tuple | list):
        return next((value for value in output if isinstance(value, Tensor)), None)
    return None


def only_logits(_module: nn.Module, _inputs: Any, output: Any) -> Tensor | None:
    """Reduce a model's output to N x classes (a forward hook, which copies of the model keep)."""
    logits = first_logits(output)
    return None if logits is None else logits.flatten(1)


only_logits.part_of_model = True  # type: ignore[attr-defined]  # not one of the hooks that watch


def _look(model: nn.Module, target: NetTarget, size: Size) -> ForwardPass:
    """Run two images of zeros through a copy without numbers; where the code asks for numbers, through the model."""
    with contextlib.suppress(Exception, SystemExit):  # whatever a stranger's code says to tensors without numbers
        return _pass(meta_copy(model), torch.empty(_shape(size), device="meta"))
    return _real_pass(model, target, size)


def _real_pass(model: nn.Module, target: NetTarget, size: Size) -> ForwardPass:
    try:
        return _pass(model, torch.zeros(_shape(size)))
    except (Exception, SystemExit) as error:
        raise RequestError(f"{target}: {way_out(error, model, (image_shape(size),)).message}") from error


def _shape(size: Size) -> tuple[int, ...]:
    return (2, *size) if len(size) == 1 else (2, size[2], size[0], size[1])


def _pass(model: nn.Module, images: Tensor) -> ForwardPass:
    """One forward pass in evaluation mode; modes are put back."""
    called: list[tuple[str, int]] = []
    handles = []
    modes = [(module, module.training) for module in model.modules()]

    def seen(name: str, outputs: int) -> Any:
        return lambda *_: called.append((name, outputs))

    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            handles.append(module.register_forward_hook(seen(name, module.out_features)))
        elif isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.groups == 1:
            handles.append(module.register_forward_hook(seen(name, module.out_channels)))
    try:
        model.eval()
        with torch.no_grad(), torch.device(images.device):
            output = model(images)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode
    logits = first_logits(output)
    width = logits.shape[1] if logits is not None and logits.dim() > 1 else -1
    return ForwardPass(output, next((name for name, outputs in reversed(called) if outputs == width), ""))
