"""Versions of Python and the libraries that compute."""

from __future__ import annotations

import contextlib
import platform
from importlib.metadata import PackageNotFoundError, version

import torch

from cvtui._version import __version__


def libraries() -> dict[str, str]:
    """Versions of python, torch, cvtui and torchvision.

    torchvision is asked for its number only: importing it takes 1.6 s.
    """
    versions = {"python": platform.python_version(), "torch": str(torch.__version__), "cvtui": __version__}
    with contextlib.suppress(PackageNotFoundError):
        versions["torchvision"] = version("torchvision")
    return versions
