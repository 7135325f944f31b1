"""Where the frozen part of a net ends: what lies before gives the same numbers for an image in every epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cvtui.engine.nn.module_net import first_logits

TOLERANCE = 1e-3
"""Of the features' largest value: beyond, those of one image depend on the others of its batch."""


class NoTail(Exception):
    """There is no such place; the words say why."""


class Tail(NamedTuple):
    """The last layers of a net, each called with what the one before gives; all that is trained is in them."""

    names: tuple[str, ...]
    flat: tuple[bool, ...]
    """For each: its input is flattened to N x features first."""

    @property
    def first(self) -> str:
        return self.names[0]

    def layers(self, model: nn.Module) -> list[nn.Module]:
        return [model.get_submodule(name) for name in self.names]


class _Reached(Exception):
    """Raised by a hook to end a forward pass: the tail's input is there."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features = features


@dataclass
class _Call:
    """One module that was called in a forward pass."""

    name: str
    module: nn.Module
    taken: Tensor | None
    """Its input, where that is one tensor alone."""
    random: tuple[Tensor, ...]
    """States of the random numbers before it."""
    taken_version: int = 0
    """How often that had been written to in place, before the call."""
    given: Any = None
    given_version: int = 0
    """The same of its output, after it: `out += x` later is another tensor to what takes it."""
    draws: bool = False
    inside: list[_Call] = field(default_factory=list)


def find_tail(model: nn.Module, images: Tensor) -> Tail:
    """Find the layers from the first one on that is trained, or that draws random numbers. NoTail.

    images: three or more, as the model gets them. Runs passes in the model's own mode, and leaves nothing behind.
    """
    with torch.no_grad(), _restored(model) as before:
        root = _traced(model, images[:2])
        inner = _tail_of(root)
        if inner is None:
            raise NoTail("what is trained are not its last layers, one after the other")
        calls, flat = inner
        tail = Tail(tuple(call.name for call in calls), flat)
        _check_parameters(model, tail)
        _check_buffers(model, tail, before)
        if not _equal(calls[0].random, root.random):
            raise NoTail("a frozen layer draws random numbers (dropout, stochastic depth)")
        # anew: a layer that works in place (dropout) has changed what the whole pass kept
        features, other = (input_of(model, some, tail.first) for some in (images[:2], images[[0, -1]]))
        if not _close(features[0], other[0]):
            raise NoTail("what a frozen layer gives for an image depends on the others of its batch")
        _put_random(root.random)
        if not _gives(model, tail, features, first_logits(root.given)):
            raise NoTail("its last layers alone do not give what the whole net gives")
        return tail


def modules_before(model: nn.Module, tail: Tail) -> list[str]:
    """Return the names of the modules that are not in the tail."""
    inside = {module for layer in tail.layers(model) for module in layer.modules()}
    return [name for name, module in model.named_modules() if module not in inside]


def input_of(model: nn.Module, images: Tensor, name: str) -> Tensor:
    """Return what the layer `name` gets when the model is called; nothing behind it is computed."""

    def reached(_layer: nn.Module, inputs: tuple[Tensor]) -> None:
        raise _Reached(inputs[0])

    handle = model.get_submodule(name).register_forward_pre_hook(reached)
    try:
        model(images)
    except _Reached as found:
        return found.features
    finally:
        handle.remove()
    raise NoTail(f"{name} was not called")


def run_tail(layers: Sequence[nn.Module], flat: Sequence[bool], x: Tensor) -> Tensor:
    """Call the layers one after the other."""
    for layer, flattens in zip(layers, flat, strict=True):
        x = layer(x.flatten(1) if flattens else x)
    return x.flatten(1)


# ------------------------------------------------------------------ one pass, seen call by call


def _traced(model: nn.Module, images: Tensor) -> _Call:
    """Run the images through the model; return its call with those inside."""
    names = {module: name for name, module in model.named_modules()}
    open_calls: list[_Call] = []
    found: list[_Call] = []

    def enter(module: nn.Module, inputs: Any, keywords: Any) -> None:
        alone = len(inputs) == 1 and not keywords and isinstance(inputs[0], Tensor)
        call = _Call(names[module], module, inputs[0] if alone else None, _random_states(images))
        call.taken_version = inputs[0]._version if alone else 0
        (open_calls[-1].inside if open_calls else found).append(call)
        open_calls.append(call)

    def leave(_module: nn.Module, _inputs: Any, output: Any) -> None:
        call = open_calls.pop()
        call.given, call.given_version = output, output._version if isinstance(output, Tensor) else 0
        call.draws = not _equal(call.random, _random_states(images))

    handles = []
    for module in model.modules():
        handles.append(module.register_forward_pre_hook(enter, with_kwargs=True))
        handles.append(module.register_forward_hook(leave, prepend=True))
    try:
        model(images)
    finally:
        for handle in handles:
            handle.remove()
    return found[0]


def _tail_of(call: _Call) -> tuple[list[_Call], tuple[bool, ...]] | None:
    """Return the calls inside of `call` that end in its output, from the first that changes; None for none."""
    inside = call.inside
    if any(one is not None and one.requires_grad for one in call.module._parameters.values()):
        return None
    chain: list[_Call] = []
    flat: list[bool] = []
    wanted, version = first_logits(call.given), call.given_version
    for one in reversed(inside):
        joint = _joint(one.given, wanted) if one.given_version == version else None
        if joint is None:
            break
        if chain:
            flat[0] = joint
        chain.insert(0, one)
        flat.insert(0, False)
        wanted, version = one.taken, one.taken_version
        if wanted is None:
            break
    changing = [one for one in inside if _changes(one)]
    first = next((place for place, one in enumerate(chain) if _changes(one)), None)
    if first is None or sum(map(_changes, chain)) != len(changing):
        return None
    head, rest, rest_flat = chain[first], chain[first + 1 :], tuple(flat[first + 1 :])
    deeper = _tail_of(head)
    if deeper is not None:
        return [*deeper[0], *rest], (*deeper[1], *rest_flat)
    return (chain[first:], (False, *rest_flat)) if head.taken is not None else None


def _changes(call: _Call) -> bool:
    return call.draws or any(one.requires_grad for one in call.module.parameters())


def _joint(given: Any, taken: Tensor | None) -> bool | None:
    """Say how one layer's output is the next one's input: False as it is, True flattened; None: it is not."""
    if not isinstance(given, Tensor) or taken is None:
        return None
    if given is taken:
        return False
    same = given.data_ptr() == taken.data_ptr() and given.numel() == taken.numel() and given.dtype == taken.dtype
    return True if same and given.dim() > 1 and given.flatten(1).shape == taken.shape else None


# ------------------------------------------------------------------ what would make it wrong


def _check_parameters(model: nn.Module, tail: Tail) -> None:
    """NoTail where something is trained that is not in the tail: of a layer that was not called."""
    held = {id(one) for layer in tail.layers(model) for one in layer.parameters()}
    if any(one.requires_grad and id(one) not in held for one in model.parameters()):
        raise NoTail("what is trained are not its last layers, one after the other")


def _check_buffers(model: nn.Module, tail: Tail, before: dict[str, Tensor]) -> None:
    own = tuple(f"{name}." for name in tail.names)
    for name, buffer in model.named_buffers():
        if not name.startswith(own) and not torch.equal(buffer, before[name]):
            raise NoTail(f"{name.rpartition('.')[0]} is frozen, and its statistics follow the batches")


def _gives(model: nn.Module, tail: Tail, features: Tensor, wanted: Tensor | None) -> bool:
    try:
        again = run_tail(tail.layers(model), tail.flat, features)
    except RuntimeError:  # shapes that don't fit
        return False
    return wanted is not None and torch.equal(again, wanted.flatten(1))


def _close(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() <= TOLERANCE * one.abs().max().clamp(min=1e-6))


@contextmanager
def _restored(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Put buffers and random numbers back afterwards; yields the buffers as they are before."""
    buffers = dict(model.named_buffers())
    before = {name: buffer.clone() for name, buffer in buffers.items()}
    random = _random_states(*model.parameters())
    try:
        yield before
    finally:
        for name, buffer in buffers.items():
            buffer.copy_(before[name])
        _put_random(random)


def _random_states(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return the state of the CPU's random numbers, and of the GPU's where the first tensor is there."""
    device = tensors[0].device
    return (torch.get_rng_state(), *((torch.cuda.get_rng_state(device),) if device.type == "cuda" else ()))


def _put_random(states: tuple[Tensor, ...]) -> None:
    torch.set_rng_state(states[0])
    if len(states) > 1:
        torch.cuda.set_rng_state(states[1])


def _equal(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> bool:
    return all(map(torch.equal, one, other))
