"""Receptive fields of a module's layers: followed through every function of torch that its forward pass calls.

What a function does to them is known of those in field_rules.py; behind any other they are not known. Nothing is
guessed: a tensor that came from nowhere (a custom autograd function, TorchScript) is not known either.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from cvtui.calc.receptive_fields import identity
from cvtui.calc.table import ReceptiveField
from cvtui.calc.tensor_fields import FieldImage, TensorField
from cvtui.engine.nn.field_call import Call, Known
from cvtui.engine.nn.field_rules import POINTWISE, RULES

MAKING = {"zeros_like", "ones_like", "empty_like", "rand_like", "full_like", "new_zeros", "new_ones", "new_empty",
          "new_full", "new_tensor", "size", "dim", "numel"}  # fmt: skip
"""What asks a tensor for its shape only."""

CONSTANT = object()
_MISSING = object()


class FieldTrace(TorchFunctionMode):
    """Follows the fields of all tensors while it is entered, and notes which parameters were used.

    constants: tensors that are there before (parameters, buffers, attributes).
    """

    def __init__(self, constants: Iterable[Tensor]) -> None:
        super().__init__()
        self.used: set[int] = set()
        self._fields: Any = WeakIdKeyDictionary()
        self._image = FieldImage((1, 1))
        self._follows = False
        self._constants = list(constants)

    def begin(self, image: Tensor) -> None:
        """Follow what becomes of this image, (1, C, H, W)."""
        size = image.shape[2], image.shape[3]
        self._image, self._follows = FieldImage(size), True
        for constant in self._constants:
            self._fields[constant] = CONSTANT
        self._fields[image] = TensorField(identity(size), frozenset((-2, -1)), (-2, -1))

    def seen(self, tensor: Tensor) -> ReceptiveField | None:
        """Return what a unit of a tensor sees; None where it isn't known, or no window that moves."""
        found = self._fields.get(tensor)
        return found.by_unit() if isinstance(found, TensorField) else None

    def channels_last(self, tensor: Tensor) -> bool:
        """Return True for a map (N, H, W, C), as transformers and ConvNeXt hold it between their layers."""
        found = self._fields.get(tensor)
        return isinstance(found, TensorField) and tensor.dim() == 4 and found.order == (-3, -2)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        self.used.update(id(one) for one in (*args, *kwargs.values()) if isinstance(one, torch.nn.Parameter))
        result = func(*args, **kwargs)
        if self._follows and getattr(func, "__name__", "") != "register_hook":
            self._follow(func, args, kwargs, result)
        return result

    def _follow(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        given = _tensors((args, kwargs))
        fields = [self._fields.get(one, _MISSING) for one in given]
        name = getattr(func, "__name__", "")
        if name == "__setitem__":
            if any(field is not CONSTANT for field in fields):
                self._fields[args[0]] = None
            return
        outputs = _tensors(result)
        if not outputs or func is torch._C._set_grad_enabled:
            return
        if name in MAKING or all(field is CONSTANT for field in fields):
            for output in outputs:
                self._fields[output] = CONSTANT
            return
        known = [field for field in fields if field is not CONSTANT]
        found: Known | list[Known] = None
        if all(isinstance(field, TensorField) for field in known):
            found = self._after(func, name, Call(self._image, self.field_of, given, args, kwargs, outputs[0]), known)
        for number, output in enumerate(outputs):
            self._fields[output] = found[number] if isinstance(found, list) else found

    def field_of(self, tensor: Any) -> Known:
        """Return the field of an argument; None for a constant."""
        found = self._fields.get(tensor) if isinstance(tensor, Tensor) else None
        return found if isinstance(found, TensorField) else None

    def _after(self, func: Any, name: str, call: Call, known: list[TensorField]) -> Known | list[Known]:
        image = self._image
        if name == "__get__":
            name = getattr(getattr(func, "__self__", None), "__name__", "")
        name = name.strip("_")
        if all(not one.axes for one in known):  # whatever is done to them, every unit sees the same …
            return image.unordered(image.met(known), call.apart(name))  # … but what stands beside constants
        if name == "unfold" and func is not F.unfold:
            return image.unordered(known[0], frozenset((*(axis - 1 for axis in known[0].axes), -1)))
        if name in POINTWISE:
            return image.met(known)
        rule = RULES.get(name)
        try:
            return None if rule is None else rule(call)
        except (LookupError, TypeError, ValueError):  # called in a way that its rule doesn't know
            return None


def _tensors(found: Any) -> list[Tensor]:
    if isinstance(found, Tensor):
        return [found]
    if isinstance(found, dict):
        found = tuple(found.values())
    return [one for part in found for one in _tensors(part)] if isinstance(found, tuple | list) else []
