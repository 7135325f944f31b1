"""Activations and attentions that a model calls as functions (`F.relu(x)` in its forward), seen on a sampled step.

A TorchFunctionMode lies on PyTorch's stack during the watched model's own forward pass, and nowhere else: a mode that
stayed would be taken off in place of one of the loop's own. It hands every call through, and looks at what came.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack

from cvtui.engine.observe.layer_extras import Later, attention_later, attention_numbers, multi_head_later

MOST = 256
"""Calls of activations in one sampled step that get a row."""

_WORDS = (
    "relu", "relu6", "leaky_relu", "gelu", "silu", "elu", "selu", "celu", "mish", "hardswish", "hardsigmoid",
    "softplus", "tanh", "sigmoid", "relu_", "elu_", "leaky_relu_", "tanh_", "sigmoid_",
)  # fmt: skip
ACTIVATIONS: dict[Any, str] = {
    getattr(place, word): word.replace("_", "")
    for place, word in itertools.product((functional, torch, Tensor), _WORDS)
    if hasattr(place, word)
}
"""Functions and methods, and the kind that their outputs have in a record."""
SOFTMAX = {functional.softmax, torch.softmax, Tensor.softmax}


class FunctionCalls(TorchFunctionMode):
    """Tells activations to `activation(kind, output)` and what an attention looks at to `attention(numbers)`.

    quiet: returns True while a module is run that does such a call itself, and has a row of its own.
    """

    def __init__(
        self,
        activation: Callable[[str, Tensor], None],
        attention: Callable[[Callable[[], Later | None]], None],
        quiet: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._activation, self._attention, self._quiet = activation, attention, quiet
        self.seen = 0
        """Calls so far."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        kind = ACTIVATIONS.get(func)
        if kind is not None:
            if not self._quiet() and isinstance(result, Tensor):
                self.seen += 1
                self._activation(kind, result)
        elif func is functional.scaled_dot_product_attention:
            self.seen += 1
            self._attention(lambda: _of_product(*args, **kwargs))
        elif func is functional.multi_head_attention_forward:
            self.seen += 1
            self._attention(lambda: multi_head_later(args, kwargs))
        elif func in SOFTMAX and result.dim() == 4:
            self.seen += 1
            self._attention(lambda: _known(attention_numbers(result[0].detach())))
        return result

    def begin(self) -> None:
        """Begin to see calls."""
        self.__enter__()  # type: ignore[no-untyped-call]

    def end(self) -> None:
        """See no more; nothing happens where another mode came on top, or this one is off."""
        stack = _get_current_function_mode_stack()  # type: ignore[no-untyped-call]
        if stack and stack[-1] is self:
            self.__exit__(None, None, None)


def _of_product(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Later | None:
    del value, dropout_p, enable_gqa
    if query.dim() != 4 or key.dim() != 4:
        return None
    return attention_later(query.detach(), key.detach(), attn_mask, is_causal, scale)


def _known(numbers: dict[str, Tensor]) -> Later:
    return lambda: numbers
