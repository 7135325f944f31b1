"""Feature maps of one validation image, on request: for the trainer and for `cvtui.watch`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from cvtui.engine.data.random_state import generators_kept
from cvtui.engine.observe.feature_maps import ValidationSet, compute_feature_maps
from cvtui.engine.observe.image_writer import ImageWriter
from cvtui.text import error_line

NOT_TOLD = "no validation images are known: give cvtui.watch(…, validation=(images, labels)) or a Dataset"


class ValidationImage(NamedTuple):
    """One validation image: as it is shown, and as the model gets it."""

    shown: Tensor
    """C x H x W, any range."""
    inputs: Tensor
    """1 x C x H x W."""
    label: int | None
    name: str = ""
    """Where it lies."""


class ValidationImages(Protocol):
    """Validation images by their numbers, from 0."""

    missing: str
    """Why none can be shown; "" where they can."""

    @property
    def size(self) -> int:
        """Return how many there are."""

    def image(self, number: int) -> ValidationImage:
        """Return the image of this number."""


class UserImages:
    """Validation images as `cvtui.watch` takes them, on the device and in the type of `model`."""

    def __init__(self, source: Any, model: nn.Module) -> None:
        self._model = model
        self._source: ValidationSet | None = None
        self.missing = NOT_TOLD if source is None else ""
        if source is not None:
            try:
                with generators_kept(source):  # a transform may draw
                    self._source = ValidationSet(source)
            except Exception as error:  # a user's data set may raise anything, and that must not stop a training
                self.missing = f"no feature maps: {error_line(error)}"
        self.size = self._source.size if self._source is not None else 0

    def image(self, number: int) -> ValidationImage:
        """Return the image of this number. ValueError where it is no C x H x W or H x W."""
        assert self._source is not None
        image, label = self._source.item(number)
        if image.dim() == 2:
            image = image[None]
        if image.dim() != 3:
            raise ValueError(f"it has {image.dim()} dimensions, not C x H x W")
        parameter = next(self._model.parameters(), torch.zeros(()))
        given = image[None].to(parameter.device)
        return ValidationImage(image.cpu(), given.to(parameter.dtype) if given.is_floating_point() else given, label)


class FeatureMapWriter:
    """Writer of the feature maps of a validation image, with the image and the prediction.

    autocast: the context of the forward pass.
    """

    def __init__(
        self,
        model: nn.Module,
        images: ValidationImages,
        writer: ImageWriter,
        classes: list[str],
        autocast: Callable[[], AbstractContextManager[Any]],
        *,
        yes_no: bool = False,
    ) -> None:
        self.model = model
        self.images = images
        self.writer = writer
        self.classes = classes
        self.autocast = autocast
        self.yes_no = yes_no
        self.written = False
        """The latest `look` made them."""

    def look(self, number: int, step: int) -> str:
        """Write those of image `number`; return the message for the log, also where there are none."""
        self.written = False
        if self.images.missing:
            return self.images.missing
        if not 0 <= number < self.images.size:
            known = self.images.size
            numbers = f"they go from 0 to {known - 1}" if known > 1 else "there is image 0 alone"
            return f"there is no validation image {number}: {numbers}"
        try:
            self.write(number, step)
        except OSError as error:
            return f"the pictures can't be written: {error.strerror or error}"
        except Exception as error:
            return f"no feature maps of validation image {number}: {error_line(error)}"
        self.written = True
        return f"feature maps of validation image {number}"

    def write(self, number: int, step: int) -> None:
        """Write those of image `number`. OSError, and whatever the model raises."""
        shown, inputs, label, name = self.images.image(number)
        result = compute_feature_maps(self.model, inputs, self.autocast(), yes_no=self.yes_no)
        truth = "" if label is None else self.classes[label] if 0 <= label < len(self.classes) else str(label)
        self.writer.write_feature_maps(step, number, shown, result, truth, self.classes, name)
