"""A run as it was validated: its data, and the weights of one of its checkpoints."""

from __future__ import annotations

from typing import Any

import msgspec

from cvtui.engine.data.images import OnProgress
from cvtui.engine.data.preprocess import Preprocess
from cvtui.engine.observe.held_values import put_values
from cvtui.engine.train import checkpoint
from cvtui.engine.train.lottery import prepare_run
from cvtui.engine.train.state import TrainingState
from cvtui.errors import RequestError
from cvtui.recipe.datasets.fingerprint import differences, same_classes
from cvtui.recipe.validation import check
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import checkpoint_file
from cvtui.runlog.origin import check_trainable, first_run, recipe_of


def validated_run(
    folder: RunFolder, name: str, on_progress: OnProgress | None, device: str = "", what: str = "evaluated"
) -> tuple[TrainingState, dict[str, Any], list[str]]:
    """Return the training with the checkpoint's weights that were validated, its state, and how its data differ now.

    name: of a checkpoint; "": the best. device: another than the recipe's; what: the verb of an error.
    RequestError where there is none, or it doesn't fit.
    """
    check_trainable(folder, first_run(folder), what)
    source = checkpoint_file(folder, name)  # said before the data are read
    state = load_checkpoint(folder, name)
    recipe = recipe_of(folder, what)
    recipe = msgspec.structs.replace(recipe, device=device or recipe.device)
    training, _ = prepare_run(check(recipe), folder, on_progress)
    classes = training.checked.data.classes
    same_classes(state.get("classes", classes), classes, folder.path)
    try:
        training.model.load_state_dict(checkpoint.eval_weights(state))
        put_values(training.model, state.get("held", {}))
        training.preprocess = Preprocess.of_state(state["preprocess"], training.device)
        training.keep_validation_batch(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RequestError(f"{source.name} does not fit the recipe: {reason}") from None
    training.ema = None  # its weights, where there are such, are the model's now
    return training, state, differences(state["data"], training.fingerprint) if "data" in state else []


def load_checkpoint(folder: RunFolder, name: str) -> dict[str, Any]:
    """Return a checkpoint's state. RequestError where it is damaged."""
    source = checkpoint_file(folder, name)
    try:
        return checkpoint.load(source)
    except checkpoint.Damaged as error:
        raise RequestError(f"{source.name} is damaged: {error}", hint="--checkpoint NAME takes another") from None
