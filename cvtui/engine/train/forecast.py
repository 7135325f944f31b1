"""Forecast of a run before its first step: first loss, std of every layer's output, memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cvtui.engine.nn.freeze import train_mode
from cvtui.engine.observe.forward_hooks import first_tensor
from cvtui.engine.observe.layer_watch import watched_layers
from cvtui.engine.observe.statistics import WHOLE, flat_view, moments
from cvtui.engine.observe.untouched import untouched
from cvtui.engine.train.state import TrainingState, first_batch
from cvtui.recipe.first_loss import first_loss
from cvtui.recipe.memory_check import memory_need
from cvtui.runlog.kinds import ACTIVATIONS, WEIGHTED
from cvtui.text import rounded_or_none

PREDICTED = frozenset((*WEIGHTED, *ACTIVATIONS))


def forecast(training: TrainingState) -> dict[str, Any]:
    """`first_loss`, `start_loss`, `activation_std` by layer and `memory` (bytes) of a training that begins.

    first_loss: all classes alike (ln C of a cross-entropy). start_loss, activation_std: of the run's first batch, with
    the weights as they are. The model is left as it was: mode, batch-norm statistics and random numbers.
    """
    start_loss, spread = first_pass(training)
    return {
        "first_loss": first_loss(training.checked.loss, len(training.checked.data.classes)).value,
        "start_loss": start_loss,
        "activation_std": spread,
        "memory": memory(training),
    }


def first_pass(training: TrainingState) -> tuple[float | None, dict[str, float]]:
    """Loss of the first batch with the present weights, and std of every conv's, fc's and activation's output.

    The loss is None where it is not finite.
    """
    stds: dict[str, Tensor] = {}

    def hook(name: str) -> Any:
        def seen(_module: nn.Module, _inputs: Any, result: Any) -> None:
            output = first_tensor(result)
            if output is None or not output.is_floating_point() or not output.numel():
                return
            large = output.numel() > WHOLE
            stds.setdefault(
                name,
                moments(output)[1] if large else torch.var_mean(flat_view(output).float(), correction=0)[0].sqrt(),
            )

        return seen

    handles = [
        module.register_forward_hook(hook(name))
        for name, (kind, module) in watched_layers(training.model).items()
        if kind in PREDICTED
    ]
    modes = {module: module.training for module in training.model.modules()}
    try:
        train_mode(training.model)  # as of the first step: batch norms of frozen parts keep their statistics
        with untouched(training.model), torch.no_grad(), training.autocast():
            images = first_batch(training)
            inputs, labels = training.mixed(training.preprocess(images.pixels), images.labels)
            loss = training.loss(training.model(inputs), labels).item()
    finally:
        for module, mode in modes.items():
            module.training = mode
        for handle in handles:
            handle.remove()
    spread = {name: rounded_or_none(std.item(), 6) or 0.0 for name, std in stds.items()}
    return rounded_or_none(loss, 6), spread


def memory(training: TrainingState) -> int:
    """Bytes that training holds on its device.

    Weights, their running mean, gradients, optimizer state, kept activations, the images.
    """
    return memory_need(training.checked).total + training.data.bytes
