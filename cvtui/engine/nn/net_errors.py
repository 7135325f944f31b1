"""What an error of a strange net means, and the way out of it, instead of PyTorch's first line."""

from __future__ import annotations

import inspect
import math
import re
from typing import Any, NamedTuple

from torch import nn

from cvtui.calc.sizes import InputShape, inputs_text
from cvtui.text import error_line

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class WayOut(NamedTuple):
    """What is wrong, and the shapes that would do (in the words of `--input`), "" where they are not known."""

    message: str
    shapes: str = ""


def way_out(
    error: BaseException,
    model: nn.Module,
    inputs: tuple[InputShape, ...],
    failed: tuple[str, nn.Module] | None = None,
    option: str = "--size",
) -> WayOut:
    """Say what is wrong in the net's own terms.

    failed: name and module of the layer that raised, where it is known; option: what sets the size of the input.
    """
    text, size = str(error), inputs_text(inputs)
    if isinstance(error, TypeError) and "forward() " in text and "positional argument" in text:
        return _arguments(model, inputs, option)
    if 'missing the required "forward"' in text:
        return WayOut(f"{type(model).__name__} has no forward of its own; name a module that has one")
    if len(inputs) == 1 and (found := _first_layer(model, inputs[0], failed, text)) is not None:
        return found
    if "scalar types: Long, Int" in text and not any(one.integers for one in inputs):
        whole = ",".join(str(one._replace(integers=True)) for one in inputs)
        return WayOut(f"looks numbers up in a table: it wants whole numbers, not {size}", whole)
    if is_too_small(error):
        return WayOut(f"images of {size} are too small for it; a larger {option} ({error_line(error)})")
    wrong = re.search(r"\(\d+x(\d+) and (\d+)x\d+\)", text)
    if failed is not None and isinstance(failed[1], nn.Linear) and wrong:
        wants, left = int(wrong[2]), int(wrong[1])
        return WayOut(f"layer {failed[0]} wants {wants:,} numbers, and {size} leaves {left:,}; another {option}")
    where = f" in {failed[0]}" if failed is not None and failed[0] else ""
    return WayOut(f"on {'images of ' if _images(inputs) else ''}{size}{where}: {error_line(error)}")


def is_too_small(error: BaseException) -> bool:
    """Return True where PyTorch says that an image is smaller than what looks at it."""
    return "too small" in str(error) or "can't be greater than actual input size" in str(error)


def _images(inputs: tuple[InputShape, ...]) -> bool:
    return len(inputs) == 1 and len(inputs[0].shape) == 3 and not inputs[0].integers


def _arguments(model: nn.Module, inputs: tuple[InputShape, ...], option: str) -> WayOut:
    takes = [
        name
        for name, one in inspect.signature(model.forward).parameters.items()
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
    if option != "--input":
        return WayOut(f"its forward takes {', '.join(takes) or 'nothing'}; in training it gets the images alone")
    given = f"{len(inputs)} input{'s' if len(inputs) > 1 else ''}"
    return WayOut(
        f"its forward takes {', '.join(takes) or 'nothing'}, not {given}; --input has one shape for each, parted by "
        f"commas, as in 3x224x224,77:int"
    )


def _is_layer(module: nn.Module) -> bool:
    """Return True for a layer with weights; weight_norm and its like make a layer's weights inside of it."""
    inside = any(True for _ in module.children()) and not isinstance(module, (*CONVOLUTIONS, nn.Linear))
    return not inside and any(True for _ in module.parameters())


def _meets(first: nn.Linear, given: InputShape, text: str) -> bool:
    """Return True where PyTorch's error (two wordings) is about the input's own numbers meeting this layer's."""
    sizes = re.search(r"\(\d+x(\d+) and (\d+)x\d+\)|\[\d+, (\d+)\] X \[(\d+), \d+\]", text)
    found = [int(one) for one in sizes.groups() if one] if sizes else []
    return found in ([given.shape[-1], first.in_features], [math.prod(given.shape), first.in_features])


def _first_layer(model: nn.Module, given: InputShape, failed: tuple[str, nn.Module] | None, text: str) -> WayOut | None:
    """Return the way out where the layer that the input reaches wants other channels or another number of them."""
    first: Any = next((one for one in model.modules() if _is_layer(one)), None)
    if failed is not None and first is not failed[1]:
        return None  # the input had come further
    if isinstance(first, nn.Linear):
        if len(given.shape) == 3 and given.shape[-1] != first.in_features and (failed or _meets(first, given, text)):
            said = f"begins with a linear layer, which wants {first.in_features:,} numbers, not {inputs_text((given,))}"
            return WayOut(said, str(first.in_features))
        return None
    if not isinstance(first, CONVOLUTIONS) or not first.in_channels:
        return None
    got = re.search(r"but got (\d+) channels", text)
    if got and int(got[1]) != given.shape[0]:
        return None
    axes = next(number for number, kind in enumerate(CONVOLUTIONS, 1) if isinstance(first, kind))
    if len(given.shape) - 1 != axes:
        wants = ("C x L", "H x W x C", "C x T x H x W")[axes - 1]
        channels = first.in_channels
        example = (f"{channels}x1000:float", f"32x32x{channels}", f"{channels}x16x112x112")[axes - 1]
        return WayOut(f"wants {wants}, not {inputs_text((given,))}", example)
    if given.shape[0] != first.in_channels:
        wanted = f"{first.in_channels} channel{'s' if first.in_channels > 1 else ''}"
        sides = given.shape[1:]
        if axes == 2 and sides[0] == first.in_channels < given.shape[0]:
            sides = (sides[1], given.shape[0])  # typed in PyTorch's order, 3x224x224
        shape = inputs_text((InputShape((first.in_channels, *sides)),)) + (":float" if axes == 1 else "")
        return WayOut(f"wants {'images of ' if axes == 2 else ''}{wanted}; these have {given.shape[0]}", shape)
    return None
