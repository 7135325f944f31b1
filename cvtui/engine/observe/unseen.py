"""Reasons why a sample has no statistics of a layer's output."""

from __future__ import annotations

from collections.abc import Mapping, Set

import torch
from torch import Tensor

from cvtui.engine.observe.layer_kinds import Layers

MOST_CALLS = 8
"""Calls of one layer in a step that get a row each."""


def why_missing(
    layers: Layers, calls: Mapping[str, int], seen: Set[str], used: Set[str], reasons: Mapping[str, str]
) -> dict[str, str]:
    """Say why the output of a layer is missing, or of which calls, by its name.

    calls: how often each was called. used: layers whose weights have a gradient. reasons: those that are known.
    """
    told = {}
    owners = {id(child): module for _, module in layers.values() for child in module.children()}
    for name, (_, module) in layers.items():
        times = calls.get(name, 0)
        if times > MOST_CALLS:
            told[name] = f"called {times:,} times in this step; the first {MOST_CALLS} are shown"
        elif name not in seen:
            parent = owners.get(id(module))
            why = "not called in this step"
            if name in used and parent is not None:
                why = f"{type(parent).__name__} uses its weights without calling it"
            elif name in used:
                why = "its weights are used without calling it"
            told[name] = reasons.get(name) or why
    return told


def unreadable(output: Tensor | None) -> str:
    """Say why an output has no statistics; "" where it has."""
    if output is None:
        return "its output is no tensor"
    if not output.is_floating_point():
        return f"its output is {str(output.dtype).removeprefix('torch.')}, no floating-point numbers"
    if output.layout is not torch.strided:
        return "its output is sparse or nested"
    return "" if output.numel() else "its output is empty"
