"""The scores among what a model returns: a tensor, or one in a dict, a tuple or a named field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

NAMES = ("logits", "scores", "out", "output", "pred", "preds")
"""Fields that hold scores, in libraries and in models of one's own."""


def scores_of(output: Any) -> Any:
    """Return the tensor of scores (N x C, N) of a model's output, or the output itself where none is known.

    Of a dict or a named tuple the field of a known name; else its first floating tensor of N rows (a loss has none).
    """
    if isinstance(output, Tensor):
        return output
    fields = output if isinstance(output, Mapping) else getattr(output, "__dict__", None) or _named(output)
    for name in NAMES:
        if isinstance(found := fields.get(name), Tensor) and found.dim():
            return found
    parts = list(output) if isinstance(output, Sequence) and not isinstance(output, str) else list(fields.values())
    found = [part for part in parts if isinstance(part, Tensor) and part.is_floating_point() and part.dim() in (1, 2)]
    return found[0] if found else output


def _named(output: Any) -> Mapping[str, Any]:
    """Return the fields of a named tuple; {} of anything else."""
    return output._asdict() if isinstance(output, tuple) and hasattr(output, "_asdict") else {}
