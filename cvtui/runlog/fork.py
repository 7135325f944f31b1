"""Forks: a run that starts from a copy of another run's checkpoint.

<name>/checkpoints/start.pt   the parent's checkpoint, byte for byte: the parent may be deleted
<name>/fork.json              {"run", "checkpoint", "step", "epoch"}
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cvtui import door
from cvtui.errors import RequestError, nearest
from cvtui.runlog.events import CheckpointSaved
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.other_hosts import check_here
from cvtui.runlog.record_limits import sanitized
from cvtui.runlog.run_names import child_name

if TYPE_CHECKING:
    from cvtui.runlog.history import History

START = "start.pt"
NOTE = "fork.json"


class Parent(msgspec.Struct, frozen=True, kw_only=True):
    """Where a forked run comes from."""

    run: str
    """The parent's name."""
    checkpoint: str
    """The file's name in the parent's folder."""
    step: int
    """Steps that the parent had done."""
    epoch: int
    """Epochs that it had done."""


def checkpoints_of(history: History) -> list[CheckpointSaved]:
    """Return the checkpoints that are still there, oldest first; of several at one step the plainest name."""
    there: dict[str, CheckpointSaved] = {}
    for saved in history.checkpoints:
        name = Path(saved.path).name
        if door.is_file(history.folder.checkpoints / name):
            there[name] = saved
    by_step: dict[int, CheckpointSaved] = {}
    for name in sorted(there, key=_plainness):
        by_step.setdefault(there[name].step, there[name])
    return [by_step[step] for step in sorted(by_step)]


def _plainness(name: str) -> tuple[int, str]:
    """Sort key: epoch-0005.pt stays what it is, best.pt and last.pt are overwritten later."""
    return (name in ("best.pt", "last.pt"), name)


def pick(history: History, *, epoch: int | None = None, checkpoint: str = "") -> CheckpointSaved:
    """Return the checkpoint of that epoch, or of that name (`best`, `epoch-0005.pt`); the newest without either.

    RequestError names those that are there.
    """
    there = checkpoints_of(history)
    name = history.folder.name
    if not there:
        raise RequestError(f"{name!r} has no checkpoint to fork from", hint="one is saved after each epoch")
    if checkpoint:
        file = checkpoint.removesuffix(".pt") + ".pt"
        named = {Path(saved.path).name: saved for saved in history.checkpoints}
        if file in named and door.is_file(history.folder.checkpoints / file):
            return named[file]
        files = door.names(history.folder.checkpoints, ".pt")
        raise RequestError(f"--checkpoint: {checkpoint!r} not found; {name!r} has {', '.join(files)}"
                           f"{nearest(checkpoint, files)}")  # fmt: skip
    if epoch is None:
        return there[-1]
    found = [saved for saved in there if saved.epoch == epoch]
    if not found:
        epochs = ", ".join(str(number) for number in sorted({saved.epoch for saved in there}))
        raise RequestError(
            f"--epoch: {name!r} has no checkpoint of epoch {epoch}; there are: {epochs}",
            hint="a run with --keep last,best,every=1 keeps them all",
        )
    return found[-1]


def checkpoint_file(folder: RunFolder, name: str = "") -> Path:
    """Return the path of the checkpoint of that name (`last`, `epoch-0010.pt`); without one the best, else the last.

    Its log is not read, so with neither (`--keep every=1`) it is the newest by name. RequestError names those
    that are there.
    """
    check_here(folder.path, "asked for its checkpoints")
    there = door.names(folder.checkpoints, ".pt")
    if not there:
        raise RequestError(f"{folder.name!r} has no checkpoint", hint="one is saved after each epoch")
    wanted = [name.removesuffix(".pt") + ".pt"] if name else ["best.pt", "last.pt", max(there, key=_newness)]
    for file in wanted:
        if file in there:
            return folder.checkpoints / file
    raise RequestError(
        f"--checkpoint: {name!r} not found; {folder.name!r} has {', '.join(there)}{nearest(name, there)}"
    )


def _newness(name: str) -> tuple[bool, bool, int, str]:
    """Sort key: a fork's start.pt is what its parent had learnt; epoch-10000.pt is newer than epoch-9999.pt."""
    number = re.search(r"\d+", name)
    return (name != START, name.startswith("epoch-"), int(number[0]) if number else 0, name)


def fork(parent: RunFolder, saved: CheckpointSaved, base: Path, name: str, recipe_toml: str) -> RunFolder:
    """Make the child's folder: its recipe, the parent's checkpoint, the note. RequestError when that fails.

    Without a name it is called after its parent and what differs: `pics-3-lr1e-3`.
    """
    source = parent.checkpoints / Path(saved.path).name
    make = RunFolder.create if name else RunFolder.fresh
    child = make(base, name or child_name(parent.name, _recipe(parent), recipe_toml, "fork"), recipe_toml)
    note = Parent(run=parent.name, checkpoint=source.name, step=saved.step, epoch=saved.epoch)
    try:
        door.copy(source, child.checkpoints / START)
        door.write(child.path / NOTE, msgspec.json.encode(note))
    except OSError as error:
        shutil.rmtree(child.path, ignore_errors=True)
        raise RequestError(f"can't copy {str(source)!r}: {error.strerror}") from None
    return child


def afresh(parent: RunFolder, base: Path, name: str, recipe_toml: str) -> RunFolder:
    """Make a child that starts from new weights at step 0, with the parent's recipe, changed. RequestError."""
    make = RunFolder.create if name else RunFolder.fresh
    child = make(base, name or child_name(parent.name, _recipe(parent), recipe_toml, "again"), recipe_toml)
    try:
        note = Parent(run=parent.name, checkpoint="", step=0, epoch=0)
        door.write(child.path / NOTE, msgspec.json.encode(note))
    except OSError as error:
        raise RequestError(f"can't write {str(child.path / NOTE)!r}: {error.strerror}") from None
    return child


def _recipe(folder: RunFolder) -> str:
    try:
        return door.text(folder.recipe)
    except (OSError, UnicodeDecodeError):
        return ""


def parent_of(folder: RunFolder) -> Parent | None:
    """Return the parent of a run; None for one without (or whose note can't be read)."""
    try:
        parent = msgspec.json.decode(door.read(folder.path / NOTE), type=Parent)
        sanitized(parent)
        return parent
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return None
