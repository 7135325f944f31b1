"""Determinism on a GPU: which operations of a net differ between two runs of one seed.

On the CPU a seed and a number of threads repeat a run to the last bit. On a GPU cuDNN chooses among algorithms that add
in whatever order their threads come: the default net differs from the second step on. With its deterministic ones
alone, nets of convolutions, batch norm, pooling and linear layers were equal on an H200, at 1.00 to 1.09 times the time
of a step. (`use_deterministic_algorithms(True)` costs 1.15 to 1.3 times, and they don't need it.)
"""

from __future__ import annotations

import re
import warnings

import torch

from cvtui.engine.data.images import Images
from cvtui.engine.observe.untouched import untouched
from cvtui.engine.train.state import TrainingState, first_batch

FEW = 8
"""Images that are enough to run every operation of a step once."""
_NO_FORM = re.compile(r"(\S+) does not have a deterministic implementation")


def message_for(operations: list[str]) -> str:
    """Message for the log; "" where all operations have a deterministic form."""
    if not operations:
        return ""
    verb = "has" if len(operations) == 1 else "have"
    names = ", ".join(operations)
    return f"two runs may differ in their last bits: {names} {verb} no deterministic form in this PyTorch"


def determinism_warning(training: TrainingState) -> str:
    """Warning for a GPU run that is asked to repeat and has operations that can't; "" else."""
    if training.device.type != "cuda" or training.recipe.deterministic == "off":
        return ""
    return message_for(without_deterministic_form(training))


def without_deterministic_form(training: TrainingState) -> list[str]:
    """PyTorch's names of the operations in a step of this net that have no deterministic form.

    A forward and a backward pass of some images are made for it (about the time of one step), with PyTorch asked to
    warn; weights, gradients, running means and random numbers are afterwards what they were.
    """
    images = first_batch(training)
    few = Images(images.pixels[:FEW], images.labels[:FEW])
    model = training.model
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    with warnings.catch_warnings(record=True) as heard, untouched(model):
        warnings.simplefilter("always")
        # Not torch.use_deterministic_algorithms: it imports torch.compile's machinery (1.7 s).
        torch._C._set_deterministic_algorithms(True, warn_only=True)
        try:
            for parameter, _ in gradients:
                parameter.grad = None  # else they would be added to
            with torch.enable_grad(), training.autocast():
                loss = training.loss(model(training.preprocess(few.pixels)), training.truth(few.labels))
            loss.backward()  # type: ignore[no-untyped-call]
        finally:
            torch._C._set_deterministic_algorithms(before[0], warn_only=before[1])
            for parameter, gradient in gradients:
                parameter.grad = gradient
    matches = (_NO_FORM.match(str(warning.message)) for warning in heard)
    return list(dict.fromkeys(match[1] for match in matches if match is not None))
