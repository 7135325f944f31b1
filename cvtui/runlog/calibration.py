"""Calibration of a run: the temperature that its validation images gave, kept beside the run and taken into exports."""

from __future__ import annotations

import math

import msgspec

from cvtui import door
from cvtui.errors import RequestError
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.model_metadata import CALIBRATION


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What calibration.json holds."""

    temperature: float
    """Probabilities are softmax(logits / temperature)."""
    checkpoint: str
    """Name of the file that was calibrated."""
    step: int
    """Of that checkpoint: best.pt may have become another since."""
    images: int = 0
    ece: list[float] = []
    """Expected calibration error of these images, before and after."""
    log_loss: list[float] = []


def write_calibration(folder: RunFolder, found: Calibration) -> None:
    """Keep the calibration. RequestError where the disk refuses."""
    try:
        door.write(folder.path / CALIBRATION, msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    except OSError as error:
        raise RequestError(f"--calibrate: can't write {str(folder.path / CALIBRATION)!r}: {error.strerror}") from None


def read_calibration(folder: RunFolder) -> Calibration | None:
    """Return the calibration of a run; None without one that can be read."""
    try:
        found = msgspec.json.decode(door.read(folder.path / CALIBRATION), type=Calibration)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return found if 0 < found.temperature < math.inf else None
