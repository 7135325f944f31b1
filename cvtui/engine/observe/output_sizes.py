"""Output size of each layer of a custom loop's model, seen in its first forward pass; and which take images in turn."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from cvtui.engine.observe.forward_hooks import Handle, first_tensor, forward_hooks, uncompiled
from cvtui.engine.observe.layer_kinds import watched_layers
from cvtui.runlog.events import Facts


class OutputSizes:
    """Fact source: hooks that take themselves off after the first forward pass, and what they saw, once."""

    def __init__(self, model: nn.Module) -> None:
        hooks, root = forward_hooks(model), uncompiled(model)
        self._images: int | None = None
        self._sizes: dict[str, list[int]] = {}
        self._across: list[str] = []
        self._seen = False
        self._handles: list[Handle] = [hooks.before(root, self._begin)]
        for name, (_, module) in watched_layers(model).items():
            self._handles.append(hooks.after(module, self._layer(name)))
        self._handles.append(hooks.after(root, self._end))

    def _begin(self, _module: nn.Module, inputs: Any) -> None:
        images = first_tensor(inputs)
        self._images = len(images) if images is not None and images.dim() else None

    def _layer(self, name: str) -> Any:
        def see(module: Any, _inputs: Any, output: Any) -> None:
            tensor = first_tensor(output)
            if tensor is not None and not self._seen and self._takes_images_in_turn(module, tensor):
                self._across.append(name)
            if tensor is not None and not self._seen and name not in self._sizes:
                size = of_one(tensor.shape, self._images)
                if size:
                    self._sizes[name] = size

        return see

    def _takes_images_in_turn(self, module: Any, output: torch.Tensor) -> bool:
        """Return True of a sequence layer whose dimension 0 is the sequence, and is the images of the batch.

        (One step an image is what a layer over the batch is made of on purpose.)
        """
        if getattr(module, "batch_first", None) is not False or output.dim() != 3:
            return False
        return output.shape[0] == self._images and output.shape[1] not in (1, self._images)

    def _end(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        self._seen = True
        answers = first_tensor(output)
        if answers is None or answers.dim() != 2 or len(answers) != self._images:
            self._across.clear()  # no row an image: its dimension 0 may be a sequence, as it came

    def take(self) -> Facts | None:
        """Return the sizes when a forward pass is over, and take the hooks off."""
        if not self._seen or not self._handles:
            return None
        self.close()
        return Facts(output_sizes=self._sizes, across_images=self._across) if self._sizes else None

    def close(self) -> None:
        """Take all hooks off."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()


def of_one(shape: torch.Size, images: int | None) -> list[int]:
    """Return the size for one image, as [H, W, C] or flat; [] where the first dimension is not the images."""
    if len(shape) < 2 or shape[0] != images:
        return []
    return [*shape[2:], shape[1]] if len(shape) == 4 else list(shape[1:])
