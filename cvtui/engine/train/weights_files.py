"""What a file given as weights is, where it holds none that can be read, and weights in several files with an index."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec
from torch import Tensor

from cvtui import door
from cvtui.engine.nn.weights_library import WeightsTransform
from cvtui.errors import RequestError
from cvtui.runlog.weights_file import IN_FOLDERS

INDEX = ".index.json"
MOST_INDEX = 64 * 2**20
_PART = re.compile(r"-(\d+)-of-(\d+)\.")
_BEGINNINGS = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the weights themselves", "git lfs pull fetches them"),
    (b"<!doctype", "is a web page: the download did not give the file", ""),
    (b"<html", "is a web page: the download did not give the file", ""),
    (b"<?xml", "is XML: the download did not give the file", ""),
    (b"{", "is text (JSON), which holds no weights", ""),
    (b"\x1f\x8b", "is packed by gzip", "unpack it first"),
    (b"bzh", "is packed by bzip2", "unpack it first"),
    (b"\xfd7zxz", "is packed by xz", "unpack it first"),
    (b"\x89hdf", "is HDF5 (Keras), which is not read", "allowed: .pt, .pth, .safetensors, a run"),
    (b"\x93numpy", "is one array of NumPy", "allowed: .pt, .pth, .safetensors, a run"),
)


def what_else(file: IO[bytes], path: Path) -> RequestError | None:
    """Return the error for a file that is known to hold no readable weights; None for any other."""
    file.seek(0)
    begin = file.read(1024)
    named = f"weights: {str(path)!r}"
    for start, words, hint in _BEGINNINGS:
        if begin.lstrip().lower().startswith(start):
            return RequestError(f"{named} {words}", hint=hint)
    if begin[257:262] == b"ustar" and path.suffix != ".pth":  # PyTorch's oldest format is a tar archive too
        return RequestError(f"{named} is a tar archive", hint="unpack it first")
    if begin[:2] == b"PK":
        return _of_zip(file, named)
    if begin and not begin.strip(b"\0"):
        return RequestError(f"{named} begins with zeros alone: it was not written to its end, or its disk has lost it")
    if path.suffix == ".onnx":
        return RequestError(f"{named} is ONNX, which is not read", hint="allowed: .pt, .pth, .safetensors, a run")
    return None


def _of_zip(file: IO[bytes], named: str) -> RequestError | None:
    file.seek(0)
    try:
        names = zipfile.ZipFile(file).namelist()
    except zipfile.BadZipFile:
        return RequestError(f"{named} is cut short", hint="fetch or copy it once more")
    if any(name.endswith("data.pkl") for name in names):
        return None
    if names and all(name.endswith(".npy") for name in names):
        return RequestError(f"{named} is an .npz of NumPy", hint="allowed: .pt, .pth, .safetensors, a run")
    return RequestError(f"{named} is a zip archive, and not one of torch.save", hint="unpack it first")


def check_whole(path: Path) -> None:
    """RequestError for one of several files that a set of weights is cut into."""
    found = _PART.search(path.name)
    index = path.with_name(_PART.sub(".", path.name) + INDEX)
    if found and int(found[2]) > 1 and index.is_file():
        raise RequestError(
            f"weights: {str(path)!r} is file {int(found[1])} of {int(found[2])}", hint=f"give {str(index)!r}"
        )


def read_index(path: Path, read: Callable[[Path], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Read all files that an index names, beside it. RequestError where one is missing, or it is no index."""
    try:
        index = msgspec.json.decode(door.read_input(path, MOST_INDEX), type=_Index)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RequestError(f"weights: {str(path)!r} is no index of weights ({error})") from None
    found: dict[str, Tensor] = {}
    for name in dict.fromkeys(index.weight_map.values()):
        if Path(name).name != name:
            raise RequestError(f"weights: {str(path)!r} names {name!r}, which is not beside it")
        part = path.parent / name
        if not part.is_file():
            raise RequestError(f"weights: {str(path)!r} names {name!r}, which is not there")
        found |= read(part)
    if missing := [name for name in index.weight_map if name not in found]:
        raise RequestError(
            f"weights: the files of {str(path)!r} lack {len(missing):,} of its {len(index.weight_map):,} tensors "
            f"({missing[0]})"
        )
    return found


def pixels_beside(path: Path) -> WeightsTransform | None:
    """Return what timm's config.json in the folder of a hub's file says of the images; None where nothing is said.

    One model of timm has weights of several makers, each with its own mean: what the library says is of one of them.
    """
    if path.name not in IN_FOLDERS:
        return None
    try:
        config = msgspec.json.decode(door.read_input(path.with_name("config.json"), MOST_INDEX), type=_Config)
    except (OSError, RequestError, msgspec.MsgspecError, UnicodeDecodeError):  # none, or of another library
        return None
    told = config.pretrained_cfg or config
    if not told.mean or len(told.mean) != len(told.std) or min(told.std) <= 0:
        return None
    return WeightsTransform(told.mean, told.std, told.input_size[-1] if told.input_size else 0, told.interpolation)


class _Images(msgspec.Struct):
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    input_size: tuple[int, ...] = ()
    interpolation: str = ""


class _Config(_Images):
    pretrained_cfg: _Images | None = None
    """Older files have its fields at their top."""


class _Index(msgspec.Struct):
    weight_map: dict[str, str]
