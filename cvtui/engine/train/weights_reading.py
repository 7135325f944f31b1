"""State dicts out of files: safetensors, and what torch.save wrote, of which nothing is run."""

from __future__ import annotations

import pickle
import warnings
from collections import Counter, OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import msgspec
import torch
from torch import Tensor

from cvtui import door
from cvtui.engine.train import checkpoint
from cvtui.engine.train.weights_files import INDEX, check_whole, read_index, what_else
from cvtui.errors import RequestError
from cvtui.text import error_line

WRAPPERS = (
    "model_ema", "state_dict_ema", "ema", "params_ema", "teacher", "state_dict", "model_state_dict", "model", "student",
    "net", "network", "params",
)  # fmt: skip
"""Where training scripts keep the weights inside what they save, running means first."""

MOST_PLACES = 1000
"""Of one module in a net that shares it: only a module that holds itself stands in more."""

Read = tuple[dict[str, Tensor], dict[str, Any] | None]
"""Tensors by name, and the state of a Preprocess (of a run of ours)."""


def read_file(path: Path) -> Read:
    """Read a state dict, by what the file holds and not by its name. RequestError."""
    if path.name.endswith(INDEX):
        return read_index(path, lambda part: _read_one(part)[0]), None
    check_whole(path)
    return _read_one(path)


def _read_one(path: Path) -> Read:
    try:
        # In a run folder, which a stranger may have made, a link is not followed.
        of_run = path.parent.name == "checkpoints" and door.is_file(path.parent.parent / "events.jsonl")
        with door.opened(path) if of_run else door.opened_input(path) as file:
            begin = file.read(9)
            file.seek(0)
            if not begin:
                raise RequestError(f"weights: {str(path)!r} is empty")
            try:
                if begin[8:9] == b"{" or (path.suffix == ".safetensors" and begin[:2] != b"PK"):
                    return _safetensors(path)
                return _pickled(file, path)
            except RequestError as error:
                raise (what_else(file, path) or error) from None
    except OSError as error:
        raise RequestError(f"weights: {str(path)!r} can't be read ({checkpoint.reason(error)})") from None


def _safetensors(path: Path) -> Read:
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
            told = (file.metadata() or {}).get("preprocess")
    except Exception as error:
        raise RequestError(f"weights: {str(path)!r} is no whole safetensors file ({error_line(error)})") from None
    if told is None:
        return tensors, None
    zca = {key: tensors.pop(f"preprocess.{key}", None) for key in ("mean", "matrix")}
    try:
        state = msgspec.json.decode(told)
    except msgspec.MsgspecError:
        return tensors, None
    if isinstance(state, dict):
        state |= {key: value for key, value in zca.items() if value is not None}
    return tensors, _preprocess(state)


class _Unknown:
    """Stand-in for whatever a file names beside tensors and plain values (a script's options): nothing of it runs."""

    def __new__(cls, *_: Any, **__: Any) -> _Unknown:
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            vars(self).update((name, value) for name, value in state.items() if isinstance(name, str))


class _Dict:
    """Stand-in for a kind of dict: an empty one, since PyTorch fills no other."""

    def __new__(cls, *_: Any, **__: Any) -> Any:
        return OrderedDict()


class _List:
    """Stand-in for a kind of list, as `_Dict`."""

    def __new__(cls, *_: Any, **__: Any) -> Any:
        return []


KINDS = {"collections.defaultdict": _Dict, "collections.deque": _List}
"""Of the standard library, beside plain dicts and lists."""
NO_DICTS = ("numpy.", "pathlib.", "argparse.")


def _pickled(file: IO[bytes], path: Path) -> Read:
    """Read a file of torch.save: tensors and plain values only, so no code in it runs."""
    try:
        try:
            names = torch.serialization.get_unsafe_globals_in_checkpoint(file)
        except Exception:  # an old format, or no file of torch.save at all: as it is
            names = []
        stand_ins = [(KINDS.get(name, _Unknown), name) for name in names]
        try:
            state = _loaded(file, stand_ins)
        except pickle.UnpicklingError:  # a script's own kind of dict (EasyDict, addict) is filled like one
            state = _loaded(file, [(kind, name) if name.startswith(NO_DICTS) else (KINDS.get(name, _Dict), name)
                                   for kind, name in stand_ins])  # fmt: skip
    except Exception as error:
        if "TorchScript" in str(error):
            raise RequestError(
                f"weights: {str(path)!r} is TorchScript; what is read is torch.save(model.state_dict(), …)"
            ) from None
        raise RequestError(f"weights: {str(path)!r} can't be read ({checkpoint.reason(error)})") from None
    try:
        tensors = unwrapped(state)
    except RecursionError:
        raise RequestError(f"weights: {str(path)!r} can't be read (what is in it lies too deep)") from None
    return tensors, _preprocess(state.get("preprocess")) if isinstance(state, Mapping) else None


def _loaded(file: IO[bytes], stand_ins: Any) -> Any:
    file.seek(0)
    with torch.serialization.safe_globals(stand_ins), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(file, map_location="cpu", weights_only=True)


def _preprocess(state: Any) -> dict[str, Any] | None:
    """Return the state of a Preprocess; None for anything else of that name."""
    if not isinstance(state, Mapping):
        return None
    rows: list[Any] = [state.get("scale"), state.get("shift")]
    if not all(isinstance(row, list) and all(isinstance(x, (int, float)) for x in row) for row in rows):
        return None
    zca = [state[key] for key in ("mean", "matrix") if key in state]
    if len(rows[0]) != len(rows[1]) or len(zca) == 1 or not all(isinstance(value, Tensor) for value in zca):
        return None
    return dict(state) if not zca or zca[1].shape == (zca[0].numel(),) * 2 else None


def unwrapped(state: Any, seen: set[int] | None = None) -> dict[str, Tensor]:
    """Return the state dict inside of what a script has saved, a whole model's too; empty where there is none.

    What stands in several places, or holds itself, is looked into once.
    """
    seen = set() if seen is None else seen
    if id(state) in seen:
        return {}
    if isinstance(state, _Unknown):
        return dict(_of_module(state, "", Counter()))
    if not isinstance(state, Mapping):
        return {}
    seen.add(id(state))
    for name in WRAPPERS:
        if found := unwrapped(state.get(name), seen):
            return found
    own = {str(name): value for name, value in state.items() if isinstance(value, Tensor) and _is_plain(value)}
    if own:
        return own
    inside = (unwrapped(value, seen) for name, value in state.items() if "optim" not in str(name))
    return max(inside, key=len, default={})


def _is_plain(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and not (tensor.is_meta or tensor.is_quantized or tensor.is_nested)


def _of_module(held: _Unknown, prefix: str, places: Counter[int]) -> list[tuple[str, Tensor]]:
    """Return the tensors of a module that was saved whole, by the names of its state dict. RecursionError."""
    places[id(held)] += 1
    if places[id(held)] > MOST_PLACES:
        raise RecursionError
    parts = vars(held)
    passing = parts.get("_non_persistent_buffers_set")
    passing = passing if isinstance(passing, set) else ()
    found = []
    for kind in ("_parameters", "_buffers"):
        own = parts.get(kind)
        for name, value in own.items() if isinstance(own, dict) else ():
            if isinstance(value, Tensor) and _is_plain(value) and name not in passing:
                found.append((f"{prefix}{name}", value.detach()))
    inner = parts.get("_modules")
    for name, module in inner.items() if isinstance(inner, dict) else ():
        if isinstance(module, _Unknown):
            found += _of_module(module, f"{prefix}{name}.", places)
    return found
