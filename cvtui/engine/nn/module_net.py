"""A net that is given as PyTorch code, made ready to train on a recipe's images: its head fits, it gives logits."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from cvtui.calc import Size
from cvtui.calc.module_table import ModuleTable
from cvtui.calc.sizes import image_shape
from cvtui.calc.table import size_text
from cvtui.engine.nn.memory_order import OrderCalls, keep_order
from cvtui.engine.nn.meta_copy import meta_copy, random_state_kept
from cvtui.engine.nn.module_source import build, check_classifier, load_code
from cvtui.engine.nn.net_errors import is_too_small, way_out
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
    heads: tuple[str, ...]
    """Names of the last fc or 1x1 conv that was called and has as many outputs as the model, and of those that were
    called before it with the same sizes: heads side by side (distilled DeiT, LeViT)."""


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
        calls = OrderCalls()
        told = _fit_head(model, target, size, classes, calls)
        if not any(p.requires_grad for p in model.parameters()):  # a new head of a frozen net does
            raise RequestError(f"{target}: none of its parameters requires a gradient, so there is nothing to train")
        told += _fit_training(model, target, size, classes, calls)
    with counted_in(model) if counted_in is not None else contextlib.nullcontext():
        try:
            table = summarize_module(model, size, str(target), images=True)
        except RequestError as error:
            if not told:
                raise
            raise RequestError(
                f"{target}: does not run any more with another {told[0]}; let it take num_classes"
            ) from error
    if not target.library and len(size) == 3:
        images = torch.zeros(_shape(size)).contiguous(memory_format=torch.channels_last)
        runs = (partial(_pass, images=images, training=training) for training in (False, True))
        keep_order(model, calls.asked, runs)
    return ModuleNet(model, table, told)


def _check_weights(model: nn.Module, target: NetTarget, size: Size) -> None:
    """Give lazy layers their sizes, and check that all weights and buffers are float32. RequestError."""
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise RequestError(f"{target}: is TorchScript, which calc counts; to train give the module that it was made of")
    if any(is_lazy(tensor) for tensor in (*model.parameters(), *model.buffers())):
        _real_pass(model, target, size)
    named = [*model.named_parameters(), *model.named_buffers()]
    if any(tensor.is_meta for _, tensor in named):
        raise RequestError(f"{target}: its weights have no numbers (device meta); build it on the CPU")
    other = next(((name, t) for name, t in named if _is_foreign(t)), None)
    if other is not None:
        kind = str(other[1].dtype).removeprefix("torch.")
        if other[1].is_complex():
            raise RequestError(f"{target}: has {kind} weights {other[0]}; training is in float32: hold them as two")
        what = f"{kind} weights" if isinstance(other[1], nn.Parameter) else f"a {kind} buffer {other[0]}"
        raise RequestError(f"{target}: has {what}; training is in float32: return model.float()")


def _is_foreign(tensor: Tensor) -> bool:
    if isinstance(tensor, nn.Parameter) and tensor.is_complex():
        return True
    return tensor.is_floating_point() and tensor.dtype != torch.float32


def _fit_head(model: nn.Module, target: NetTarget, size: Size, classes: int, calls: OrderCalls) -> tuple[str, ...]:
    """Make the model put out N x classes in evaluation mode; return what was changed."""
    seen = _look(model, target, size, classes, calls)
    logits = _checked_logits(seen.output, target, classes)
    if seen.output is not logits or logits.dim() != 2:
        model.register_forward_hook(OnlyLogits(classes))
    width = logits.shape[1]
    if width == classes:
        return ()
    if not seen.heads:
        which = "puts out" if seen.output is logits else "its first output has"
        raise RequestError(
            f"{target}: {which} {width:,} numbers, the data has {classes:,} classes, and there is no last fc or 1x1 "
            f"conv of that width to replace; let it take num_classes"
        )
    for head in seen.heads:
        replace_head(model, head, classes)
    return (f"head {', '.join(seen.heads)}: {width:,} outputs → {classes:,}, drawn anew",)


def _checked_logits(output: Any, target: NetTarget, classes: int) -> Tensor:
    """Return the logits of two images. RequestError where they are not N x classes."""
    logits = first_logits(output, classes)
    if logits is None:
        raise RequestError(f"{target}: puts out a {type(output).__name__}; an image classifier gives N x classes")
    if logits.dim() > 2 and logits.shape[2:].numel() != 1:
        raise RequestError(
            f"{target}: puts out N x {size_text(logits.shape[1:])}; an image classifier gives N x classes"
        )
    if logits.dim() < 2 or len(logits) != 2:
        made = size_text(logits.shape) or "one number"
        raise RequestError(f"{target}: puts out {made} for 2 images; an image classifier gives N x classes")
    return logits


def _fit_training(model: nn.Module, target: NetTarget, size: Size, classes: int, calls: OrderCalls) -> tuple[str, ...]:
    """Make the model put out logits in training mode too, where it may give more (auxiliary heads); return lines.

    RequestError where no gradient would reach a weight.
    """
    try:
        images = torch.empty(_shape(size), device="meta")
        output = _pass(meta_copy(model), images, training=True, calls=calls).output
    except (Exception, SystemExit) as error:
        if is_too_small(error):  # for an auxiliary head, say
            raise RequestError(f"{target}: {way_out(error, model, (image_shape(size),)).message}") from error
        output = None  # code that asks for numbers: what it does in training shows when it trains
    logits = first_logits(output, classes)
    if logits is not None and not logits.requires_grad:
        raise RequestError(f"{target}: its outputs have no gradient (detach or no_grad in forward): nothing is trained")
    if isinstance(output, Tensor) and output.dim() == 2:
        return ()
    if not any(isinstance(hook, OnlyLogits) for hook in model._forward_hooks.values()):
        model.register_forward_hook(OnlyLogits(classes))
    more = output is not None and not isinstance(output, Tensor)
    return ("it puts out more than logits in training (auxiliary heads): only the logits are trained",) if more else ()


def check_single_images(model: nn.Module, net: str, size: Size) -> None:
    """Check that the model can be trained on one image at a time. RequestError where a batch norm needs more."""
    try:
        with random_state_kept():
            _pass(meta_copy(model), torch.empty((1, *_shape(size)[1:]), device="meta"), training=True)
    except ValueError as error:
        if "more than 1 value per channel" in str(error):
            raise RequestError(
                f"batch_size: 1 image a batch is too small for {net}: a batch norm of it takes mean and deviation "
                "of each value over the batch; allowed: 2 or more"
            ) from None
    except (Exception, SystemExit):
        return  # code that asks for numbers: it shows when it trains


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


def called_heads(model: nn.Module, net: str, size: Size) -> tuple[str, ...]:
    """Return the names of the last fc or 1x1 conv that is called and puts out the logits, and of those beside it."""
    with random_state_kept():
        return _look(model, parse_target(net), size).heads


def first_logits(output: Any, classes: int = 0) -> Tensor | None:
    """Return the logits of what a model puts out.

    Itself; its `logits`; of a tuple or dict the first tensor that is N x classes (features may stand before it), else
    the first.
    """
    if isinstance(output, Tensor):
        return output
    found = getattr(output, "logits", None)
    if found is None and isinstance(output, Mapping):
        found = output.get("logits", output.get("out"))
    if isinstance(found, Tensor | Mapping | tuple | list):
        return first_logits(found, classes)
    inside = output.values() if isinstance(output, Mapping) else output if isinstance(output, tuple | list) else ()
    tensors = [value for value in inside if isinstance(value, Tensor)]
    wide = (value for value in tensors if value.dim() == 2 and value.shape[1] == classes)
    return next(itertools.chain(wide, tensors), None)


class OnlyLogits:
    """Reduce a model's output to N x classes (a forward hook, which copies of the model keep)."""

    part_of_model = True
    """Not one of the hooks that watch."""

    def __init__(self, classes: int) -> None:
        self._classes = classes

    def __call__(self, _module: nn.Module, _inputs: Any, output: Any) -> Tensor | None:
        logits = first_logits(output, self._classes)
        return None if logits is None else logits.flatten(1)


