"""Speed up start and exit: lazy `torch._dynamo`, lean `import torch`, frozen GC, skipped teardown.

Constructing an optimizer, and each of its steps, imports `torch._dynamo`, for two calls that do nothing outside of a
compiled function. With what that imports (inductor, sympy) it costs 1.7 s of the 4.6 s before a first step. Here a
stand-in takes its place, which knows those two; any other attribute loads the real module right then. So does another
for `torch._dynamo.utils`, of which `import torchvision` takes one function that it calls for boxes on GPUs only.
`CVTUI_PLAIN=1` leaves `torch._dynamo` as it is (see plain.py).
"""

from __future__ import annotations

import atexit
import gc
import importlib
import importlib.machinery
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from types import ModuleType
from typing import Any, NoReturn

from cvtui.engine.runtime.lean_torch import lean_torch, load_rest
from cvtui.engine.runtime.plain import plain

NAME = "torch._dynamo"
UTILS = f"{NAME}.utils"
LONGEST_KILL = 1.0
"""Seconds that a killed process is waited for: the kernel may still be in its read."""


@contextmanager
def loading() -> Iterator[None]:
    """Import PyTorch inside, without what no run uses (lean_torch.py) and with the garbage collector off.

    Its half a million objects stay until the end, so the collector neither looks through them while they come (0.1 s)
    nor at any time after that.
    """
    gc.disable()
    try:
        with nullcontext() if plain() else lean_torch():
            yield
    finally:
        gc.freeze()
        gc.enable()
    leave_dynamo_out()


def kill_children() -> None:
    """Kill the processes that read data for this one.

    Of a DataLoader that is dropped, PyTorch waits ten seconds for each that hangs in a read.
    """
    processes = sys.modules.get("multiprocessing.process")
    children = processes.active_children() if processes is not None else []
    if not children:
        return
    # For each that is killed PyTorch's handler raises an error here.
    handler = None
    with suppress(AttributeError, ValueError):  # (Windows has no such signal, another thread sets none)
        handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for child in children:
        child.kill()
    for child in children:
        child.join(LONGEST_KILL)
    if handler is not None:
        signal.signal(signal.SIGCHLD, handler)


def end(code: int) -> NoReturn:
    """End the process after exit handlers and flushes, without tearing down PyTorch's objects (0.6 s).

    Its own processes are killed first: multiprocessing's exit handler would wait for one that hangs.
    """
    kill_children()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # no reader is left
            code = code or 1
    os._exit(code)


class _StandIn(ModuleType):
    """Stand-in for `torch._dynamo` until something of it is needed."""

    def graph_break(self, msg: str = "") -> None:
        """Do nothing: nothing is compiled."""

    def disable(self, fn: Callable[..., Any], *_: Any, **__: Any) -> Callable[..., Any]:
        """Return the function itself: it is not compiled anyway."""
        return fn

    def __getattr__(self, name: str) -> Any:
        # `inspect` asks every module in sys.modules for its __file__; an import of a submodule asks for __path__.
        if name.startswith("__") and name != "__path__":
            raise AttributeError(f"{NAME} is not loaded, and its stand-in has no {name}")
        found = getattr(load_it(), name)
        if name == "__path__":
            sys.meta_path.insert(0, _LoadedMeanwhile())
        return found


class _Utils(ModuleType):
    """Stand-in for `torch._dynamo.utils`; the same object becomes the real module."""

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            load_it()
            if name in self.__dict__:
                return self.__dict__[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def is_compile_supported(self, device_type: Any) -> Any:
        """Ask the real function of this name, which `torchvision.ops` imports."""
        return load_it().utils.is_compile_supported(device_type)


class _IntoTheSame:
    """Finder and loader for one import: the code of `torch._dynamo.utils` runs in the stand-in that others hold."""

    def __init__(self, module: _Utils) -> None:
        self.module = module

    def find_spec(self, name: str, path: Any = None, *_: Any) -> importlib.machinery.ModuleSpec | None:
        if name != UTILS:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            self.real, spec.loader = spec.loader, self  # type: ignore[assignment]
        return spec

    def create_module(self, _: importlib.machinery.ModuleSpec) -> ModuleType:
        self.module.__class__ = ModuleType  # type: ignore[assignment]
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self.real
        if module.__spec__ is not None:
            module.__spec__.loader = self.real
        self.real.exec_module(module)


class _LoadedMeanwhile:
    """Finder for one import: a part of `torch._dynamo` that came with the whole is not loaded a second time.

    The import system has asked for the part before it asks the stand-in for its path, and does not look again.
    """

    def find_spec(self, name: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        with suppress(ValueError):
            sys.meta_path.remove(self)
        there = sys.modules.get(name)
        if there is None or not name.startswith(NAME + "."):
            return None
        self.there, self.spec = there, there.__spec__
        return importlib.machinery.ModuleSpec(name, self)  # type: ignore[arg-type]

    def create_module(self, _: importlib.machinery.ModuleSpec) -> ModuleType:
        return self.there

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__spec__"] = self.spec  # torch._dynamo.config refuses to have it set


def leave_dynamo_out() -> None:
    """Put the stand-in where `torch._dynamo` is not loaded yet; call it before the first optimizer is made."""
    import torch

    if NAME not in sys.modules and not plain():
        stand_in = _StandIn(NAME)
        sys.modules[NAME], sys.modules[UTILS] = stand_in, _Utils(UTILS)
        torch._dynamo = stand_in  # type: ignore[assignment,unused-ignore]


def load_it() -> ModuleType:
    """Import the real module and put it in its place."""
    import torch

    load_rest()
    if isinstance(sys.modules.get(NAME), _StandIn):
        del sys.modules[NAME]
        if isinstance(utils := sys.modules.pop(UTILS, None), _Utils):
            sys.meta_path.insert(0, _IntoTheSame(utils))
        torch.__dict__.pop("_dynamo", None)
    module = importlib.import_module(NAME)
    torch._dynamo = module  # type: ignore[assignment,unused-ignore]
    return module
