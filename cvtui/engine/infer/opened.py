"""Open a trained model: a run's checkpoint, a checkpoint's file, or an exported file."""

from __future__ import annotations

import zipfile
from pathlib import Path

import msgspec

from cvtui import door
from cvtui.engine.data.depth import Depth
from cvtui.engine.infer.exported_model import open_exported
from cvtui.engine.infer.trained import TrainedModel, with_weights
from cvtui.engine.train import checkpoint
from cvtui.errors import RequestError
from cvtui.export.loader_script import script_path
from cvtui.recipe.recipe import Recipe
from cvtui.runlog.folder import RunFolder, is_run
from cvtui.runlog.fork import checkpoint_file
from cvtui.runlog.model_input import input_size, unit_of_old
from cvtui.runlog.model_metadata import temperature_of
from cvtui.runlog.origin import check_trainable, first_run
from cvtui.runlog.predictions import EXPORTED


def open_model(path: Path, name: str = "", device: str = "") -> TrainedModel:
    """Read a run's checkpoint (by default the best), a checkpoint's file, or an exported model. RequestError.

    name: of a checkpoint, or the path of its file.
    """
    if path.suffix.lower() in EXPORTED and not path.is_dir():
        if name:
            raise RequestError("--checkpoint: an exported file holds one model only", hint="leave it out")
        return open_exported(path, device)
    if path.is_file():
        return _of_checkpoint(path, device)
    folder = RunFolder.open(path)
    check_trainable(folder, first_run(folder), "used to predict")
    if name and Path(name).suffix == ".pt" and Path(name).is_file() and not _has(folder, name):
        return _of_checkpoint(Path(name), device)
    return _of_checkpoint(checkpoint_file(folder, name), device)


def _is_torchscript(path: Path) -> bool:
    """Return True for an archive with code in it, which no checkpoint has."""
    try:
        with door.opened(path) as file, zipfile.ZipFile(file) as archive:
            return any(name.partition("/")[2].startswith("code/") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _has(folder: RunFolder, name: str) -> bool:
    return Path(name).name == name and (folder.checkpoints / name).is_file()


def _of_checkpoint(path: Path, device: str) -> TrainedModel:
    if _is_torchscript(path):
        raise RequestError(
            f"{path.name} is TorchScript; predict takes a run, a checkpoint, .safetensors or .onnx",
            hint=f"python {script_path(path, 'torchscript').name} IMAGE…, the file beside it, predicts with it",
        )
    try:
        state = checkpoint.load(path)
    except checkpoint.Damaged as error:
        raise RequestError(f"{path.name} is damaged: {error}", hint="--checkpoint NAME takes another") from None
    try:
        recipe = msgspec.convert(state["recipe"], Recipe)
        classes = tuple(map(str, state["classes"]))
        weights, preprocess = checkpoint.eval_weights(state), dict(state["preprocess"])
        step, epoch = int(state["step"]), int(state["epoch"])
        told = state["depth"] and Depth(*state["depth"]) if "depth" in state else None
    except (KeyError, TypeError, ValueError, msgspec.ValidationError) as error:
        raise RequestError(f"{path.name} lacks what predicting needs: {' '.join(str(error).split())[:200]}") from None
    folder = RunFolder(path.parent.parent) if path.parent.name == "checkpoints" else None
    folder = folder if folder is not None and is_run(folder.path) else None
    size = input_size(recipe, folder)
    unit = float(state["unit"]) if "unit" in state else unit_of_old(recipe, folder)
    depth, notes = told, []
    if "depth" not in state and unit == 65535.0:
        depth = Depth(0.0, 2.0**recipe.bits - 1 if recipe.bits else 65535.0, exact=False)
        notes.append(f"an older checkpoint, which doesn't say which value is white: {depth.top:,.0f} is taken for it")
    made = with_weights(recipe, size, classes, weights, preprocess, device, path.name, state)
    made.unit, made.depth, made.notes = unit, depth, (*made.notes, *notes)
    made.several = checkpoint.is_several(state)
    made.checkpoint, made.step, made.epoch, made.ema = path.name, step, epoch, bool(state.get("ema"))
    made.temperature = temperature_of(folder, path.name, step) if folder is not None else 1.0
    return made
