"""Settle `batch_size` auto before a run begins, and write the number into its recipe."""

from __future__ import annotations

import json
import subprocess

import msgspec

from cvtui import door
from cvtui.engine.data.images import OnProgress
from cvtui.engine.runtime.device import pick_device
from cvtui.engine.train.preparation import build_code
from cvtui.errors import RequestError
from cvtui.own_python import own_module
from cvtui.recipe.auto_batch import AUTO_BATCH, BatchFit, fitting_batch
from cvtui.recipe.toml import dumps
from cvtui.recipe.validation import Checked, check
from cvtui.runlog.folder import RunFolder
from cvtui.text import binary_size


def settle_batch(checked: Checked, on_progress: OnProgress | None = None, folder: RunFolder | None = None) -> Checked:
    """Return the recipe with the number that auto comes to here; as it is where it has one. RequestError.

    On the CPU by the count of what training holds and the memory that is free; on CUDA by real steps, in a process of
    its own, so that running out of memory leaves nothing behind. The run folder's recipe.toml gets the number.
    """
    if not checked.auto:
        return checked
    if pick_device(checked.recipe.device).type == "cuda":
        if on_progress is not None:
            on_progress("finding the batch size: real steps of larger and larger batches, in a process of its own …")
        fit, how = _tried(checked), "real steps took"
    else:
        counted, _ = build_code(checked)
        fit, how = fitting_batch(checked.recipe, counted.table, checked.data), "training needs about"
    recipe = msgspec.structs.replace(checked.recipe, batch_size=fit.size)
    if folder is not None:
        door.write(folder.recipe, dumps(recipe).encode())
    settled = check(recipe)
    if on_progress is not None:
        on_progress(
            f"{AUTO_BATCH}{fit.size:,} ({how} {binary_size(fit.need)} of {binary_size(fit.free)} free; "
            f"{settled.steps_per_epoch:,} step{'s' if settled.steps_per_epoch > 1 else ''} an epoch)"
        )
    return settled


def _tried(checked: Checked) -> BatchFit:
    """Ask a process of its own (batch_trials.py). RequestError with its words where it fails."""
    done = subprocess.run(
        own_module("cvtui.engine", "--batch"),
        input=dumps(checked.asked).encode(),
        capture_output=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(b'{"batch":')]
    if done.returncode or not lines:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise RequestError(
            f"batch_size: auto could not be found: {words[-1] if words else f'exit code {done.returncode}'}",
            hint="give a number",
        )
    found = json.loads(lines[-1])
    return BatchFit(int(found["batch"]), int(found["need"]), int(found["free"]))
