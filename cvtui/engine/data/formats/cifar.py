"""The batches of CIFAR: pickles that Python 2 wrote, of a dictionary with a list of labels and a NumPy array.

A pickle is a program: its writer can have it call anything. So what these may call is not looked up, but
replaced by stand-ins that only take notes; NumPy then sees raw bytes and a shape that was checked. And what runs it is
pickle's unpickler in Python, which the module keeps beside the one in C: that one sets aside as much memory as a
damaged number asks for (64 GB for a wrong place in the memo); this one needs 0.1 s for the 20,000 steps of a batch.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from cvtui.engine.data.formats.errors import DamagedError


def read_cifar(path: Path, labels: str) -> tuple[np.ndarray, np.ndarray]:
    """Read one batch: pixels uint8 N x 32 x 32 x 3, and the class numbers under `labels`. DamagedError.

    `labels` is "labels" or "fine_labels".
    """
    content = io.BytesIO(path.read_bytes())
    try:
        entries = _Unpickler(content, encoding="bytes").load()
    except _ForbiddenError as error:
        raise DamagedError(path, f"it asks for {error}, which no CIFAR file does") from error
    except Exception as error:  # a damaged pickle can fail in any way
        raise DamagedError(path, f"it is no whole pickle ({error or type(error).__name__})") from error
    if not isinstance(entries, dict):
        raise DamagedError(path, "it holds no dictionary")
    data = entries.get(b"data", entries.get("data"))
    numbers = entries.get(labels.encode(), entries.get(labels))
    pixels = data.values(3072) if isinstance(data, _Array) else None
    if pixels is None:
        raise DamagedError(path, "its 'data' are not bytes, 3,072 an image")
    if not isinstance(numbers, list) or not all(type(number) is int and 0 <= number < 100 for number in numbers):
        raise DamagedError(path, f"its {labels!r} are no list of class numbers")
    return pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), np.array(numbers, np.int64)


class _ForbiddenError(pickle.UnpicklingError):
    pass


class _Type:
    """In the place of numpy.dtype."""

    def __init__(self, code: Any = b"", *_: Any) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        """Byte order and the like: a byte has none."""


class _Array:
    """In the place of numpy.ndarray: remembers what would be set."""

    def __init__(self, *_: Any) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, tuple) else ()

    def values(self, width: int) -> np.ndarray | None:
        """Return the bytes as N x width; None where they are something else."""
        match self.state:
            case (_, (int(rows), int(columns)), _Type(code=b"u1" | "u1"), fortran, bytes(raw)):
                if columns == width and rows >= 0 and len(raw) == rows * columns:
                    flat = np.frombuffer(raw, np.uint8)
                    return flat.reshape((columns, rows)).T if fortran else flat.reshape((rows, columns))
        return None


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """In the place of _codecs.encode, with which Python 3 writes bytes for Python 2."""
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
        raise _ForbiddenError("_codecs.encode")
    return text.encode("latin1")


_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): lambda *_: _Array(),
    ("numpy._core.multiarray", "_reconstruct"): lambda *_: _Array(),
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle._Unpickler):
    dispatch: ClassVar = {
        code: run
        for code, run in pickle._Unpickler.dispatch.items()
        if code not in (pickle.BYTEARRAY8[0], pickle.NEXT_BUFFER[0], pickle.EXT1[0], pickle.EXT2[0], pickle.EXT4[0])
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise _ForbiddenError(f"{module}.{name}") from None

    def persistent_load(self, _pid: Any) -> Any:
        raise _ForbiddenError("a persistent object")
