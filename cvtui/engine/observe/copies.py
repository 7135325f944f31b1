"""What a script does with a watched model beside training it: pickling, copying, scripting, tracing, exporting it.

Our hooks are none of the model. They can't be pickled, TorchScript would compile them, and what they do to see a layer
would become a part of an exported graph. So copies and files of a model have none of them, and they see nothing while
PyTorch traces or transforms what is called.
"""

from __future__ import annotations

import functools
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

_OURS = ("cvtui.engine.observe.", "cvtui.engine.run_script.")
_TABLES = {
    "_forward_hooks": ("_forward_hooks_with_kwargs", "_forward_hooks_always_called"),
    "_forward_pre_hooks": ("_forward_pre_hooks_with_kwargs",),
}
"""Hooks of a module, and what it notes of some of them by the same numbers."""

_WATCHED = 0
"""Models under the watch."""
_LEAVE: list[Callable[[], None]] = []


def is_traced() -> bool:
    """Return True while what is called is no plain training or evaluation.

    PyTorch compiles or traces it, transforms it (torch.func) or runs it without values (fake tensors). What only
    listens (CommDebugMode, FlopCounterMode, a script's own TorchDispatchMode) may stand around a whole training.
    """
    return (
        torch.compiler.is_compiling()
        or torch._C._get_tracing_state() is not None
        or (torch._C._len_torch_dispatch_stack() > 0 and any(map(_dispatch_mode, _WITHOUT_VALUES)))
        or torch._C._functorch.peek_interpreter_stack() is not None
        or _is_symbolic()
    )


_WITHOUT_VALUES = [getattr(torch._C._TorchDispatchModeKey, name) for name in ("FAKE", "PROXY", "FUNCTIONAL")]


def _dispatch_mode(kind: Any) -> Any:
    return torch._C._get_dispatch_mode(kind)


def _is_symbolic() -> bool:
    module: Any = sys.modules.get("torch.fx._symbolic_trace")
    if module is None:
        return False
    asked = getattr(module, "_get_is_fx_tracing", None)  # older ones have a flag
    return bool(asked() if asked is not None else getattr(module, "_is_fx_tracing_flag", False))


def keep_out() -> None:
    """Keep our hooks out of copies, files and scripts of modules, until `let_in` was called as often."""
    global _WATCHED
    _WATCHED += 1
    if not _LEAVE:
        _LEAVE.extend([_of_state(), *(_of_torchscript(name) for name in ("script", "trace"))])


def let_in() -> None:
    """End what `keep_out` began."""
    global _WATCHED
    _WATCHED -= 1
    if not _WATCHED:
        for leave in _LEAVE:
            leave()
        _LEAVE.clear()


def _of_state() -> Callable[[], None]:
    """Leave our hooks out of what a module gives to pickle and copy."""
    own: Any = nn.Module.__getstate__

    @functools.wraps(own)
    def without_ours(self: nn.Module) -> Any:
        state = own(self)
        for table, others in _TABLES.items():
            ours = [number for number, hook in state.get(table, {}).items() if _is_ours(hook)]
            for name in (table, *others) if ours else ():
                state[name] = OrderedDict((number, one) for number, one in state[name].items() if number not in ours)
        return state

    nn.Module.__getstate__ = without_ours  # type: ignore[method-assign]
    return functools.partial(_put_back, nn.Module, "__getstate__", without_ours, own)


def _of_torchscript(name: str) -> Callable[[], None]:
    """Take our hooks off while TorchScript reads a module."""
    own: Any = getattr(torch.jit, name)

    @functools.wraps(own)
    def without_ours(*args: Any, **kwargs: Any) -> Any:
        with _taken_off([one for one in (*args, *kwargs.values()) if isinstance(one, nn.Module)]):
            return own(*args, **kwargs)

    setattr(torch.jit, name, without_ours)
    return functools.partial(_put_back, torch.jit, name, without_ours, own)


def _put_back(place: Any, name: str, ours: Any, own: Any) -> None:
    if vars(place).get(name) is ours:
        setattr(place, name, own)


@contextmanager
def _taken_off(models: list[nn.Module]) -> Iterator[None]:
    tables = [getattr(module, table) for model in models for module in model.modules() for table in _TABLES]
    kept = [(table, dict(table)) for table in tables if any(map(_is_ours, table.values()))]
    for table, hooks in kept:
        for number in [number for number, hook in hooks.items() if _is_ours(hook)]:
            del table[number]
    try:
        yield
    finally:
        for table, hooks in kept:
            table.clear()
            table.update(hooks)


def _is_ours(hook: Any) -> bool:
    return str(getattr(hook, "__module__", "")).startswith(_OURS)
