"""Forward passes of modules that `module.compile()` compiles in place: PyTorch calls no hook of theirs from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

Call = Callable[..., Any]
Around = Callable[[nn.Module, Call, Any, Any], Any]
"""What is called in a compiled module's stead: (module, its compiled code, args, kwargs)."""


def follow_compiled(around: Around) -> Callable[[], None]:
    """Let `around` make each call of a module that is compiled in place from now on; return what ends that."""
    own = nn.Module.compile
    ended = False

    def compile_and_follow(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        own(self, *args, **kwargs)
        code: Any = self._compiled_call_impl

        def called(*args: Any, **kwargs: Any) -> Any:
            # (Within a graph of another module that is compiled, this is traced.)
            if ended or torch.compiler.is_compiling():
                return code(*args, **kwargs)
            return around(self, code, args, kwargs)

        self._compiled_call_impl = called

    def leave() -> None:
        nonlocal ended
        ended = True
        if nn.Module.compile is compile_and_follow:
            nn.Module.compile = own  # type: ignore[method-assign]

    nn.Module.compile = compile_and_follow  # type: ignore[method-assign]
    return leave
