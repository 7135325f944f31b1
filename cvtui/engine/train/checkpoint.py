"""Checkpoints: whole or not there. Written beside, flushed to the disk, renamed; loadable with `weights_only=True`.

    {"format", "model": state_dict, "optimizer": state_dict, "step", "epoch", "place", "random", …}

With a running mean of the weights, that is "ema", under the names of "model"; "model" is what training goes on with.

A plain torch.save that is killed midway leaves a file that can't be loaded (39 of 40 in a trial); this way the name
always means a whole checkpoint, the new one or the one before.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Literal

import torch

from cvtui import door

FORMAT = "1.1"
"""1.0: its checksum is over tensors in the order of their indices, not of memory."""

Reason = Literal["last", "best", "asked", "epoch", "stop"]


class Damaged(Exception):
    """The file is no whole checkpoint of ours."""


def save(state: Mapping[str, Any], path: Path) -> None:
    """Write `state` (tensors, numbers, texts, lists and dicts of them), whole or not at all.

    OSError when the disk refuses; the old file of that name is then still there.
    """
    door.make_folder(path.parent)  # not its parents: a run folder that was deleted does not come back half
    write_whole({**state, "format": FORMAT, "checksum": checksum(state)}, path)


def write_whole(state: Mapping[str, Any], path: Path) -> None:
    """Write `state` alone, whole or not at all. OSError when the disk refuses."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _write(state, beside)
        door.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            door.remove(beside)
        raise
    door.sync_folder(path.parent)


def _write(state: Mapping[str, Any], path: Path) -> None:
    file = _NotingFile(door.opened(path, "wb"))
    try:
        torch.save(dict(state), file)  # type: ignore[arg-type]  # all that it asks of a file is to write
        file.flush()
        os.fsync(file.file.fileno())
    except RuntimeError:
        if file.error is None:
            raise
        raise file.error from None  # torch's writer says "unexpected pos" where the disk said "no space left"
    finally:
        with contextlib.suppress(OSError):
            file.file.close()


class _NotingFile:
    """File that keeps the system's error when a write failed."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self.file.flush()


def clear_parts(folder: Path) -> int:
    """Remove the partial files of a process that was killed in a save; return their number.

    Only for the holder of the run's lock.
    """
    parts = [name for name in door.names(folder, ".part") if name.startswith(".")]
    for part in parts:
        door.remove(folder / part)
    return len(parts)


def link(source: Path, path: Path) -> None:
    """Give a saved checkpoint a second name atomically, by a link (copied where links fail)."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    door.remove(beside)
    try:
        try:
            door.link(source, beside)
        except OSError:
            door.copy(source, beside)
        door.replace(beside, path)
    except BaseException:
        door.remove(beside)
        raise
    door.sync_folder(path.parent)


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Load and verify a checkpoint's state.

    Only tensors and plain values are read: code hidden in the file does not run. Damaged (with the reason) when it is
    cut, altered, not ours, or of a format that is newer than this program.
    """
    try:
        with door.opened(path) as file:
            state = torch.load(file, map_location=device, weights_only=True)
    except Exception as error:  # torch raises a dozen kinds for a broken file
        raise Damaged(reason(error)) from None
    if not isinstance(state, dict) or "checksum" not in state or "model" not in state:
        raise Damaged("it is no checkpoint of cvtui")
    if str(state.get("format", "")).partition(".")[0] != FORMAT.partition(".")[0]:
        raise Damaged(f"its format is {state.get('format')!r}, this program reads {FORMAT}")
    if state["checksum"] != checksum(state, in_memory=state["format"] != "1.0"):
        raise Damaged("its checksum does not fit")
    return state


def is_several(state: Mapping[str, Any]) -> bool:
    """Return True for a state that was trained on pictures in several classes.

    The fingerprint of such data names the sets of classes that occur, in place of the classes.
    """
    classes = list(state.get("classes", ()))
    bce = str(state["recipe"].get("loss", "")).startswith("bce")
    return bce and bool(state.get("data", {}).get("classes", classes) != classes)


def eval_weights(state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Weights that were validated: the running mean where there is one."""
    weights: dict[str, torch.Tensor] = state.get("ema") or state["model"]
    return weights


def reason(error: Exception) -> str:
    """Shorten the error to one line (PyTorch's own for a foreign pickle is a page about `weights_only`)."""
    if isinstance(error, (pickle.UnpicklingError, KeyError, IndexError)):  # of bytes that are no pickle: KeyError 101
        return "it is cut short, or holds more than tensors and numbers"
    words = " ".join(str(error).split())
    if len(words) > 120:
        words = words.partition(". ")[0][:120]
    return words or ("it is empty" if isinstance(error, EOFError) else type(error).__name__)


def checksum(state: Mapping[str, Any], in_memory: bool = True) -> int:
    """CRC-32 over every value in the order of the keys, tensors by their bytes.

    The checksum itself is left out. in_memory: tensors by their bytes in the order of memory, which is that of the file
    too. (In the order of indices weights in channels_last are copied first, a tenth of a checkpoint's time.)
    """
    crc = 0
    for name, value in _leaves(state, ""):
        crc = zlib.crc32(name.encode(), crc)
        if isinstance(value, torch.Tensor):
            data = (_as_it_lies(value) if in_memory else value).detach().cpu().contiguous().view(-1)
            crc = zlib.crc32(data.view(torch.uint8).numpy().data if data.numel() else b"", crc)
        else:
            crc = zlib.crc32(repr(value).encode(), crc)
    return crc


def _as_it_lies(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor with its axes in the order of memory: of a dense one a view that is contiguous."""
    return tensor.permute(sorted(range(tensor.dim()), key=tensor.stride, reverse=True))


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key in sorted(value, key=str):
            if name or key not in ("checksum", "format"):
                yield from _leaves(value[key], f"{name}/{key}")
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _leaves(part, f"{name}/{index}")
    else:
        yield name, value


class KeepRule:
    """Which checkpoints stay, from the recipe's `keep`: `last`, `best`, `every=N`, with commas between.

    While the run trains, last.pt is written after every epoch whatever the rule says (of short ones, after some): a
    killed run must go on from somewhere. `thin` takes it away at the end, where the rule doesn't name it.
    """

    def __init__(self, text: str) -> None:
        parts = [part.strip() for part in text.split(",")]
        self.last = "last" in parts
        self.best = "best" in parts
        self.every = next((int(part.removeprefix("every=")) for part in parts if part.startswith("every=")), 0)

    def names(self, epoch: int, best: bool) -> list[tuple[Reason, str]]:
        """(reason, file name) for the state after `epoch` epochs, which may be the best so far."""
        names: list[tuple[Reason, str]] = [("last", "last.pt")]
        if self.best and best:
            names.append(("best", "best.pt"))
        if self.every and epoch % self.every == 0:
            names.append(("epoch", f"epoch-{epoch:04d}.pt"))
        return names

    def thin(self, folder: Path) -> list[str]:
        """Remove what a finished run keeps no longer, never the only whole checkpoint; return the names removed."""
        others = [folder / name for name in door.names(folder, ".pt") if not name.startswith("last")]
        if self.last or not any(is_whole(path) for path in others):
            return []
        removed = []
        for name in ("last.pt", "last-1.pt"):
            if door.is_file(folder / name):
                door.remove(folder / name)
                removed.append(name)
        return removed


def is_whole(path: Path) -> bool:
    """Return True if it can be loaded and its checksum fits."""
    try:
        load(path)
    except (Damaged, OSError):
        return False
    return True
