"""Training of cases into run folders, several at a time, and never twice."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec

from tests.benchmarks.doctor.cases import Case

CASE_FILE = "case.json"
DONE_FILE = "done"


def train_all(wanted: Iterable[Case], folder: Path, jobs: int, told: bool = True) -> list[str]:
    """Train what is not there yet into folder/<name>. Names and reasons of those that could not be trained."""
    folder.mkdir(parents=True, exist_ok=True)
    waiting = [case for case in wanted if not is_trained(case, folder)]
    failed = []
    begun = time.monotonic()
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_begin) as pool:
        futures = {pool.submit(train, case, folder): case for case in waiting}
        for number, future in enumerate(as_completed(futures), 1):
            if error := future.result():
                failed.append(f"{futures[future].name}: {error}")
                if told:
                    print(f"  {failed[-1]}", flush=True)
            if told and (number % 50 == 0 or number == len(waiting)):
                seconds = time.monotonic() - begun
                print(f"  {number:,} of {len(waiting):,} runs, {seconds:.0f} s", flush=True)
    return failed


def is_trained(case: Case, folder: Path) -> bool:
    """Return True if the run of exactly this case (not of an earlier wording) lies there."""
    place = folder / case.name
    try:
        return (place / DONE_FILE).exists() and (place / CASE_FILE).read_bytes() == msgspec.json.encode(case)
    except OSError:
        return False


def _begin() -> None:
    import torch

    torch.set_num_threads(1)


def train(case: Case, folder: Path) -> str:
    """One run into folder/<name>, whose log is written step by step. "" or why it could not be done."""
    import cvtui.engine.observe.recorder as journal

    place = folder / case.name
    if is_trained(case, folder):
        return ""
    if place.exists():
        shutil.rmtree(place)
    usual = vars(journal)["FLUSH_STEPS"]
    vars(journal)["FLUSH_STEPS"] = 1  # so that the log tells what could be known at each step
    try:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            code = _train_recipe(case, folder) if case.kind == "recipe" else _train_loop(case, folder)
        if code == 2:
            return f"refused: {said.getvalue().strip()}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        vars(journal)["FLUSH_STEPS"] = usual
    for part in ("checkpoints", "pictures"):
        shutil.rmtree(place / part, ignore_errors=True)
    (place / CASE_FILE).write_bytes(msgspec.json.encode(case))
    (place / DONE_FILE).touch()
    return ""


def _train_recipe(case: Case, folder: Path) -> int:
    from cvtui.engine.train.control import Signals
    from cvtui.engine.worker import train_folder
    from cvtui.recipe.recipe import Recipe
    from cvtui.recipe.toml import dumps
    from cvtui.runlog.folder import RunFolder

    fields: dict[str, Any] = {**case.recipe, "name": case.name}
    made = RunFolder.create(folder, case.name, dumps(msgspec.convert(fields, Recipe)))
    return train_folder(made.path, Signals())


def _train_loop(case: Case, folder: Path) -> int:
    from tests.benchmarks.doctor import loops, sound
    from tests.benchmarks.doctor.loop import Loop

    kind: type[Loop] = getattr(loops if hasattr(loops, case.loop) else sound, case.loop)
    kind(case.net, case.data, case.seed, case.value, **case.options).run(folder, case.name)
    return 0


def default_jobs() -> int:
    return max(1, (os.cpu_count() or 2) // 2)
