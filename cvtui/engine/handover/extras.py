"""Packages that exports need and cvtui doesn't; looked for without importing PyTorch."""

from __future__ import annotations

import importlib.util

from cvtui.errors import RequestError

ONNX = ("onnx", "onnxscript", "onnxruntime")


def check_onnx_installed() -> None:
    """RequestError, with the line to type, where a package of the extra is missing."""
    missing = [name for name in ONNX if importlib.util.find_spec(name) is None]
    if missing:
        raise RequestError(f"--onnx needs {', '.join(missing)}", hint="pip install 'cvtui[onnx]'")