def _look(
    model: nn.Module, target: NetTarget, size: Size, classes: int = 0, calls: OrderCalls | None = None
) -> ForwardPass:
    """Run two images of zeros through a copy without numbers; through the model where the code asks for numbers.

    So too where its first pass makes layers: the optimizer and a checkpoint have to know them.
    """
    with contextlib.suppress(Exception, SystemExit):  # whatever a stranger's code says to tensors without numbers
        twin = meta_copy(model)
        found = _pass(twin, torch.empty(_shape(size), device="meta"), classes=classes, calls=calls)
        if len(list(twin.parameters())) == len(list(model.parameters())):  # else its first pass makes layers
            return found
    return _real_pass(model, target, size, classes, calls)


def _real_pass(
    model: nn.Module, target: NetTarget, size: Size, classes: int = 0, calls: OrderCalls | None = None
) -> ForwardPass:
    try:
        return _pass(model, torch.zeros(_shape(size)), classes=classes, calls=calls)
    except (Exception, SystemExit) as error:
        raise RequestError(f"{target}: {way_out(error, model, (image_shape(size),)).message}") from error


def _shape(size: Size) -> tuple[int, ...]:
    return (2, *size) if len(size) == 1 else (2, size[2], size[0], size[1])


def _pass(
    model: nn.Module, images: Tensor, training: bool = False, classes: int = 0, calls: OrderCalls | None = None
) -> ForwardPass:
    """One forward pass, in training mode with gradients; modes are put back. calls: notes what the code asks."""
    called: list[tuple[str, tuple[int, int]]] = []
    handles = []
    modes = [(module, module.training) for module in model.modules()]

    def seen(name: str, inputs: int, outputs: int) -> Any:
        return lambda *_: called.append((name, (inputs, outputs)))

    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            handles.append(module.register_forward_hook(seen(name, module.in_features, module.out_features)))
        elif isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.groups == 1:
            handles.append(module.register_forward_hook(seen(name, module.in_channels, module.out_channels)))
    try:
        model.train(training)
        with torch.set_grad_enabled(training), torch.device(images.device), calls or contextlib.nullcontext():
            output = model(images)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode
    logits = first_logits(output, classes)
    return ForwardPass(output, _heads(called, logits.shape[1] if logits is not None and logits.dim() > 1 else -1))


def _heads(called: list[tuple[str, tuple[int, int]]], width: int) -> tuple[str, ...]:
    """Return the last layer with `width` outputs, and those just before it of the same sizes, in order."""
    while called and called[-1][1][1] != width:
        called.pop()
    if not called:
        return ()
    _, sizes = called[-1]
    beside = itertools.takewhile(lambda one: one[1] == sizes, reversed(called))
    names = dict.fromkeys(name for name, _ in beside)
    # Of one width, layers that follow one another have the same sizes too.
    return tuple(reversed(names)) if sizes[0] != sizes[1] else (called[-1][0],)
