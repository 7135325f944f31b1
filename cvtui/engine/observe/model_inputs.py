"""The images among what a model is called with: its first input, one given by name, or a part of a batch.

Hugging Face's Trainer calls `model(pixel_values=…, labels=…)`; other loops hand over a whole batch: a dict, a tuple or
an object.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cvtui.engine.observe.lasting import lasting

Ask = Callable[[nn.Module, Tensor], Any]
"""How a model is called with some images."""

_LABELS = ("label", "target")
_OTHERS = (*_LABELS, "mask", "embed")
"""Parts of the names under which other things than images are given, floating ones among them."""


def plainly(model: nn.Module, images: Tensor) -> Any:
    """Call a model with the images as its only input."""
    return model(images)


class NamedInputs(tuple[Tensor]):
    """What a hook gets of a model that was called otherwise than with the images first: the images alone.

    `again(count)` tells how to call it in that way.
    """

    _args: tuple[Any, ...]
    _kwargs: Mapping[str, Any]

    @classmethod
    def of(cls, images: Tensor, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> NamedInputs:
        """Return those of a call."""
        made = cls((images,))
        made._args, made._kwargs = args, kwargs
        return made

    def again(self, count: int) -> Ask:
        """Return how to call the model again: with up to so many images in the place of these, all else as it was."""
        (images,) = self
        place, size = torch.empty(0), len(images)

        def kept(one: Tensor) -> Tensor:
            if one is images:
                return place
            one = one.detach()
            return one[:count].clone() if count < size and one.dim() and len(one) == size else lasting(one)

        args, kwargs = [_changed(one, kept) for one in self._args], _all_changed(self._kwargs, kept)

        def ask(model: nn.Module, images: Tensor) -> Any:
            def given(one: Tensor) -> Tensor:
                if one is place:
                    return images
                return one[: len(images)] if one.dim() and len(one) == count else one

            return model(*(_changed(one, given) for one in args), **_all_changed(kwargs, given))

        return ask


def given(args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> tuple[Any, ...]:
    """Return a forward pass's inputs as observers take them, the images first; all of them where none look like it.

    kwargs: None where nobody was told of them.
    """
    if kwargs is None or (args and isinstance(args[0], Tensor)):
        return args
    images = images_of(args, kwargs)
    return (*args, kwargs) if images is None else NamedInputs.of(images, args, kwargs)


def images_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    """Return the images of a forward pass: the first input, or what looks like them; None where nothing does.

    That are floating values of three axes or more, then bytes, then floating rows (flat images); of the batch's length,
    where labels tell it.
    """
    if args and isinstance(args[0], Tensor):
        return args[0]
    found: list[tuple[str, Tensor]] = []
    for value in args:
        found.extend(_parts_of_batch(value))
    for name, value in kwargs.items():
        found.extend([(name, value)] if isinstance(value, Tensor) else _parts_of_batch(value))
    labels = [one for name, one in found if one.dim() and any(word in name.lower() for word in _LABELS)]
    likely = [one for name, one in found if not any(word in name.lower() for word in _OTHERS)]
    if labels and not torch.compiler.is_compiling():  # (a graph would be made for each length)
        likely = [one for one in likely if one.dim() and len(one) == len(labels[0])] or likely
    for looks_like in (_is_picture, _is_bytes, _is_rows):
        for one in likely:
            if looks_like(one):
                return one
    return None


def _is_picture(one: Tensor) -> bool:
    return one.dim() >= 3 and one.is_floating_point()


def _is_bytes(one: Tensor) -> bool:
    return one.dim() >= 3 and one.dtype == torch.uint8


def _is_rows(one: Tensor) -> bool:
    return one.dim() == 2 and one.is_floating_point()


def _parts_of_batch(value: Any) -> list[tuple[str, Tensor]]:
    """Return tensors with their names; of a sequence its one batch of images: lists of images have no batch's axis."""
    found = [(str(name), one) for name, one in _parts(value)]
    if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
        found = [(name, one) for name, one in found if one.dim() > 3]
        return found if len(found) == 1 else []
    return found


def _parts(value: Any) -> Iterator[tuple[Any, Tensor]]:
    """Yield name, key or number and value of each tensor in a batch."""
    parts: Any = ()
    if isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        parts = zip(value._fields, value, strict=True)
    elif isinstance(value, tuple | list):
        parts = enumerate(value)
    elif hasattr(value, "__dict__") and not isinstance(value, nn.Module | type) and not torch.compiler.is_compiling():
        parts = vars(value).items()
    for name, one in parts:
        if isinstance(one, Tensor):
            yield name, one


def _all_changed(values: Mapping[str, Any], change: Callable[[Tensor], Tensor]) -> dict[str, Any]:
    return {name: _changed(one, change) for name, one in values.items()}


def _changed(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a tensor changed, or a copy of a batch with its tensors changed."""
    if isinstance(value, Tensor):
        return change(value)
    new = {name: change(one) for name, one in _parts(value)}
    if not new:
        return value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(new.get(name, one) for name, one in zip(value._fields, value, strict=True)))
    if isinstance(value, tuple):
        return tuple(new.get(number, one) for number, one in enumerate(value))
    made = copy.copy(value)
    for name, one in new.items():
        if isinstance(made, dict | list) or hasattr(made, "__setitem__"):
            made[name] = one
        else:
            object.__setattr__(made, name, one)
    return made
