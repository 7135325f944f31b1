"""Leaves torch.compile's machinery out of a process that compiles nothing.

Constructing an optimiser, and each of its steps, imports `torch._dynamo`, for two calls that do nothing outside of a
compiled function. With what that imports (inductor, sympy) it costs 1.7 s of the 4.6 s before a first step. Here a
stand-in takes its place, which knows those two; whoever asks for anything else gets the real one, loaded right then.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

NAME = "torch._dynamo"


class _StandIn(ModuleType):
    """`torch._dynamo` until something of it is needed."""

    def graph_break(self, msg: str = "") -> None:
        """Does nothing where nothing is compiled."""

    def disable(self, fn: Callable[..., Any], *_: Any, **__: Any) -> Callable[..., Any]:
        """The function itself: it is not compiled anyway."""
        return fn

    def __getattr__(self, name: str) -> Any:
        return getattr(load_it(), name)


def leave_dynamo_out() -> None:
    """Call before the first optimiser is made. Does nothing where torch._dynamo is there already."""
    import torch

    if NAME not in sys.modules:
        stand_in = _StandIn(NAME)
        sys.modules[NAME] = stand_in
        torch._dynamo = stand_in  # type: ignore[assignment,unused-ignore]


def load_it() -> ModuleType:
    """The real module, in its place from now on."""
    import torch

    if isinstance(sys.modules.get(NAME), _StandIn):
        del sys.modules[NAME]
        torch.__dict__.pop("_dynamo", None)
    module = importlib.import_module(NAME)
    torch._dynamo = module  # type: ignore[assignment,unused-ignore]
    return module
