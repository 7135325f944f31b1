"""Random numbers of a user's dataset: seeded for every item, so that a resume repeats them."""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import (
    BuiltinMethodType,
    CellType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

import numpy as np
import torch

MOST_OBJECTS, MOST_NESTED, MOST_ITEMS = 20_000, 12, 1000
_MASK = (1 << 64) - 1
_PLAIN = (
    str, bytes, int, float, bool, complex, type(None), type, np.ndarray, torch.Tensor, torch.nn.Parameter, ModuleType,
)  # fmt: skip
GENERATORS = torch.Generator | random.Random | np.random.RandomState | np.random.Generator
_NO_USERS = sys.stdlib_module_names | {"torch", "torchvision", "numpy", "PIL"}
"""Packages whose classes draw from the generators of Python, NumPy and PyTorch alone."""


def item_seed(base: int, number: int) -> int:
    """Mix a stream's seed and an item's number into 64 bits (splitmix64)."""
    x = (base + (number + 1) * 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


class Generators:
    """Generators that a dataset may draw from: those of Python, NumPy and PyTorch, and those that it holds itself."""

    def __init__(self, source: Any) -> None:
        self.own = _held(source)

    def seed(self, seed: int) -> None:
        """Seed all of them."""
        torch.default_generator.manual_seed(seed >> 1)
        random.seed(seed)
        np.random.seed(seed & 0xFFFFFFFF)
        for number, generator in enumerate(self.own):
            _seed(generator, item_seed(seed, number))

    def state(self) -> list[Any]:
        """Return what changes when any of them is drawn from."""
        states = [torch.default_generator.get_state(), random.getstate(), np.random.get_state(legacy=False)]
        return [_plain(state) for state in (*states, *map(generator_state, self.own))]


@contextmanager
def preserved() -> Iterator[None]:
    """Put the generators of Python, NumPy and PyTorch back as they were: dropout draws from one of them."""
    states = torch.default_generator.get_state(), random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        torch.default_generator.set_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])


@contextmanager
def generators_kept(source: Any) -> Iterator[None]:
    """Put these back as they were, and those that a dataset holds: reading its items draws from them."""
    held = [(one, generator_state(one)) for one in _held(source)]
    with preserved():
        try:
            yield
        finally:
            for one, state in held:
                put_generator_state(one, state)


def _seed(generator: Any, seed: int) -> None:
    if isinstance(generator, torch.Generator):
        generator.manual_seed(seed >> 1)
    elif isinstance(generator, random.Random):
        generator.seed(seed)
    elif isinstance(generator, np.random.RandomState):
        generator.seed(seed & 0xFFFFFFFF)
    else:
        generator.bit_generator.state = type(generator.bit_generator)(seed).state


def generator_state(generator: Any) -> Any:
    """Return where a generator is: a tensor, tuple or dict, of its own kind."""
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, np.random.RandomState):
        return generator.get_state(legacy=False)
    return generator.bit_generator.state


def put_generator_state(generator: Any, state: Any) -> None:
    """Put a generator where `generator_state` found it."""
    if isinstance(generator, torch.Generator):
        generator.set_state(state.cpu())
    elif isinstance(generator, random.Random):
        generator.setstate(state)
    elif isinstance(generator, np.random.RandomState):
        generator.set_state(state)
    else:
        generator.bit_generator.state = state


def _plain(state: Any) -> Any:
    """Make a state comparable: arrays as bytes."""
    if isinstance(state, torch.Tensor):
        return state.numpy().tobytes()
    if isinstance(state, np.ndarray):
        return state.tobytes()
    return [(key, _plain(value)) for key, value in state.items()] if isinstance(state, dict) else state


def _held(source: Any) -> list[Any]:
    """Find the generators that a dataset holds, or that its code names, in whatever it is made of."""
    found: list[Any] = []
    seen = {id(one) for one in (torch.default_generator, getattr(random, "_inst", None), np.random.mtrand._rand)}
    waiting: list[tuple[Any, int]] = [(source, 0)]
    while waiting and len(seen) < MOST_OBJECTS:
        value, depth = waiting.pop()
        if isinstance(value, _PLAIN) or id(value) in seen or depth > MOST_NESTED:
            continue
        seen.add(id(value))
        if isinstance(value, GENERATORS):
            found.append(value)
        else:
            with suppress(Exception):  # attributes of a user's class may be anything
                waiting += [(inner, depth + 1) for inner in _inside(value)]
    return found


def _inside(value: Any) -> list[Any]:
    """Return what a value is made of: its items, attributes, the values that a function refers to."""
    if isinstance(value, dict | MappingProxyType):
        return list(value.values())[:MOST_ITEMS]
    if isinstance(value, list | tuple | set | frozenset | deque):
        return list(value)[:MOST_ITEMS]
    if isinstance(value, partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, MethodType | BuiltinMethodType):
        return [value.__self__, getattr(value, "__func__", None)]
    if isinstance(value, FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or () if _filled(cell)]
        names = sorted(_names(value.__code__)) if _may_draw(value) else []
        named = [value.__globals__[name] for name in names if name in value.__globals__]
        return [*cells, *(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values(), *named]
    parts: list[Any] = []
    for kind in type(value).__mro__:
        own = vars(kind)
        parts += [getattr(value, name, None) for name in own if isinstance(own[name], MemberDescriptorType)]
        if _may_draw(kind):
            plain = map(_plainly, own.values())
            parts += [one for one in plain if isinstance(one, FunctionType | GENERATORS)]
    return [*parts, inner] if isinstance(inner := getattr(value, "__dict__", None), dict) else parts


def _may_draw(code: Any) -> bool:
    """Return False for a class or function of a package that has no generators of its own."""
    return str(code.__module__).partition(".")[0] not in _NO_USERS


def _plainly(value: Any) -> Any:
    """Return the function behind an attribute of a class."""
    if isinstance(value, property):
        return value.fget
    return value.__func__ if isinstance(value, staticmethod | classmethod) else value


def _names(code: CodeType) -> set[str]:
    """Return the names that a function's code, and functions within it, look up among globals (or attributes)."""
    inner = (one for one in code.co_consts if isinstance(one, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _filled(cell: CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # a name that has no value yet
        return False
