"""A net that is given as PyTorch code: `torchvision:NAME`, `timm:NAME` or `package.module:callable`.

Only the text is understood here, without torch; `engine/nn/module_net.py` builds the module.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, NamedTuple

from cvtui.errors import RequestError

LIBRARIES = ("torchvision", "timm")
USAGES = ("torchvision:NAME", "timm:NAME", "package.module:callable")


class NetTarget(NamedTuple):
    """Where the module comes from."""

    library: str
    """torchvision, timm; "" for the user's own code."""
    module: str
    """The Python module of the user's own code."""
    name: str
    """Name of the model in its library, or path of the callable inside its module (`Nets.small`)."""
    arguments: Mapping[str, Any]
    """What it is called with, beside the number of classes."""

    def __str__(self) -> str:
        words = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.library or self.module}:{self.name}" + (f"({words})" if words else "")


def is_target(net: str) -> bool:
    """Return True for PyTorch code; a net expression has no colon."""
    return ":" in net


def parse_target(net: str) -> NetTarget:
    """Parse the text of a target, `mine.nets:build(width=2)` with its arguments. RequestError where it is none."""
    text = net.strip()
    before, _, rest = text.partition(":")
    name, bracket, inside = rest.partition("(")
    before, name = before.strip(), name.strip()
    if bracket and not inside.rstrip().endswith(")"):
        raise RequestError(f"{text!r} must end in one ')', as in mine.nets:build(width=2)")
    arguments = _arguments(text, inside.rstrip().removesuffix(")")) if bracket else {}
    if before in LIBRARIES:
        if not name:
            raise RequestError(f"{text!r} names no model; for example {before}:resnet18")
        return NetTarget(before, "", name, arguments)
    if name and (guess := _as_module(before)):
        raise RequestError(f"{text!r} names a file; its module is written {guess}:{name}")
    if not before or not name or not all(part.isidentifier() for part in (*before.split("."), *name.split("."))):
        raise RequestError(f"{text!r} is neither a net expression nor {', '.join(USAGES[:-1])} or {USAGES[-1]}")
    return NetTarget("", before, name, arguments)


def _as_module(path: str) -> str:
    """Return the module that a path in its place means; "" for what is no path."""
    parts = path.removeprefix("./").removesuffix(".py").split("/")
    is_path = path.endswith(".py") or len(parts) > 1
    return ".".join(parts) if is_path and all(part.isidentifier() for part in parts) else ""


def _arguments(text: str, inside: str) -> dict[str, Any]:
    """Parse `width=2, name='a'`: names and literals, never run as code."""
    try:
        call = ast.parse(f"f({inside})", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        call = None
    if not isinstance(call, ast.Call) or call.args or any(word.arg is None for word in call.keywords):
        raise RequestError(f"{text!r}: arguments are written name=value, as in mine.nets:build(width=2)")
    found = {}
    for word in call.keywords:
        try:
            found[str(word.arg)] = ast.literal_eval(word.value)
        except (ValueError, TypeError, RecursionError, MemoryError):
            raise RequestError(
                f"{text!r}: {word.arg} is no plain value; allowed: numbers, texts in quotes, True, False, None, lists"
            ) from None
    return found


def usual_preprocess(weights: str) -> str:
    """Return the preprocessing that is usual with weights to begin with: what they were trained on, if any."""
    return "weights" if weights else "standardise"


def usual_init(net: str) -> str:
    """Return the initialization that goes with a net where none is asked for.

    Code draws its own weights; those of an expression begin as He 2015.
    """
    return "own" if is_target(net) else "he"
