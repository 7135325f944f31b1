"""Feature maps: every layer's output for one image.

Model, random state and hooks are left as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from cvtui.engine.data.random_state import generators_kept
from cvtui.engine.observe.forward_hooks import first_tensor
from cvtui.engine.observe.layer_kinds import is_leaf, plain_name
from cvtui.engine.observe.untouched import untouched

MOST_MAPS = 16
"""Channels that are kept of a layer."""
LARGEST_TILE = 64
"""Larger maps are averaged down to it."""
MOST_LAYERS = 500


class LayerMaps(NamedTuple):
    """One layer's output for one image."""

    values: Tensor
    """float32 on the CPU: channels (at most MOST_MAPS) x height x width (at most LARGEST_TILE each)."""
    channels: int
    height: int
    width: int
    """As the layer gave them."""


class FeatureMaps(NamedTuple):
    maps: dict[str, LayerMaps]
    """By layer name, in order of computation; a layer that is called twice is there as `name` and `name#2`."""
    shares: Tensor | None
    """Probabilities of the classes, float32; None where the model gives no N x classes."""


@torch.no_grad()
def compute_feature_maps(
    model: nn.Module, image: Tensor, around: AbstractContextManager[Any], *, yes_no: bool = False
) -> FeatureMaps:
    """Run one image (1 x C x H x W) through the model in evaluation mode.

    `around` is the context of the forward pass; yes_no: probabilities are sigmoids, not the softmax. Layers are modules
    without children whose output is N x C x H x W. A compiled model is looked at as it was before it was compiled
    (PyTorch does not call the hooks of modules inside a compiled one), a DataParallel one by itself.
    """
    inside = plain_model(model)
    maps: dict[str, LayerMaps] = {}
    with ExitStack() as stack:
        for keep in (without_own_hooks(inside), in_evaluation_mode(inside), untouched(inside), around):
            stack.enter_context(keep)
        for name, module in inside.named_modules():
            if is_leaf(module):
                handle = module.register_forward_hook(_hook(plain_name(name) or "model", maps))
                stack.callback(handle.remove)
        # `_call_impl` and not the call itself: after `model.compile()` that would run the compiled code.
        answer = first_tensor(inside._call_impl(image))  # type: ignore[no-untyped-call]
    shares = None
    if answer is not None and answer.dim() == 2 and answer.shape[1] > 1:
        shares = (answer[0].float().sigmoid() if yes_no else answer[0].float().softmax(0)).cpu()
    return FeatureMaps(maps, shares)


def _hook(name: str, maps: dict[str, LayerMaps]) -> Any:
    def seen(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if not isinstance(output, Tensor) or output.dim() != 4 or len(maps) >= MOST_LAYERS or not output.numel():
            return
        values = output[:1, :MOST_MAPS].detach().float()
        height, width = values.shape[-2:]
        if max(height, width) > LARGEST_TILE:
            values = nn.functional.adaptive_avg_pool2d(values, (min(height, LARGEST_TILE), min(width, LARGEST_TILE)))
        title, call = name, 1
        while title in maps:
            call += 1
            title = f"{name}#{call}"
        # A copy: an activation that works in place would paint over it.
        maps[title] = LayerMaps(values[0].clone().cpu(), output.shape[1], height, width)

    return seen


def plain_model(model: nn.Module) -> nn.Module:
    """Unwrap what torch.compile and DataParallel put around a model."""
    while True:
        inside = getattr(model, "_orig_mod", None)
        if inside is None and isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inside = model.module
        if not isinstance(inside, nn.Module):
            return model
        model = inside


@contextmanager
def without_own_hooks(model: nn.Module) -> Iterator[None]:
    """Take off cvtui's own hooks for a while.

    Observers of the training must not take this pass for one of its own. Others' hooks stay: weight norm and pruning
    work by them.
    """
    kept = []
    for module in model.modules():
        for hooks in (module._forward_hooks, module._forward_pre_hooks):
            if any(_is_ours(hook) for hook in hooks.values()):
                kept.append((hooks, dict(hooks)))
                for number in [number for number, hook in hooks.items() if _is_ours(hook)]:
                    del hooks[number]
    try:
        yield
    finally:
        for hooks, before in kept:
            hooks.clear()
            hooks.update(before)


def _is_ours(hook: Any) -> bool:
    if getattr(hook, "part_of_model", False):  # it makes logits of what a model puts out
        return False
    return str(getattr(hook, "__module__", "")).startswith("cvtui.")


@contextmanager
def in_evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Set evaluation mode for a while; each module gets its own mode back.

    Set attribute by attribute: a user's own `train()` may do more.
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in modes:
            module.training = False
        yield
    finally:
        for module, mode in modes:
            module.training = mode


class ValidationSet:
    """Validation images of a user: tensors or arrays, a Dataset of pairs, or a DataLoader.

    ValueError where they are nothing of that kind.
    """

    def __init__(self, source: Any) -> None:
        source = getattr(source, "dataset", source) if isinstance(source, torch.utils.data.DataLoader) else source
        pair = isinstance(source, tuple | list) and len(source) == 2 and all(hasattr(half, "shape") for half in source)
        if not pair and not (hasattr(source, "__getitem__") and hasattr(source, "__len__")):
            raise ValueError(f"a {type(source).__name__} can't be asked for its images")
        self._source, self._pair = source, pair
        self.size = len(source[0]) if pair else len(source)

    def item(self, number: int) -> tuple[Tensor, int | None]:
        """Return (image C x H x W, label) of this number.

        Random numbers that a data set draws are put back.
        """
        with generators_kept(self._source):
            if self._pair:
                image, label = self._source[0][number], self._source[1][number]
            else:
                sample = self._source[number]
                image, label = sample[0], sample[1] if len(sample) > 1 else None
        image = image if isinstance(image, Tensor) else torch.as_tensor(np.array(image))
        try:
            return image.detach(), None if label is None else int(label)
        except (TypeError, ValueError):
            return image.detach(), None
