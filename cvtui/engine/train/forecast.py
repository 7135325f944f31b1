"""What can be said of a run before its first step: first loss, spread of every layer's output, memory."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from cvtui.engine.observe.layer_watch import watched_layers
from cvtui.engine.observe.statistics import WHOLE, flat_view, moments
from cvtui.engine.observe.untouched import untouched
from cvtui.engine.train.state import Training, first_batch
from cvtui.recipe.first_loss import first_loss
from cvtui.recipe.memory_check import memory_need


def predict(training: Training) -> dict[str, Any]:
    """`first_loss` (all classes alike: ln C of a cross-entropy), `start_loss` (of the run's first batch, with the
    weights as they are), `activation_std` (by layer, on that batch), `memory` (bytes).

    It leaves the model as it was: mode, batch-norm statistics and random numbers.
    """
    start_loss, spread = first_pass(training)
    return {
        "first_loss": first_loss(training.checked.loss, len(training.checked.data.classes)).value,
        "start_loss": start_loss,
        "activation_std": spread,
        "memory": memory(training),
    }


def first_pass(training: Training) -> tuple[float | None, dict[str, float]]:
    """The first batch through the weights as they are: its loss (None where it is not finite), and the standard
    deviation of every watched layer's output."""
    found: dict[str, Tensor] = {}

    def hook(name: str) -> Any:
        def seen(module: nn.Module, inputs: Any, output: Tensor) -> None:
            large = output.numel() > WHOLE
            found.setdefault(
                name,
                moments(output)[1] if large else torch.var_mean(flat_view(output).float(), correction=0)[0].sqrt(),
            )

        return seen

    handles = [module.register_forward_hook(hook(name)) for name, (_, module) in watched_layers(training.model).items()]
    try:
        with untouched(training.model), torch.no_grad(), training.autocast():
            images = first_batch(training)
            loss = training.loss(training.model(training.preprocess(images.pixels)), images.labels).item()
    finally:
        for handle in handles:
            handle.remove()
    spread = {name: _finite(std.item()) for name, std in found.items()}
    return float(f"{loss:.6g}") if math.isfinite(loss) else None, spread


def memory(training: Training) -> int:
    """Bytes that training holds on its device: weights, gradients, optimiser state, kept activations, the images.

    With a running mean of the weights, that too."""
    return memory_need(training.checked).total + training.data.bytes


def _finite(number: float) -> float:
    return float(f"{number:.6g}") if math.isfinite(number) else 0.0
