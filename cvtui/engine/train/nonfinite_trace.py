"""Re-run a batch with hooks to find the first layer with a non-finite value."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cvtui.engine.data.images import Images
from cvtui.engine.nn.meta_copy import random_state_kept
from cvtui.engine.nn.model import layers_by_name
from cvtui.engine.observe.statistics import all_finite
from cvtui.engine.runtime.memory import is_out_of_memory
from cvtui.engine.train.state import TrainingState
from cvtui.runlog.events import Finding

SHOWN_IMAGES = 8


class Culprit(NamedTuple):
    """Layer where the first non-finite value arose."""

    layer: str
    """"" where nothing that is not finite came up again."""
    message: str


def finding(training: TrainingState, step: int, kept: str = "", since: int = 0) -> Finding:
    """Describe the first step whose loss or gradient was not finite, as a finding.

    Layer, step, batch, and the way on. `kept` names the last good checkpoint; `since`: the step at which this process
    began. Leaves weights, running means and random numbers as they were.
    """
    per_epoch = training.checked.steps_per_epoch
    epoch, batch_index = divmod(step + training.schedule.shift, per_epoch)
    index = image_numbers(training, epoch + 1, batch_index)
    batch = training.data.train.batch(index.to(training.data.train.labels.device))
    culprit = locate(training, training.augmented(batch, step))
    where = f"step {step:,} (epoch {epoch + 1}, batch {batch_index + 1} of {per_epoch:,})"
    begun = f" since step {since:,}" if since else ""
    sentence = f"the first value that is not finite{begun}: {culprit.message}, at {where}"
    if not culprit.layer:
        sentence = f"when the batch of {where} was computed again, no value that is not finite came up"
    numbers = ", ".join(map(str, index[:SHOWN_IMAGES].tolist())) + (", …" if len(index) > SHOWN_IMAGES else "")
    return Finding(
        step=step,
        id="not-finite",
        severity="stop",
        sentence=sentence,
        layer=culprit.layer,
        evidence=f"training images {numbers}" + (f"; last good checkpoint: {kept}" if kept else ""),
    )


def image_numbers(training: TrainingState, epoch: int, batch_index: int) -> Tensor:
    """Numbers of the images in batch `batch_index` (from 0) of an epoch (from 1)."""
    size = training.recipe.step_images
    last = batch_index + 1 == training.checked.steps_per_epoch  # it may be larger than the others
    order = training.order(epoch)
    return order[batch_index * size : None if last else (batch_index + 1) * size]


def locate(training: TrainingState, batch: Images) -> Culprit:
    """Find the first layer whose output on `batch` is not finite.

    Else the last one whose gradient is not: that is where the backward pass meets it first.
    """
    model = training.model
    devices = [training.device] if training.device.type == "cuda" else []
    buffers = {name: tensor.clone() for name, tensor in model.named_buffers()}
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    try:
        with random_state_kept(), torch.random.fork_rng(devices=devices):
            return _nonfinite_weights(model) or _rerun(training, batch)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return Culprit("", "there was no memory to compute the batch again")
    finally:
        for name, parameter in model.named_parameters():
            parameter.grad = gradients[name]
        with torch.no_grad():
            for name, tensor in model.named_buffers():
                tensor.copy_(buffers[name])


def _nonfinite_weights(model: nn.Module) -> Culprit | None:
    for name, parameter in model.named_parameters():
        if not all_finite(parameter):
            layer, _, kind = name.rpartition(".")
            return Culprit(layer, f"the {kind} of {layer}")
    return None


def _rerun(training: TrainingState, batch: Images) -> Culprit:
    model = training.model
    culprits: list[Culprit] = []

    def look(name: str, output: Tensor) -> None:
        if not culprits and not all_finite(output.detach()):
            culprits.append(Culprit(name, f"the output of {name}{_largest(model, name)}"))

    handles = [
        layer.register_forward_hook(lambda _m, _i, output, name=name: look(name, output))
        for name, layer in layers_by_name(model).items()
    ]
    try:
        model.zero_grad(set_to_none=True)
        parts = -(-len(batch.labels) // (training.micro_batch or len(batch.labels)))
        with training.autocast():
            inputs, truth = training.mixed(training.preprocess(batch.pixels), batch.labels)
        for part, labels in zip(inputs.tensor_split(parts), truth.tensor_split(parts), strict=True):
            with torch.enable_grad(), training.autocast():
                loss = training.loss(model(part), labels)
            if culprits:
                return culprits[0]
            if not torch.isfinite(loss):
                return Culprit("loss", "the loss itself (the last layer's outputs are finite)")
            loss.backward()  # type: ignore[no-untyped-call]
    finally:
        for handle in handles:
            handle.remove()
    for name, parameter in reversed(list(model.named_parameters())):
        gradient = parameter.grad
        if gradient is not None and not torch.isfinite(torch.linalg.vector_norm(gradient)):
            layer, _, kind = name.rpartition(".")
            return Culprit(layer, f"the gradient of {layer}'s {kind}")
    return Culprit("", "none")


def _largest(model: nn.Module, name: str) -> str:
    """How large the layer's weights have become: the usual reason."""
    weight = getattr(model.get_submodule(name), "weight", None)
    if not isinstance(weight, Tensor):
        return ""
    return f" (its weights reach {weight.detach().abs().max().item():.2g})"
