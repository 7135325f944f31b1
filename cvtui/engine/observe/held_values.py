"""What a user's module holds beside parameters and buffers: counts, running means, histories, generators of its own.

PyTorch's state dict knows none of it. A net that counts its steps in Python, or draws from a generator that it made,
would begin anew after a resume, and a look at it (a forward pass that trains nothing) would count as a step of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from cvtui.engine.data.random_state import GENERATORS, generator_state, put_generator_state

MOST_NUMBERS = 65_536
"""Of one tensor or array: a running mean, not the maps of a batch."""
MOST_ITEMS = 10_000
MOST_DEEP = 5
MOST_NAMES = 3
"""In one line of the log."""

_MODULES_OWN = {*vars(nn.Module()), "forward", "keeps_statistics"}
"""What PyTorch keeps in each module, and what cvtui puts there."""
_CODE = (type, ModuleType, FunctionType, MethodType, BuiltinFunctionType, nn.Module)
_PLAIN = (type(None), bool, int, float, str)
_KIND = "kind"
"""Key of a dict that stands for a value which `torch.load(…, weights_only=True)` would refuse."""


class NotHeld(NamedTuple):
    """A value that no checkpoint holds."""

    value: Any
    version: int = 0
    """Of a tensor: how often it was written over."""

    def told(self) -> str:
        """Say what it is."""
        if isinstance(self.value, Tensor):
            return f"a tensor of {'x'.join(map(str, self.value.shape))}"
        return f"a {type(self.value).__name__}"


class HeldValues:
    """What the modules of a model hold, beside what they held when it was made."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._first = dict(_noted(model))

    def changed(self) -> dict[str, Any]:
        """Return what has changed, by module and attribute, as `put_values` takes it."""
        return self.both()[0]

    def lost(self) -> list[str]:
        """Return a few words on each value that has changed and that no checkpoint holds."""
        return self.both()[1]

    def both(self) -> tuple[dict[str, Any], list[str]]:
        """Return what has changed, and words on what of it no checkpoint holds."""
        now, first = _noted(self._model), self._first
        new = {name: value for name, value in now if name not in first or not _same(first[name], value)}
        held = {name: _without(value) for name, value in new.items() if not isinstance(value, NotHeld)}
        return held, [f"{name} ({value.told()})" for name, value in new.items() if isinstance(value, NotHeld)]


def put_values(model: nn.Module, values: Mapping[str, Any]) -> None:
    """Put into a model what `HeldValues.changed` gave of its like; what has no module any more is left out."""
    modules = dict(model.named_modules())
    for name, value in values.items():
        place, _, attribute = name.rpartition(".")
        if (module := modules.get(place)) is not None:
            held: dict[str, Any] = module._buffers if attribute in module._buffers else module.__dict__
            held[attribute] = _put(held.get(attribute), value)


def told_lost(lost: Iterable[str]) -> list[str]:
    """Return the line of a resume about what no checkpoint holds, if there is such."""
    names = list(lost)
    if not names:
        return []
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return [
        f"a checkpoint does not hold {', '.join(names[:MOST_NAMES])}{more}, which the net's code sets as it is called: "
        "where it is read before it is set, the numbers differ (a buffer would be held)"
    ]


def keep_values(model: nn.Module) -> Callable[[], None]:
    """Return what puts back all that the modules of a model hold now: the same objects, with what is in them."""
    before = [(vars(module), own) for module in model.modules() if (own := _attributes(module))]
    noted = [(held, {name: _note(value) for name, value in own.items()}) for held, own in before]

    def put_back() -> None:
        for (held, own), (_, values) in zip(before, noted, strict=True):
            for name in [name for name in held if name not in own and name not in _MODULES_OWN]:
                del held[name]
            for name, value in own.items():
                held[name] = _put(value, values[name])

    return put_back


# ------------------------------------------------------------------ notes


def _attributes(module: nn.Module) -> dict[str, Any]:
    """Return what a module holds whose code is not PyTorch's own (or cvtui's)."""
    if type(module).__module__.startswith(("torch.", "cvtui.")):
        return {}
    return {name: value for name, value in vars(module).items() if name not in _MODULES_OWN}


def _noted(model: nn.Module) -> Iterator[tuple[str, Any]]:
    for place, module in model.named_modules():
        passing = {name: module._buffers.get(name) for name in module._non_persistent_buffers_set}
        for name, value in {**_attributes(module), **passing}.items():
            yield f"{place}.{name}" if place else name, _note(value)


