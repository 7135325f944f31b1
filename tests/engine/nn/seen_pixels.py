"""An oracle for receptive fields: which rows and columns of the image reach which units, by not-a-number.

NaN survives everything that a value goes through (a ReLU, a maximum, a saturated sigmoid, a weight of 0), where a
gradient may vanish. A batch of H + W images, one with each row and each column made of NaN, tells of every unit of
every layer which it sees.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from cvtui.calc.module_table import ModuleRow
from cvtui.engine.nn.summary import summarize_module


def reached(model: nn.Module, side: int, channels: int = 3) -> dict[str, Tensor]:
    """By module: the NaN that came out of its last call, (H + W, …), of a net in double precision."""
    model = model.double().eval()
    images = torch.rand(2 * side, channels, side, side, dtype=torch.double)
    for line in range(side):
        images[line, :, line, :] = torch.nan
        images[side + line, :, :, line] = torch.nan
    found: dict[str, Tensor] = {}
    handles = []

    def note(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            first = next(iter(output.values())) if isinstance(output, dict) else output
            first = first[0] if isinstance(first, list | tuple) else first
            if isinstance(first, Tensor):
                found[name] = first.isnan()

        return hook

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        for name, module in model.named_modules():
            handles.append(module.register_forward_hook(note(name or type(module).__name__)))
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model(images)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for handle in handles:
            handle.remove()
    return found


def check_fields(model: nn.Module, side: int, channels: int = 3) -> tuple[int, int, list[str]]:
    """Return how many rows have a field, how many are layers with outputs, and what is wrong, a line each."""
    rows = summarize_module(model, (side, side, channels)).rows
    seen = reached(model, side, channels)
    wrong = []
    known = 0
    rows = tuple(row for row in rows if row.name in seen and len(seen[row.name]) == 2 * side)
    for row in rows:
        if row.receptive_field is not None:
            known += 1
            wrong += [f"{row.name}: {line}" for line in _wrong(row, seen[row.name], side)]
    return known, len(rows), wrong


def _wrong(row: ModuleRow, nan: Tensor, side: int) -> list[str]:
    field = row.receptive_field
    assert field is not None
    lines = [nan[:side], nan[side:]]
    if field.stride == (0, 0):
        told = []
        for axis, part in enumerate(lines):
            some, every = part.flatten(1).any(1), part.flatten(1).all(1)
            pixels = some.nonzero().flatten().tolist()
            low, size = field.offset[axis], field.size[axis]
            if size and (not pixels or (pixels[0], pixels[-1]) != (low, low + size - 1)):
                told.append(f"axis {axis}: {field}, but pixels {pixels[:1]} to {pixels[-1:]}")
            if not torch.equal(some, every):
                told.append(f"axis {axis}: {field} says that all units see the same")
        return told
    tried: list[list[str]] = []
    last, first = tuple(nan.shape[1:]), (*nan.shape[2:], nan.shape[1])
    for over in [axis for axis, shape in ((1, first), (3, last)) if shape == row.output]:  # both, where H = W = C
        maps = [part.any(over) for part in lines]
        high, wide = maps[0].shape[1:]
        tried.append([line for i in range(high) for j in range(wide) for line in _unit(field, (i, j), maps, side)][:3])
    return min(tried, key=len)


def _unit(field: Any, unit: tuple[int, int], maps: list[Tensor], side: int) -> list[str]:
    lows = [field.offset[axis] + unit[axis] * field.stride[axis] for axis in (0, 1)]
    inside = all(low >= 0 and low + size <= side for low, size in zip(lows, field.size, strict=True))
    told = []
    for axis in (0, 1):
        pixels = maps[axis][:, unit[0], unit[1]].nonzero().flatten().tolist()
        low, high = lows[axis], lows[axis] + field.size[axis] - 1
        if inside and (not pixels or (pixels[0], pixels[-1]) != (low, high)):
            told.append(f"unit {unit} axis {axis}: {low} to {high}, but pixels {pixels[:1]} to {pixels[-1:]}")
        elif pixels and not (low <= pixels[0] and pixels[-1] <= high):
            told.append(f"unit {unit} axis {axis}: bound {low} to {high}, but pixels {pixels[0]} to {pixels[-1]}")
    return told
