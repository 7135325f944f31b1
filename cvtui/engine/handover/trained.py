"""Load a run's trained model on the CPU, with validation images to check its exports on."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import torch
from torch import Tensor, nn

from cvtui._version import __version__
from cvtui.engine.data.depth import unit_of
from cvtui.engine.data.images import OnProgress
from cvtui.engine.data.preprocess import Preprocess, per_image
from cvtui.engine.train.export_weights import activation_of
from cvtui.engine.train.validated import validated_run
from cvtui.errors import RequestError
from cvtui.recipe.datasets.label_sets import words_of
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import checkpoint_file
from cvtui.runlog.model_metadata import ModelMetadata, mean_and_std, temperature_of
from cvtui.runlog.origin import recipe_of
from cvtui.text import whole_range

CHECKED_IMAGES = 64
"""Validation images that an export is checked on, at most."""


class Trained(NamedTuple):
    """A trained model in evaluation mode, float32, on the CPU."""

    model: nn.Module
    preprocess: Preprocess
    pixels: Tensor
    """Validation images, spread evenly: N x H x W x C (points: N x features)."""
    truth: list[str]
    """The class of each, or all its classes."""
    metadata: ModelMetadata


def load_trained(
    folder: RunFolder,
    name: str = "",
    on_progress: OnProgress | None = None,
    image: int | None = None,
    what: str = "exported",
) -> Trained:
    """Load the weights that were validated (the running mean where there is one) of a checkpoint.

    name: as for `checkpoint_file`; image: the validation image that is wanted, instead of some; what: the verb of an
    error. RequestError where the checkpoint is damaged, or the data are not there.
    """
    source = checkpoint_file(folder, name)
    training, state, _ = validated_run(folder, name, on_progress, "cpu", what)
    classes, preprocess, recipe = training.checked.data.classes, training.preprocess, training.recipe
    held_out = training.data.validation
    if image is not None and not 0 <= image < held_out.size:
        raise RequestError(f"there is no validation image {image:,}; allowed: {whole_range(0, held_out.size - 1)}")
    count = min(CHECKED_IMAGES, held_out.size)
    spread = torch.linspace(0, held_out.size - 1, count).round().long()
    shown = held_out.batch(spread if image is None else torch.tensor([image]))
    unit = unit_of(shown.pixels.dtype)
    mean, std = mean_and_std(preprocess.scale.tolist(), preprocess.shift.tolist(), unit)
    plain = {key: value for key, value in preprocess.state().items() if not isinstance(value, Tensor)}
    about = ModelMetadata(
        cvtui=__version__, net=recipe.net, classes=list(classes), size=list(shown.pixels.shape[1:]), unit=unit,
        preprocess=plain, mean=mean, std=std, temperature=temperature_of(folder, source.name, int(state["step"])),
        checkpoint=source.name, step=int(state["step"]), epoch=int(state["epoch"]), ema=bool(state.get("ema")),
        recipe=msgspec.to_builtins(recipe_of(folder, what)), activation=activation_of(recipe),
        several=training.label_table is not None, depth=training.data.depth,
    )  # fmt: skip
    model = training.model.to(memory_format=torch.contiguous_format).requires_grad_(False)
    model.eval()
    sets = training.data.label_sets
    truth = [
        words_of(classes[one] for one in sets[label]) if sets else classes[label] for label in shown.labels.tolist()
    ]
    return Trained(model, preprocess, shown.pixels, truth, about)


class PixelsToInput(nn.Module):
    """The preprocessing as a module with buffers: pixels N x H x W x C -> float32 N x C x H x W."""

    def __init__(self, preprocess: Preprocess) -> None:
        super().__init__()
        self.name = preprocess.name
        self.register_buffer("scale", preprocess.scale.clone())
        self.register_buffer("shift", preprocess.shift.clone())
        self.whitens = preprocess.zca is not None
        if preprocess.zca is not None:
            self.register_buffer("mean", preprocess.zca.mean.clone())
            self.register_buffer("matrix", preprocess.zca.matrix.clone())

    def forward(self, pixels: Tensor) -> Tensor:
        x = torch.addcmul(self.shift, pixels.to(torch.float32), self.scale)  # type: ignore[arg-type]
        if self.whitens:
            x = ((x.flatten(1) - self.mean) @ self.matrix).reshape(x.shape)  # type: ignore[operator]
        elif self.name == "per-image":
            x = per_image(x)
        return x.permute(0, 3, 1, 2).contiguous() if x.dim() == 4 else x


class HandedOver(nn.Module):
    """What a file holds: the model, or from pixels to probabilities."""

    def __init__(self, trained: Trained, with_preprocess: bool) -> None:
        super().__init__()
        self.pixels = PixelsToInput(trained.preprocess) if with_preprocess else None
        self.model = trained.model
        self.temperature = trained.metadata.temperature
        self.yes_no = trained.metadata.activation == "sigmoid"

    def forward(self, x: Tensor) -> Tensor:
        if self.pixels is None:
            logits: Tensor = self.model(x)
            return logits
        logits = self.model(self.pixels(x)) / self.temperature
        probabilities: Tensor = logits.sigmoid() if self.yes_no else logits.softmax(1)
        return probabilities

    def example(self, trained: Trained) -> Tensor:
        """Return the images that it is checked on, as it takes them."""
        if self.pixels is not None:
            return trained.pixels.contiguous()
        return trained.preprocess(trained.pixels).contiguous()
