"""Origin of a run: whether its recipe can train it again, and where its data were."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cvtui import door
from cvtui.errors import RequestError
from cvtui.recipe.datasets.catalog import find_source
from cvtui.recipe.datasets.data_facts import at_size
from cvtui.recipe.datasets.facts import folder_of, place_of
from cvtui.recipe.datasets.fingerprint import same_classes
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.resume_rules import obey
from cvtui.recipe.toml import load
from cvtui.runlog.events import RunStarted
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import START
from cvtui.runlog.other_hosts import check_here
from cvtui.runlog.tail import Tail

FIRST_BYTES, PIECE = 1 << 24, 1 << 16
"""Of the log, in which the first record must lie; read at a time."""
_record = msgspec.json.Decoder(RunStarted)


def first_run(folder: RunFolder) -> RunStarted | None:
    """Return the first `run` record; None without."""
    tail = Tail(folder.events)
    found: RunStarted | None = None
    while found is None and tail.behind() and tail.offset < FIRST_BYTES:
        before = tail.offset
        for _, line in tail.lines(PIECE):
            if found is None and line.startswith(b'{"type":"run"'):
                with contextlib.suppress(msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
                    found = _record.decode(line)
        if tail.offset == before:
            break
    return found


def check_trainable(folder: RunFolder, run: RunStarted | None, what: str) -> None:
    """Raise RequestError, with the way out, for a run that no recipe trained.

    `what`: "resumed", "forked" …
    """
    check_here(folder.path, what, {"resumed": "resume", "forked": "fork"}.get(what, ""))
    kind = run.kind if run is not None else "engine"
    if kind == "engine":
        return
    if kind == "lab":
        name = str(run.recipe.get("lab", "")) if run is not None else ""
        raise RequestError(
            f"{folder.name!r} is a lab, no training: it can't be {what}",
            hint=f"`cvtui lab {shlex.quote(name)}` runs it again" if name.isprintable() else "",
        )
    raise RequestError(
        f"{folder.name!r} can't be {what} here: it is a custom training loop, which only its script can train",
        hint=saved_weights_hint(folder),
    )


def saved_weights_hint(folder: RunFolder) -> str:
    """Say how a script loads the weights that a watched run has saved."""
    saved = [name for name in door.names(folder.checkpoints, ".pt") if name.startswith("step-")]
    if not saved:
        return "run the script again; while it runs, `s` in `cvtui attach` saves its weights"
    newest = str(folder.checkpoints / saved[-1])
    return f'in the script: model.load_state_dict(torch.load({newest!r}, weights_only=True)["model"])'


def recipe_of(folder: RunFolder, what: str) -> Recipe:
    """Return the recipe that trains `folder` again, with its data where they were.

    RequestError for a run that no recipe trained (it can't be `what`: "resumed", "forked" …) or whose recipe can't be
    read.
    """
    run = first_run(folder)
    check_trainable(folder, run, what)
    if not folder.path.is_dir():
        raise RequestError(
            f"{folder.name!r} can't be {what}: its folder is gone", hint="it was moved, renamed or deleted"
        )
    if not folder.recipe.is_file():
        raise RequestError(f"{folder.name!r} has no recipe.toml: it can't be {what}")
    try:
        recipe = load(folder.recipe)
    except RequestError as error:
        raise RequestError(f"{folder.name!r} can't be {what}: {error.message}", hint=error.hint) from None
    if run is None:
        return recipe
    if what == "resumed" and recipe.size == run.recipe.get("size") and size_was_ignored(run):
        recipe = msgspec.structs.replace(recipe, size="")
    return with_known_paths(recipe, run)


def size_was_ignored(run: RunStarted) -> bool:
    """Return True for a run of before built-in sets could be scaled: they kept their own size."""
    data, size = str(run.recipe.get("data", "")).strip(), str(run.recipe.get("size", ""))
    source = find_source(data)
    known = source.sets.get(data) if source is not None else None
    if known is None or not size:
        return False
    try:
        asked = at_size(known, size).size
    except RequestError:
        return True
    return list(known.size) == run.data.get("input") != list(asked)


def recorded_recipe(recipe: Mapping[str, Any], run: RunStarted | None) -> Mapping[str, Any]:
    """Return what a record or a checkpoint of `run` says of its recipe, without a size that was ignored."""
    return {**recipe, "size": ""} if run is not None and size_was_ignored(run) else recipe


def check_resumable(folder: RunFolder, run: RunStarted | None, recipe: Recipe, classes: Sequence[str] = ()) -> None:
    """Raise RequestError, with the way out, for a recipe with which the run can't be resumed.

    Checked before a trainer is started, which checks its checkpoint once more. `classes`: of the data, where they are
    known.
    """
    if run is None or set(door.names(folder.checkpoints, ".pt")) <= {START}:
        return  # it begins anew: anything can be
    obey(recorded_recipe(run.recipe, run), recipe, folder.path)
    if classes:
        check_same_classes(folder, run, classes)


def check_same_classes(folder: RunFolder, run: RunStarted | None, classes: Sequence[str]) -> None:
    """Raise RequestError where these classes are not those of the run's record."""
    told = run.data.get("classes") if run is not None else None
    if isinstance(told, list) and told:
        same_classes([str(name) for name in told], classes, folder.path)


def data_paths(recipe: Recipe) -> dict[str, str]:
    """Return absolute paths of what the recipe names, for the record `run`."""
    name = "folder" if folder_of(recipe.data) is not None else "file"
    found = {name: place_of(recipe.data), "data_dir": Path(recipe.data_dir) if recipe.data_dir else None}
    return {name: str(path.expanduser().absolute()) for name, path in found.items() if path is not None}


def with_known_paths(recipe: Recipe, run: RunStarted) -> Recipe:
    """Return the recipe with the paths at which the run found its data.

    Only where the recipe names them relative to another working directory and they are still there. RequestError names
    both places where a folder is in neither.
    """
    changed: dict[str, Any] = {}
    name = "folder" if folder_of(recipe.data) is not None else "file"
    place, known = place_of(recipe.data), _place(run, name, recipe.data == run.recipe.get("data"))
    source = find_source(recipe.data)
    if source is not None and place is not None and known is not None and not place.is_absolute():
        if source.is_there(known):
            if place.absolute() != known:  # else as it was typed: what is made from the recipe differs in nothing there
                changed["data"] = source.moved(recipe.data, known)
        elif not source.is_there(place):
            raise RequestError(
                f"data: the {name} {str(place)!r} is neither where the run found it ({str(known)!r}) nor here "
                f"({str(place.absolute())!r})",
                hint=f'bring it back, or write its new place into recipe.toml: data = "{source.prefix}:/PATH"',
            )
    known = _place(run, "data_dir", recipe.data_dir == run.recipe.get("data_dir"))
    named = Path(recipe.data_dir).expanduser().absolute()
    if recipe.data_dir and known is not None and known.is_dir() and named != known:
        changed["data_dir"] = str(known)
    return msgspec.structs.replace(recipe, **changed)


def _place(run: RunStarted, name: str, same: bool) -> Path | None:
    """Return the recorded absolute path, for a recipe that still names it as it did then."""
    told = run.data.get(name)
    if not same or not isinstance(told, str) or "\0" in told:
        return None
    path = Path(told)
    return path if path.is_absolute() else None
