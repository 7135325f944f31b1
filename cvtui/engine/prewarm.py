"""Prewarmed engine: waits with torch loaded, answers forecasts, and becomes the trainer when told to.

One JSON object a line on stdin:
    {"predict": {recipe fields}}   -> one line: {"recipe", "activation_std", "first_loss", "memory", "parameters"}, with
                                      "preview" where images are augmented (augment_preview.py) and "layers" of a net
                                      that is PyTorch code; or {"recipe", "error"} and perhaps "hint"
    {"predict": …, "listing": "FILE"}  the same; the file holds the listing of the recipe's folder (folder_listing.py)
    {"start": "FOLDER"}            -> stdin, stdout and stderr are let go (to worker.log), then FOLDER is trained
    the end of stdin               -> exit code 0
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from cvtui import door
from cvtui.calc.module_table import ModuleTable, rows_to_send
from cvtui.engine.augment_preview import preview
from cvtui.engine.train.control import Signals
from cvtui.engine.train.forecast import forecast
from cvtui.engine.train.preparation import prepare
from cvtui.engine.worker import train_folder
from cvtui.errors import RequestError
from cvtui.recipe.datasets.folder_listing import take_listing
from cvtui.recipe.toml import from_table
from cvtui.recipe.validation import check
from cvtui.runlog.folder import RunFolder


def wait_for_work() -> int:
    """Answer line by line; return the exit code."""
    for line in sys.stdin.buffer:
        if not line.strip():
            continue
        try:
            request = msgspec.json.decode(line)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            request = None
        if not isinstance(request, dict) or not ({"predict", "start"} & request.keys()):
            _answer({"error": 'expected {"predict": {…}} or {"start": "FOLDER"}'})
            continue
        if "listing" in request:
            take_listing(str(request["listing"]))
        if "start" in request:
            return _become_trainer(Path(str(request["start"])))
        _answer(answer(request["predict"]))
    return 0


def answer(fields: Any) -> dict[str, Any]:
    """Forecast of a recipe's fields, or its error in one line; never raises for a wrong recipe."""
    try:
        if not isinstance(fields, dict):
            raise RequestError("predict: expected the recipe's fields as an object")
        training = prepare(check(from_table(fields)), early=True)
        table = training.checked.table
        result = {"recipe": fields, "parameters": table.parameters, **forecast(training)}
        if isinstance(table, ModuleTable):
            result["layers"] = rows_to_send(table)
        shown = preview(training)
        return result if shown is None else {**result, "preview": shown}
    except RequestError as error:
        return {"recipe": fields, "error": error.message, **({"hint": error.hint} if error.hint else {})}
    except (RuntimeError, MemoryError) as error:  # a net that is too large for this machine
        return {"recipe": fields, "error": " ".join(str(error).split())[:300] or type(error).__name__}


def _answer(reply: dict[str, Any]) -> None:
    """Write one line.

    With the screen gone nothing reads it, but the next line may be the run that it left us.
    """
    try:
        sys.stdout.buffer.write(msgspec.json.encode(reply) + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())  # what waits in the buffer goes there, and nothing raises any more
        os.close(nothing)


def _become_trainer(path: Path) -> int:
    """Train the folder.

    From here on the process belongs to the run, not to the screen that started it.
    """
    signals = Signals.install()
    with contextlib.suppress(OSError, AttributeError):  # it leads a session already, or this system has none
        os.setsid()
    folder = RunFolder(path)
    if path.is_dir():
        _detach(folder)
    code = train_folder(path, signals)
    signals.ignore()
    return code


def _detach(folder: RunFolder) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = door.descriptor(folder.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(nothing)
    os.close(log)