def _note(value: Any, depth: int = 0) -> Any:
    """Return a value as a checkpoint can hold it, apart from the value itself."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Tensor):
        plain = value.layout == torch.strided and not (value.is_meta or value.is_quantized or value.is_nested)
        kept = plain and value.numel() <= MOST_NUMBERS and not isinstance(value, nn.Parameter)
        return value.detach().clone() if kept else NotHeld(value, 0 if value.is_inference() else value._version)
    if isinstance(value, np.generic):
        return value.item() if isinstance(value.item(), _PLAIN) else NotHeld(value)
    if isinstance(value, np.ndarray):
        numbers = value.size <= MOST_NUMBERS and value.dtype.kind in "biuf"
        return {_KIND: "array", "items": torch.from_numpy(value.copy())} if numbers else NotHeld(value)
    if isinstance(value, GENERATORS):
        return {_KIND: "generator", "items": _note(generator_state(value))}
    if depth > MOST_DEEP or isinstance(value, _CODE):
        return NotHeld(value)
    return _note_within(value, depth + 1)


def _note_within(value: Any, depth: int) -> Any:
    if type(value) in (list, tuple, deque, set) and len(value) <= MOST_ITEMS:
        items = [_note(one, depth) for one in value]
        whole = not any(isinstance(one, NotHeld) for one in items)
        return {_KIND: type(value).__name__, "items": items} if whole else NotHeld(value)
    if isinstance(value, dict) and len(value) <= MOST_ITEMS and all(isinstance(key, _PLAIN) for key in value):
        return {_KIND: "dict", "items": [(key, _note(one, depth)) for key, one in value.items()]}
    held = getattr(value, "__dict__", None)
    if isinstance(held, dict) and len(held) <= MOST_ITEMS and type(value).__module__.partition(".")[0] != "torch":
        return {_KIND: "object", "items": [(name, _note(one, depth)) for name, one in held.items()]}
    return NotHeld(value)


def _without(value: Any) -> Any:
    """Leave out of dicts and objects what no checkpoint holds, by name alone."""
    if not isinstance(value, dict) or value[_KIND] not in ("dict", "object"):
        return value
    kept = [(name, _without(one)) for name, one in value["items"] if not isinstance(one, NotHeld)]
    return {**value, "items": kept, "left": [name for name, one in value["items"] if isinstance(one, NotHeld)]}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, NotHeld) or isinstance(other, NotHeld):
        both = isinstance(one, NotHeld) and isinstance(other, NotHeld)
        return both and one.value is other.value and one.version == other.version
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype == other.dtype and one.device == other.device and torch.equal(one, other)
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return bool(one[_KIND] == other[_KIND]) and _same(one["items"], other["items"])
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other or (one != one and other != other))  # (NaN is the same as NaN)


# ------------------------------------------------------------------ and back


def _put(value: Any, noted: Any) -> Any:
    """Return `value` with what was noted in it, itself where that is possible; else what was noted, made anew."""
    if isinstance(noted, NotHeld):
        return noted.value
    if isinstance(noted, Tensor):
        return _put_tensor(value, noted)
    if not isinstance(noted, dict):
        if isinstance(value, np.generic):
            return value if _same(value.item(), noted) else type(value)(noted)
        return value if _same(value, noted) else noted
    kind, items = noted[_KIND], noted["items"]
    if kind in ("dict", "object"):
        return _put_named(value, kind, items, noted.get("left", ()))
    if kind == "array":
        return _put_array(value, items.cpu().numpy())
    if kind != "generator":
        return _put_items(value, kind, items)
    if isinstance(value, GENERATORS):
        put_generator_state(value, _plain(items))
    return value


def _put_array(value: Any, array: np.ndarray[Any, Any]) -> Any:
    if not isinstance(value, np.ndarray) or (value.shape, value.dtype) != (array.shape, array.dtype):
        return array
    if value.flags.writeable:
        np.copyto(value, array)
    return value


def _put_tensor(value: Any, noted: Tensor) -> Any:
    if not isinstance(value, Tensor):
        return noted.clone()
    noted = noted.to(value.device)
    if (value.shape, value.dtype) != (noted.shape, noted.dtype) or value.requires_grad or value.is_inference():
        same = value.shape == noted.shape and value.dtype == noted.dtype and torch.equal(value, noted)
        return value if same else noted.clone()
    if not torch.equal(value, noted):
        with torch.no_grad():
            value.copy_(noted)
    return value


def _put_items(value: Any, kind: str, items: list[Any]) -> Any:
    old = list(value) if isinstance(value, list | tuple | deque) else []
    new = [_put(old[number] if number < len(old) else None, one) for number, one in enumerate(items)]
    if kind == "tuple":
        return value if len(old) == len(new) and all(map(_is, old, new)) else tuple(new)
    if kind == "set" and isinstance(value, set):
        value.clear()
        value.update(new)
    elif kind == "list" and isinstance(value, list):
        value[:] = new
    elif kind == "deque" and isinstance(value, deque):
        value.clear()
        value.extend(new)
    else:
        return {"set": set, "list": list, "deque": deque}[kind](new)
    return value


def _is(one: Any, other: Any) -> bool:
    return one is other or (isinstance(one, _PLAIN) and one == other)


def _put_named(value: Any, kind: str, items: list[Any], left: Iterable[Any]) -> Any:
    held = value if isinstance(value, dict) else getattr(value, "__dict__", None)
    if not isinstance(held, dict):
        if kind == "object":
            return value
        value = held = {}
    names = {name for name, _ in items}.union(left)
    for name in [name for name in held if name not in names]:
        del held[name]
    for name, one in items:
        held[name] = _put(held.get(name), one)
    return value


def _plain(noted: Any) -> Any:
    """Return a generator's state as it was noted."""
    if isinstance(noted, dict):
        items = noted["items"]
        if noted[_KIND] == "array":
            return items.cpu().numpy()
        if noted[_KIND] == "dict":
            return {name: _plain(one) for name, one in items}
        return (tuple if noted[_KIND] == "tuple" else list)(map(_plain, items))
    return noted
