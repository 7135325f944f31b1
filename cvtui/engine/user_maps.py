"""Feature maps in somebody's own training loop, of the validation images that it was told of."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from cvtui.engine.observe.feature_maps import Validation, look_through
from cvtui.engine.observe.image_writer import Album
from cvtui.text import error_line

NOT_TOLD = "no validation images are known: give cvtui.watch(…, validation=(images, labels)) or a Dataset"


class Looker:
    """`validation` as `cvtui.watch` takes it; `facts`: what the record `run` says of it."""

    def __init__(self, model: nn.Module, validation: Any, classes: list[str]) -> None:
        self.model = model
        self.classes = classes
        self._images: Validation | None = None
        self._why = NOT_TOLD
        if validation is not None:
            try:
                self._images = Validation(validation)
            except Exception as error:  # a stranger's data set may raise anything, and that must not stop a training
                self._why = f"no feature maps: {error_line(error)}"
        self.facts: dict[str, Any] = {"validation": self._images.size} if self._images is not None else {}

    def look(self, number: int, step: int, album: Album) -> str:
        """Pictures of validation image `number` into the album; the words for the log: what was done, or why not."""
        images = self._images
        if images is None:
            return self._why
        if not 0 <= number < images.size:
            return f"there is no validation image {number}: they go from 0 to {images.size - 1}"
        try:
            image, label = images.item(number)
            if image.dim() == 2:
                image = image[None]
            if image.dim() != 3:
                return f"no feature maps: item {number} has {image.dim()} dimensions, not C x H x W"
            parameter = next(self.model.parameters(), torch.zeros(()))
            given = image[None].to(parameter.device)
            given = given.to(parameter.dtype) if given.is_floating_point() else given
            # Not in the loop's own autocast: its copies of the weights, made here without gradients, would stay.
            look = look_through(self.model, given, torch.autocast(parameter.device.type, enabled=False))
            truth = "" if label is None else self.classes[label] if 0 <= label < len(self.classes) else str(label)
            album.write_look(step, number, image.cpu(), look, truth, self.classes)
        except OSError as error:
            return f"the pictures can't be written: {error.strerror or error}"
        except Exception as error:
            return f"no feature maps of validation image {number}: {error_line(error)}"
        return f"feature maps of validation image {number}"
